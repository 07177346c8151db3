/**
 * Cuts a JSON array (UTF-8) into the bytes of its elements without parsing them.
 *
 * Parsing one element at a time keeps a bad element from spoiling its neighbours, lets the caller pause
 * between elements of a large array, and never builds the whole array in memory. Brackets are counted, not
 * matched: an element such as `{]}` comes out as it stands and fails in the parser.
 *
 * Returns whether the array was complete: false when the text is no array, ends early, or goes on after it.
 *
 * With `pauseBytes` it yields undefined in between, each time it has looked through so many bytes without
 * coming to the end of an element: one element may be most of the text.
 */
export function jsonArrayElements(json: Buffer): Generator<Buffer, boolean>;
export function jsonArrayElements(json: Buffer, pauseBytes: number): Generator<Buffer | undefined, boolean>;
export function* jsonArrayElements(
  json: Buffer,
  pauseBytes = Number.POSITIVE_INFINITY,
): Generator<Buffer | undefined, boolean> {
  let position = yield* skipSpace(json, 0, pauseBytes);
  if (json[position] !== openBracket) return false;
  position = yield* skipSpace(json, position + 1, pauseBytes);
  if (json[position] === closeBracket) {
    return (yield* skipSpace(json, position + 1, pauseBytes)) === json.length;
  }
  while (position < json.length) {
    const scan: Scan = { position, depth: 0, inString: false };
    let end = endOfElement(json, scan, scan.position + pauseBytes);
    while (end === undefined) {
      if (scan.position >= json.length) return false;
      yield undefined;
      end = endOfElement(json, scan, scan.position + pauseBytes);
    }
    if (end === position) return false;
    yield json.subarray(position, end);
    const after = isSpace(json[end]) ? yield* skipSpace(json, end, pauseBytes) : end;
    if (json[after] === closeBracket) {
      return (yield* skipSpace(json, after + 1, pauseBytes)) === json.length;
    }
    position = isSpace(json[after + 1]) ? yield* skipSpace(json, after + 1, pauseBytes) : after + 1;
  }
  return false;
}

const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;

/** How far the end of an element has been looked for. */
interface Scan {
  position: number;
  depth: number;
  inString: boolean;
}

/** Where the comma or bracket after the element stands; undefined: not before `until`, or not at all. */
function endOfElement(json: Buffer, scan: Scan, until: number): number | undefined {
  const stop = Math.min(json.length, until);
  let { position, depth } = scan;
  if (scan.inString) {
    position = endOfString(json, position, stop);
    scan.inString = position >= stop;
    if (!scan.inString) position += 1;
  }
  for (; position < stop; position += 1) {
    switch (json[position]) {
      case quote:
        position = endOfString(json, position + 1, stop);
        scan.inString = position >= stop;
        // The loop goes on behind the quote, or not at all and then exactly where it was left.
        if (scan.inString) position -= 1;
        break;
      case openBrace:
      case openBracket:
        depth += 1;
        break;
      case closeBrace:
        depth -= 1;
        break;
      case closeBracket:
        if (depth <= 0) return position;
        depth -= 1;
        break;
      case comma:
        if (depth <= 0) return position;
        break;
    }
  }
  scan.position = position;
  scan.depth = depth;
  return undefined;
}

/** Position of the closing quote; `stop` or one more, behind a backslash, when there is none before it. */
function endOfString(json: Buffer, start: number, stop: number): number {
  let position = start;
  while (position < stop) {
    const byte = json[position];
    if (byte === quote) return position;
    position += byte === backslash ? 2 : 1;
  }
  return position;
}

function* skipSpace(json: Buffer, start: number, pauseBytes: number): Generator<undefined, number> {
  let position = start;
  for (let until = start + pauseBytes; isSpace(json[position]); position += 1) {
    if (position < until) continue;
    yield undefined;
    until = position + pauseBytes;
  }
  return position;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
