import yoctoSpinner, { type Spinner } from 'yocto-spinner';
import type { TextOutput } from './cli-context.js';

/** One line on a terminal that says how far long work is; nothing at all in a pipe. */
export class Progress {
  readonly #output: TextOutput;
  #spinner: Spinner | undefined;

  constructor(output: TextOutput) {
    this.#output = output;
  }

  show(text: string): void {
    const { terminal } = this.#output;
    if (terminal === undefined) return;
    // Signals are the command's own affair: it has something to finish first.
    this.#spinner ??= yoctoSpinner({ stream: terminal, handleSignals: false }).start();
    this.#spinner.text = text;
  }

  /** Takes the line away again. */
  done(): void {
    this.#spinner?.stop();
    this.#spinner = undefined;
  }
}
