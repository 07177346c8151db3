import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Call, Note, Usage } from './child-calls.js';

const running = new Set<Child>();

/** A process of the benchmark that answers calls; see `answerCalls`. */
export class Child {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #listeners = new Map<string, (value: never) => void>();
  readonly #exited: Promise<void>;
  #calls = 0;
  #stopping = false;

  constructor(script: string, options: readonly string[]) {
    this.#process = fork(fileURLToPath(new URL(`../${script}.js`, import.meta.url)), [], {
      execArgv: ['--expose-gc', ...options],
      // What a child prints must not get between the results.
      stdio: ['ignore', 2, 2, 'ipc'],
      serialization: 'advanced',
    });
    this.#process.on('message', (message: Answer | Note) => this.#receive(message));
    this.#exited = new Promise((resolve) => this.#process.once('exit', () => resolve()));
    running.add(this);
    this.#process.once('exit', (code, signal) => {
      running.delete(this);
      for (const { reject } of this.#pending.values()) {
        reject(new Error(`${script} ended with ${signal ?? code}`));
      }
      this.#pending.clear();
      if (!this.#stopping) process.stderr.write(`${script} ended with ${signal ?? code}\n`);
    });
  }

  call<Result = void>(name: string, argument?: unknown): Promise<Result> {
    const id = this.#calls++;
    return new Promise<Result>((resolve, reject) => {
      this.#pending.set(id, { resolve: (result) => resolve(result as Result), reject });
      this.#process.send({ id, name, argument } satisfies Call, (error) => {
        if (error !== null) reject(error);
      });
    });
  }

  /** Calls back with what the child tells of itself. */
  on<Value>(note: string, listener: (value: Value) => void): void {
    this.#listeners.set(note, listener as (value: never) => void);
  }

  usage(): Promise<Usage> {
    return this.call<Usage>('usage');
  }

  /** The child ends itself once it is cut off. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#process.connected) this.#process.disconnect();
    await this.#exited;
  }

  #receive(message: Answer | Note): void {
    if ('note' in message) {
      this.#listeners.get(message.note)?.(message.value as never);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if ('error' in message) pending?.reject(new Error(message.error));
    else pending?.resolve(message.result);
  }
}

/** Starts `bench/<script>.ts` as a process of its own. `options`: of Node itself. */
export function startChild(script: string, options: readonly string[] = []): Child {
  return new Child(script, options);
}

/** Whatever a benchmark that failed has left running. */
export async function stopChildren(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}
