// Runs every test. Arguments are passed on to the runner: `npm test -- test/unit`.
// The last lines say what did not run and why, then the sum in plain words, for people and for machines that read no
// runner's own format. What failed before it had tests to count (a file that could not be loaded, an error outside
// of any test) counts as a failure, too.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'causeway-results-'));
const results = join(folder, 'results.json');
const skipped = join(folder, 'skipped');
const run = spawnSync(
  'npx',
  [
    'vitest',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit', env: { ...process.env, CAUSEWAY_TEST_SKIPPED_FILE: skipped } },
);
const status = run.status ?? 1;
try {
  const report = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined;
  const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, testResults = [] } = report ?? {};
  const notCollected = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  for (const { name, message } of notCollected) {
    console.log(`FAILED: ${name} could not be run: ${String(message).split('\n')[0]}`);
  }
  let failed = numFailedTests + notCollected.length;
  if (failed === 0 && status !== 0) {
    console.log(`FAILED: the runner ended with ${run.signal ?? status} though no test failed; see above`);
    failed = 1;
  }
  if (existsSync(skipped)) {
    for (const line of [...new Set(readFileSync(skipped, 'utf8').trim().split('\n'))].sort())
      console.log(line);
  }
  console.log(`${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped`);
  process.exitCode = failed > 0 && status === 0 ? 1 : status;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
