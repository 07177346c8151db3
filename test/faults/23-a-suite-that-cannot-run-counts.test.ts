import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let project = '';

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'causeway-runner-'));
  mkdirSync(join(project, 'test'));
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
});
afterEach(() => {
  rmSync(project, { recursive: true, force: true });
});

/** Runs the project's own test command on test files of a project of its own. */
function run(files: Readonly<Record<string, string>>): {
  readonly status: number | null;
  readonly last: string[];
} {
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(project, 'test', `${name}.test.ts`), text);
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs')], {
    cwd: project,
    encoding: 'utf8',
    env: { ...process.env, CAUSEWAY_TEST_REQUIRE_SERVICES: '' },
  });
  return { status, last: stdout.trimEnd().split('\n') };
}

const good = `import { it } from 'vitest'; it('passes', () => {});`;

it('counts a suite that could not be collected as a failure', () => {
  const broken = `import { describe } from 'vitest'; describe.skipIf(true)('x', () => { const { y } = undefined; });`;
  const { status, last } = run({ good, broken });
  expect(status).not.toBe(0);
  expect(last.at(-1)).toBe('1 passed, 1 failed, 0 skipped');
  expect(last.at(-2)).toMatch(/^FAILED: .*broken\.test\.ts could not be run: /);
});

it('counts an error outside of any test as a failure', () => {
  const late = `import { it } from 'vitest'; it('passes', () => { void Promise.reject(new Error('nobody waits')); });`;
  const { status, last } = run({ late });
  expect(status).not.toBe(0);
  expect(last.at(-1)).toBe('1 passed, 1 failed, 0 skipped');
});

it('lists in the last lines what did not run and why, each once', () => {
  const skipping = `
    import { it } from 'vitest';
    import { skipLoudly } from '${join(root, 'test/services/availability.ts')}';
    skipLoudly('Redis (tls)', 'redis-server is not installed');
    skipLoudly('Redis (tls)', 'redis-server is not installed');
    it.skip('needs it', () => {});`;
  const { status, last } = run({ good, skipping });
  expect(status).toBe(0);
  expect(last.slice(-2)).toEqual([
    'SKIPPED: tests on Redis (tls) do not run: redis-server is not installed',
    '1 passed, 0 failed, 1 skipped',
  ]);
});
