// What the pages share.

/** First line of every page: who made it, so that nobody edits it by hand. */
export function generatedFrom(source) {
  return `<!-- Made from ${source} by \`npm run docs\`. Edit that file, not this one. -->`;
}

/** Columns are not aligned: a longer name would touch every line of the page. */
export function table(headings, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
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
