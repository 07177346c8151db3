import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs `bench/<script>.ts`, which measures itself and prints, in a process of its own. */
export async function runAlone(script: string): Promise<void> {
  const alone = fork(fileURLToPath(new URL(`../${script}.js`, import.meta.url)), [], {
    execArgv: ['--expose-gc'],
  });
  const code = await new Promise<number | null>((resolve) => alone.once('exit', resolve));
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
}
