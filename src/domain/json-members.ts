/**
 * Where things stand in JSON text, by byte: enough to cut a part out or replace it and leave every other byte
 * as it was. A parser that builds a tree would do, at ten times the cost and with offsets in UTF-16 units.
 *
 * The text must be valid JSON (parse it first); on other text the functions throw.
 */
export interface JsonRange {
  readonly start: number;
  readonly end: number;
}

export interface JsonMember {
  /** Unescaped. */
  readonly name: string;
  /** The name as written, quotes included. */
  readonly nameRange: JsonRange;
  readonly value: JsonRange;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** The value that is the whole text, without the white space around it. */
export function rootOf(text: Buffer): JsonRange {
  const start = skipSpace(text, 0);
  return { start, end: endOfValue(text, start) };
}

/** Members in the order they are written, repeated names included; none when the value is no object. */
export function membersOf(text: Buffer, value: JsonRange): JsonMember[] {
  const members: JsonMember[] = [];
  if (text[value.start] !== openBrace) return members;
  let at = skipSpace(text, value.start + 1);
  while (text[at] !== closeBrace) {
    const nameEnd = endOfValue(text, at);
    const nameRange = { start: at, end: nameEnd };
    const start = skipSpace(text, expect(text, skipSpace(text, nameEnd), colon));
    const end = endOfValue(text, start);
    members.push({ name: textOf(text, nameRange), nameRange, value: { start, end } });
    at = nextItem(text, end, closeBrace);
  }
  return members;
}

/** Elements of an array; none when the value is no array. */
export function elementsOf(text: Buffer, value: JsonRange): JsonRange[] {
  const elements: JsonRange[] = [];
  if (text[value.start] !== openBracket) return elements;
  let at = skipSpace(text, value.start + 1);
  while (text[at] !== closeBracket) {
    const end = endOfValue(text, at);
    elements.push({ start: at, end });
    at = nextItem(text, end, closeBracket);
  }
  return elements;
}

export function isString(text: Buffer, value: JsonRange): boolean {
  return text[value.start] === quote;
}

/** The text of a string value or member name, unescaped. */
export function textOf(text: Buffer, value: JsonRange): string {
  const raw = text.toString('utf8', value.start, value.end);
  return raw.includes('\\') ? String(JSON.parse(raw)) : raw.slice(1, -1);
}

/** The bytes of one member of the object that is the whole text. Of a repeated name the last counts, as everywhere. */
export function cutOut(text: Buffer, name: string): Buffer | undefined {
  const member = membersOf(text, rootOf(text)).findLast((candidate) => candidate.name === name);
  return member === undefined ? undefined : text.subarray(member.value.start, member.value.end);
}

export interface JsonEdit extends JsonRange {
  readonly replacement: string | Buffer;
}

/** The text with the ranges replaced; the same buffer when there is nothing to replace. Ranges may not overlap. */
export function applyEdits(text: Buffer, edits: readonly JsonEdit[]): Buffer {
  if (edits.length === 0) return text;
  const parts: Buffer[] = [];
  let from = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(text.subarray(from, edit.start), Buffer.from(edit.replacement as string));
    from = edit.end;
  }
  parts.push(text.subarray(from));
  return Buffer.concat(parts);
}

function nextItem(text: Buffer, after: number, close: number): number {
  const at = skipSpace(text, after);
  return text[at] === close ? at : skipSpace(text, expect(text, at, comma));
}

function expect(text: Buffer, at: number, byte: number): number {
  if (text[at] !== byte) throw new Error(`not JSON at byte ${at}`);
  return at + 1;
}

function skipSpace(text: Buffer, from: number): number {
  let at = from;
  while (text[at] === 0x20 || text[at] === 0x0a || text[at] === 0x0d || text[at] === 0x09) at++;
  return at;
}

function endOfValue(text: Buffer, start: number): number {
  const first = text[start];
  if (first === quote) return endOfString(text, start);
  if (first === openBrace || first === openBracket) return endOfNested(text, start);
  let at = start;
  while (at < text.length && isScalarByte(text[at] as number)) at++;
  if (at === start) throw new Error(`not JSON at byte ${at}`);
  return at;
}

function endOfNested(text: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const byte = text[at];
    if (byte === quote) {
      at = endOfString(text, at);
      continue;
    }
    at++;
    if (byte === openBrace || byte === openBracket) depth++;
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return at;
  }
  throw new Error('not JSON: it ends too early');
}

function endOfString(text: Buffer, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const byte = text[at];
    if (byte === quote) return at + 1;
    at += byte === backslash ? 2 : 1;
  }
  throw new Error('not JSON: a text has no end');
}

/** Digits, signs and letters: what numbers, true, false and null are made of. */
function isScalarByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x45
  );
}
