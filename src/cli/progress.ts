import type { TextOutput } from './cli-context.js';

/** One line on a terminal that says how far long work is; nothing at all in a pipe. */
export class Progress {
  readonly #output: TextOutput;
  #width = 0;

  constructor(output: TextOutput) {
    this.#output = output;
  }

  async show(text: string): Promise<void> {
    if (!this.#output.isTerminal) return;
    await this.#output.write(`\r${text.padEnd(this.#width)}`);
    this.#width = text.length;
  }

  /** Takes the line away again. */
  async done(): Promise<void> {
    if (this.#width === 0) return;
    await this.#output.write(`\r${' '.repeat(this.#width)}\r`);
    this.#width = 0;
  }
}
