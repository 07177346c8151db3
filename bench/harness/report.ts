import { cpus, release, totalmem, type } from 'node:os';
import { spreadOf } from './statistics.js';

export type Row = readonly (string | number)[];

/** Prints Markdown, so that it can stand in the README as it is. */
export function printTable(title: string, head: readonly string[], rows: readonly Row[]): void {
  const lines = [head, head.map(() => '---'), ...rows.map((row) => row.map(String))];
  process.stdout.write(`\n**${title}**\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`);
}

/** For people who wait. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function printMachine(): void {
  const [first] = cpus();
  const model = first?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  process.stdout.write(
    `${cpus().length} × ${model}, ${memory} GiB, ${type()} ${release()}, Node ${process.versions.node}\n`,
  );
}

/** `1,234 (1,200–1,300)`: median, least and most. */
export function shown(values: readonly number[], digits = 0): string {
  const { median, min, max } = spreadOf(values);
  return `${number(median, digits)} (${number(min, digits)}–${number(max, digits)})`;
}

export function number(value: number, digits = 0): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function megabytes(bytes: number): number {
  return bytes / 1_000_000;
}
