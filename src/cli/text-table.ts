import Table from 'cli-table3';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Columns between two cells. */
const gap = 2;
/** No column is made narrower than this to fit: its text could not be read any more. */
const columnWidthMin = 8;

const noLines = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((name) => [name, '']),
);

/**
 * Columns as wide as their widest cell, two spaces apart; cells may carry colour codes. Where that is wider than
 * the output (`width` columns; undefined: no terminal, no bound) the widest columns give way and their cells go on
 * in the next line, cut anywhere: what stands in them are names and ids.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width?: number,
): string {
  const lines = [columns.map(({ title }) => title), ...rows];
  const natural = columns.map((_column, index) =>
    Math.max(...lines.map((line) => stringWidth(line[index] ?? ''))),
  );
  const widths = width === undefined ? natural : narrowed(natural, width - gap * (columns.length - 1));
  const table = new Table({
    chars: { ...noLines, middle: ' '.repeat(gap) },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    colWidths: widths,
    colAligns: columns.map(({ align = 'left' }) => align),
  });
  // Wrapped here: the table's own wrapping counts colour codes as text.
  const cell = (text: string, index: number) =>
    wrapAnsi(text, Math.max(1, widths[index] ?? 0), { hard: true });
  table.push(...lines.map((line) => columns.map((_column, index) => cell(line[index] ?? '', index))));
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

/** The widest give way first, until all of them together have no more than `room`. */
function narrowed(natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  for (let excess = widths.reduce((sum, one) => sum + one, 0) - room; excess > 0; excess--) {
    const widest = Math.max(...widths);
    if (widest <= columnWidthMin) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

export function widthOf(text: string): number {
  return stringWidth(text);
}

/** Sentences in lines of at most `width` columns, the later ones indented; undefined: as they are. */
export function wrapText(text: string, width: number | undefined, indent = 0): string {
  if (width === undefined) return text;
  const wrapped = wrapAnsi(text, Math.max(columnWidthMin, width - indent), { hard: true, trim: true });
  return wrapped.replaceAll('\n', `\n${' '.repeat(indent)}`);
}

/** Whole lines, each wrapped where it is too long and going on under its own beginning. */
export function wrapLines(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  return text
    .split('\n')
    .map((line) => {
      if (stringWidth(line) <= width) return line;
      const indent = line.length - line.trimStart().length;
      return ' '.repeat(indent) + wrapText(line.trimStart(), width, indent);
    })
    .join('\n');
}
