// Transpiles src/ file by file to dist/, or to the folder that is named. Types are checked by `npm run check`, so
// that a start from a fresh clone costs a fraction of a second and needs no compiler run.
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const [outdir = 'dist'] = process.argv.slice(2);
const names = readdirSync('src', { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts'));

await build({
  entryPoints: names.map((name) => join('src', name)),
  outdir,
  outbase: 'src',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  sourcesContent: false,
});

// Only what has lost its source goes: a running hub may still load the rest.
const wanted = new Set(names.flatMap((name) => ['.js', '.js.map'].map((end) => name.replace(/\.ts$/, end))));
for (const name of readdirSync(outdir, { recursive: true }).map(String)) {
  if (/\.js(\.map)?$/.test(name) && !wanted.has(name)) rmSync(join(outdir, name));
}

// `npx causeway` looks here first; else npm installs the project into a cache of its own before it runs it.
const command = join('node_modules', '.bin', 'causeway');
if (outdir === 'dist' && !existsSync(command)) {
  mkdirSync(join('node_modules', '.bin'), { recursive: true });
  rmSync(command, { force: true });
  symlinkSync(join('..', '..', 'dist', 'main.js'), command);
}
