export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface JsonMember {
  readonly name: string;
  /** Where the value stands, with white space around it. */
  readonly value: ByteRange;
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * The members of a JSON object (UTF-8) and where their values stand, so that one can be changed and every
 * other byte stays: parsing and writing anew loses 64-bit numbers. Repeated names come out repeatedly.
 *
 * The text has to be known to be a JSON object: only its structure is looked at.
 */
export function* jsonMembers(object: Buffer): Generator<JsonMember, void> {
  let at = skipSpace(object, skipSpace(object, 0) + 1);
  while (at < object.length && object[at] !== closeBrace) {
    const nameEnd = endOfString(object, at);
    const name = JSON.parse(object.toString('utf8', at, nameEnd)) as string;
    const start = skipSpace(object, nameEnd) + 1;
    if (object[start - 1] !== colon) throw new Error(`not a JSON object: byte ${start - 1}`);
    const end = endOfValue(object, start);
    yield { name, value: { start, end } };
    at = object[end] === comma ? skipSpace(object, end + 1) : end;
  }
}

/** The comma or closing brace behind the value. */
function endOfValue(object: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < object.length) {
    switch (object[at]) {
      case quote:
        at = endOfString(object, at);
        continue;
      case openBracket:
      case openBrace:
        depth += 1;
        break;
      case closeBracket:
      case closeBrace:
        if (depth === 0) return at;
        depth -= 1;
        break;
      case comma:
        if (depth === 0) return at;
        break;
    }
    at += 1;
  }
  return at;
}

/** Behind the closing quote. */
function endOfString(object: Buffer, start: number): number {
  for (let at = start + 1; at < object.length; at += 1) {
    if (object[at] === quote) return at + 1;
    if (object[at] === backslash) at += 1;
  }
  return object.length;
}

function skipSpace(object: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const byte = object[at];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return at;
    at += 1;
  }
}
