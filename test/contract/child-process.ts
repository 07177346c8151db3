import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Lines that a child has printed, and a way to end it as a power cut would. */
export interface Child {
  readonly pid: number;
  readonly lines: readonly string[];
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Bundles `children/<name>.ts` for plain Node, which cannot read TypeScript at every version we support. */
export async function bundleChild(name: string): Promise<{
  readonly start: (...args: readonly string[]) => Child;
  /** The same with files of at most about 2 MB: writes beyond fail, as on a full disk. */
  readonly startOnFullDisk: (...args: readonly string[]) => Child;
  readonly remove: () => Promise<void>;
}> {
  const folder = join(repository, 'node_modules', '.cache', `causeway-child-${process.pid}-${name}`);
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, 'child.mjs');
  await build({
    entryPoints: [join(repository, 'test', 'contract', 'children', `${name}.ts`)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  return {
    start: (...args) => startChild(process.execPath, [outfile, ...args]),
    startOnFullDisk: (...args) =>
      startChild('sh', ['-c', 'ulimit -f 4000; exec "$@"', 'sh', process.execPath, outfile, ...args]),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function startChild(command: string, args: readonly string[]): Child {
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  let rest = '';
  child.stdout?.setEncoding('utf8');
  child.stdout?.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  // `close` comes after the last line was read.
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
  });
  return {
    pid: child.pid ?? 0,
    lines,
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
