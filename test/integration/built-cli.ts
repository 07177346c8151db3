import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const mainPath = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface CliRun {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves to the exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Runs the built command line, with nothing of our own environment that it would read. */
export function startCli(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin?: string,
): CliRun {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:TYK_MDCB_|CAUSEWAY_)/.test(name));
  const child = spawn(process.execPath, [mainPath, ...argv], {
    env: { ...Object.fromEntries(own), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.end(stdin ?? '');
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
  });
  return { child, out: () => out, err: () => err, ended };
}

export async function runCli(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin?: string,
): Promise<{ readonly exitCode: number | null; readonly out: string; readonly err: string }> {
  const run = startCli(argv, env, stdin);
  const exitCode = await run.ended;
  return { exitCode, out: run.out(), err: run.err() };
}
