import type { TextOutput } from '../cli-context.js';
import type { Paint } from '../paint.js';
import { widthOf, wrapText } from '../text-table.js';

/** What one worker did in one step; undefined: nothing, and nothing was meant for it. */
export interface DemoCell {
  readonly what: string;
  readonly ms: number | undefined;
}

export interface DemoStep {
  readonly name: string;
  readonly cells: Readonly<Record<string, DemoCell | undefined>>;
}

/** Where no terminal says how wide it is. */
export const columnsDefault = 100;
const cellWidthMax = 15;
/** The step has so much of the width, the workers share the rest. */
const stepShare = 0.36;

/** Keeps a number and its unit in one line; written as a plain space. */
const noBreak = '\u00a0';

/** Prints each row as soon as its step is done. What does not fit beside the other cells goes on below. */
export class DemoTable {
  readonly #output: TextOutput;
  readonly #paint: Paint;
  readonly #workers: readonly string[];
  readonly #cellWidth: number;
  readonly #stepWidth: number;

  constructor(output: TextOutput, paint: Paint, workers: readonly string[]) {
    this.#output = output;
    this.#paint = paint;
    this.#workers = workers;
    const columns = output.columns ?? columnsDefault;
    const share = Math.floor((columns * (1 - stepShare)) / workers.length) - 1;
    this.#cellWidth = Math.min(cellWidthMax, share);
    this.#stepWidth = Math.min(columns, columnsDefault) - workers.length * (this.#cellWidth + 1);
  }

  async head(subtitles: readonly string[]): Promise<void> {
    const { bold, dim } = this.#paint;
    await this.#line(bold('step'), this.#workers.map(bold));
    await this.#line('', subtitles.map(dim));
    await this.#output.write(
      `${dim('-'.repeat(this.#stepWidth + this.#workers.length * (this.#cellWidth + 1)))}\n`,
    );
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
    return ms === undefined
      ? what
      : `${what} ${this.#paint.green(`${Math.max(1, Math.round(ms))}${noBreak}ms`)}`;
  }

  async #line(step: string, cells: readonly string[]): Promise<void> {
    const widths = [this.#stepWidth, ...cells.map(() => this.#cellWidth)];
    const columns = [step, ...cells].map((text, index) => wrapText(text, widths[index]).split('\n'));
    const height = Math.max(...columns.map((lines) => lines.length));
    for (let line = 0; line < height; line++) {
      const padded = columns.map((lines, index) => pad(lines[line] ?? '', widths[index] ?? 0));
      await this.#output.write(`${padded.join(' ').replaceAll(noBreak, ' ').trimEnd()}\n`);
    }
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}
