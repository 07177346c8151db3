// What the pages share.

/** First line of every page: who made it, so that nobody edits it by hand. */
export function generatedFrom(source) {
  return `<!-- Made from ${source} by \`npm run docs\`. Edit that file, not this one. -->`;
}

/** A table with aligned columns, readable as text too. */
export function table(headings, rows) {
  const lines = [headings, ...rows].map((cells) => cells.map((cell) => String(cell).replaceAll('|', '\\|')));
  const widths = headings.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column].length)));
  // The last column is prose: padding it would only make long lines longer.
  widths[widths.length - 1] = 0;
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(Math.max(3, width))).join(' | ')} |`;
  const [head, ...body] = lines.map(line);
  return [head, rule, ...body].join('\n');
}

/** Blocks with an empty line between them, and one newline at the end. */
export function page(...blocks) {
  return `${blocks.flat(Infinity).join('\n\n')}\n`;
}

/** `100000` as `100,000`. */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

export function anchor(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9_ -]/g, '')
    .replaceAll(' ', '-');
}
