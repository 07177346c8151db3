import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Processes and folders that must not outlive the test process, even when that is killed: a second process
 * holds the other end of a pipe and cleans up when the pipe breaks.
 */
let watchdog: ChildProcess | undefined;

function tell(message: Readonly<Record<string, unknown>>): void {
  if (watchdog === undefined) {
    watchdog = spawn(process.execPath, [fileURLToPath(new URL('watchdog.mjs', import.meta.url))], {
      stdio: ['pipe', 'ignore', 'inherit'],
      // A Ctrl-C in the terminal is for the tests; the watchdog has work to do after it.
      detached: true,
    });
    watchdog.unref();
    (watchdog.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }
  watchdog.stdin?.write(`${JSON.stringify(message)}\n`);
}

export interface WatchedFolder {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** `owner`: the user that a service runs as, where that is not ours. */
export async function watchedFolder(owner?: User): Promise<WatchedFolder> {
  const path = await mkdtemp(join(tmpdir(), 'causeway-service-'));
  tell({ remove: { folder: path } });
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      tell({ removed: { folder: path } });
    },
  };
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface WatchedProcess {
  /** What it has printed on both streams, the last 64 KiB. */
  output(): string;
  hasExited(): boolean;
  send(signal: NodeJS.Signals): void;
  /** Sends the signal and resolves when the process is gone; after three seconds it is killed. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const outputCharactersMax = 64 * 1024;

export function startWatched(
  command: string,
  args: readonly string[],
  options: { readonly user?: User | undefined; readonly signal?: NodeJS.Signals; readonly folder: string },
): WatchedProcess {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.folder,
    detached: true,
    ...options.user,
  });
  const { pid } = child;
  const signal = options.signal ?? 'SIGTERM';
  if (pid !== undefined) tell({ watch: { pid, signal } });
  let output = '';
  let exited = false;
  const keep = (text: string) => {
    output = (output + text).slice(-outputCharactersMax);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep);
  const gone = new Promise<void>((resolve) => {
    const end = () => {
      exited = true;
      if (pid !== undefined) tell({ forget: { pid } });
      resolve();
    };
    child.once('error', (error) => {
      keep(error.message);
      end();
    });
    child.once('exit', end);
  });
  return {
    output: () => output,
    hasExited: () => exited,
    send: (asked) => {
      child.kill(asked);
    },
    stop: async (asked = signal) => {
      if (exited) return;
      child.kill(asked);
      const patience = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await gone;
      clearTimeout(patience);
    },
  };
}

/** Polls until `check` passes; rejects with the output of the process when it ends or does not get there. */
export async function untilReady(
  what: string,
  service: WatchedProcess,
  check: () => Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  let reason = '';
  for (;;) {
    try {
      if (await check()) return;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    if (service.hasExited() || performance.now() > end) {
      await service.stop('SIGKILL');
      throw new Error(`${what} did not start: ${reason}\n${service.output()}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
