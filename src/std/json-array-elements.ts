/**
 * Cuts a JSON array (UTF-8) into the bytes of its elements without parsing them.
 *
 * Parsing one element at a time keeps a bad element from spoiling its neighbours, lets the caller pause
 * between elements of a large array, and never builds the whole array in memory. Brackets are counted, not
 * matched: an element such as `{]}` comes out as it stands and fails in the parser.
 *
 * Returns whether the array was complete: false when the text is no array, ends early, or goes on after it.
 */
export function* jsonArrayElements(json: Buffer): Generator<Buffer, boolean> {
  let position = skipSpace(json, 0);
  if (json[position] !== openBracket) return false;
  position = skipSpace(json, position + 1);
  if (json[position] === closeBracket) return skipSpace(json, position + 1) === json.length;
  while (position < json.length) {
    const end = endOfElement(json, position);
    if (end === undefined) return false;
    if (end === position) return false;
    yield json.subarray(position, end);
    const after = skipSpace(json, end);
    if (json[after] === closeBracket) return skipSpace(json, after + 1) === json.length;
    position = skipSpace(json, after + 1);
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

/** Where the comma or bracket after the element stands; undefined: the text ends before it. */
function endOfElement(json: Buffer, start: number): number | undefined {
  let depth = 0;
  for (let position = start; position < json.length; position += 1) {
    switch (json[position]) {
      case quote:
        position = endOfString(json, position);
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
  return undefined;
}

/** Position of the closing quote; the length of the text when there is none. */
function endOfString(json: Buffer, start: number): number {
  let position = start + 1;
  while (position < json.length) {
    const byte = json[position];
    if (byte === quote) return position;
    position += byte === backslash ? 2 : 1;
  }
  return json.length;
}

function skipSpace(json: Buffer, start: number): number {
  let position = start;
  for (;;) {
    const byte = json[position];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return position;
    position += 1;
  }
}
