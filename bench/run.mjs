// node bench/run.mjs [names…]: builds the service and the benchmarks into a folder of their own, so that
// another build of the tree does not pull the files from under a running measurement, and runs what is named.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
mkdirSync('var', { recursive: true });
const folder = mkdtempSync(join('var', 'bench-'));

try {
  // Laid out like the tree, so that the files of the service find what lies beside them.
  for (const name of ['proto', 'examples', 'package.json']) symlinkSync(join(root, name), join(folder, name));
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs', join(folder, 'src')], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the service could not be built');
  await build({
    entryPoints: readdirSync('bench', { recursive: true })
      .map((name) => join('bench', String(name)))
      .filter((name) => name.endsWith('.ts')),
    outdir: join(folder, 'bench'),
    outbase: 'bench',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    sourcesContent: false,
  });
  const bench = spawn(process.execPath, [join(folder, 'bench', 'main.js'), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  // The terminal has told the benchmark as well: it ends its own processes.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => bench.kill('SIGTERM'));
  process.exitCode = await new Promise((resolve) => bench.once('exit', (code) => resolve(code ?? 1)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
