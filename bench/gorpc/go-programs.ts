import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

/** Builds `bench/peers/<name>` into the folder; the benchmarks run from the root of the tree. */
export function buildGoProgram(name: 'gorpc-server' | 'gorpc-load', folder: string): string {
  const program = join(resolve(folder), name);
  const { status, error } = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: resolve('bench', 'peers', name),
    stdio: 'inherit',
  });
  if (error !== undefined) throw new Error(`Go is needed for the peers of this benchmark: ${error.message}`);
  if (status !== 0) throw new Error(`bench/peers/${name} could not be built`);
  return program;
}
