import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type JsonLine = Readonly<Record<string, unknown>> & { readonly type: string };

/** A foreign program that prints JSON lines with a `type`. */
export class JsonLinesProcess {
  readonly #process: ChildProcess;
  readonly #program: string;
  readonly #lines: JsonLine[] = [];
  readonly #exited: Promise<void>;
  #wake: () => void = () => {};
  #ended = false;

  constructor(program: string, flags: readonly string[]) {
    this.#program = program;
    const child = spawn(program, flags, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as JsonLine);
      this.#wake();
    });
    this.#exited = new Promise((resolve) => {
      child.once('close', () => {
        this.#ended = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** The next line of that type; earlier ones of other types are dropped. */
  async next(type: string): Promise<JsonLine> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        if (line.type === type) return line;
      }
      if (this.#ended) throw new Error(`${this.#program} ended without a line of type ${type}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a control line. */
  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#exited;
  }

  get exited(): Promise<void> {
    return this.#exited;
  }
}
