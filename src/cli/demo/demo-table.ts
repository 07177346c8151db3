import type { TextOutput } from '../cli-context.js';
import type { Paint } from '../paint.js';
import { widthOf } from '../text-table.js';

/** What one worker did in one step; undefined: nothing, and nothing was meant for it. */
export interface DemoCell {
  readonly what: string;
  readonly ms: number | undefined;
}

export interface DemoStep {
  readonly name: string;
  readonly cells: Readonly<Record<string, DemoCell | undefined>>;
}

const stepWidth = 36;
const cellWidth = 15;

/** Prints each row as soon as its step is done; 100 columns hold the step and four workers. */
export class DemoTable {
  readonly #output: TextOutput;
  readonly #paint: Paint;
  readonly #workers: readonly string[];

  constructor(output: TextOutput, paint: Paint, workers: readonly string[]) {
    this.#output = output;
    this.#paint = paint;
    this.#workers = workers;
  }

  async head(subtitles: readonly string[]): Promise<void> {
    const { bold, dim } = this.#paint;
    await this.#line(bold('step'), this.#workers.map(bold));
    await this.#line('', subtitles.map(dim));
    await this.#output.write(`${dim('-'.repeat(stepWidth + this.#workers.length * (cellWidth + 1)))}\n`);
  }

  async row({ name, cells }: DemoStep): Promise<void> {
    await this.#line(
      name,
      this.#workers.map((worker) => this.#cell(cells[worker])),
    );
  }

  #cell(cell: DemoCell | undefined): string {
    if (cell === undefined) return this.#paint.dim('-');
    const { what, ms } = cell;
    return ms === undefined ? what : `${what} ${this.#paint.green(`${Math.max(1, Math.round(ms))} ms`)}`;
  }

  async #line(step: string, cells: readonly string[]): Promise<void> {
    const padded = [pad(step, stepWidth), ...cells.map((cell) => pad(cell, cellWidth))];
    await this.#output.write(`${padded.join(' ').trimEnd()}\n`);
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}
