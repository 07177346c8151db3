import type { BsonNames } from './bson-names.js';

/** A document that JSON cannot hold. The message names the place and repeats nothing of the content. */
export class UnwritableDocument extends Error {}

/** One element of a document: where its value stands. */
interface Element {
  readonly type: number;
  readonly name: string;
  readonly at: number;
  readonly end: number;
}

const noNames: BsonNames = {};
const nanosecondsPerSecond = 1_000_000_000n;

/**
 * Writes a BSON document as JSON text, straight from its bytes: a driver's objects would hold every document three
 * times, and numbers of 64 bits would lose digits.
 *
 *   object id   24 hex digits            date      RFC 3339 in UTC
 *   int64       its digits               double    as short as it can be; NaN and infinities are refused
 *   decimal     its digits               binary    the JSON it holds (a gateway's raw messages), else base64
 *
 * `names` says which fields are called otherwise in JSON. Where a document has both names, that of JSON counts.
 * Throws UnwritableDocument.
 */
export function bsonToJson(bson: Buffer, names: BsonNames): string {
  const parts: string[] = [];
  try {
    writeDocument(bson, 0, names, parts, '');
  } catch (thrown) {
    if (thrown instanceof UnwritableDocument) throw thrown;
    // Lengths that lead out of the bytes, or nesting beyond the stack.
    throw new UnwritableDocument('not a document that can be read');
  }
  return parts.join('');
}

/** The value of one field at the top, as text: object ids as hex digits, texts as they are, others as JSON. */
export function topLevelText(bson: Buffer, name: string): string | undefined {
  for (const element of elementsOf(bson, 0)) {
    if (element.name !== name) continue;
    if (element.type === bsonType.text) return textAt(bson, element.at);
    const parts: string[] = [];
    writeValue(bson, element, noNames, parts, name);
    const json = parts.join('');
    return json.startsWith('"') ? String(JSON.parse(json)) : json;
  }
  return undefined;
}

const bsonType = {
  double: 0x01,
  text: 0x02,
  document: 0x03,
  list: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  expression: 0x0b,
  pointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  scopedCode: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal: 0x13,
  minKey: 0xff,
  maxKey: 0x7f,
} as const;

function* elementsOf(bson: Buffer, start: number): Generator<Element> {
  const end = start + bson.readInt32LE(start) - 1;
  if (end >= bson.length || end < start + 4) throw new UnwritableDocument('not a document that can be read');
  let at = start + 4;
  while (at < end) {
    const type = bson.readUInt8(at);
    const nameEnd = bson.indexOf(0, at + 1);
    const name = bson.toString('utf8', at + 1, nameEnd);
    const valueAt = nameEnd + 1;
    const valueEnd = valueAt + sizeAt(bson, type, valueAt);
    if (nameEnd === -1 || valueEnd > end) throw new UnwritableDocument('not a document that can be read');
    yield { type, name, at: valueAt, end: valueEnd };
    at = valueEnd;
  }
}

function sizeAt(bson: Buffer, type: number, at: number): number {
  switch (type) {
    case bsonType.double:
    case bsonType.date:
    case bsonType.timestamp:
    case bsonType.int64:
      return 8;
    case bsonType.text:
    case bsonType.code:
    case bsonType.symbol:
      return 4 + bson.readInt32LE(at);
    case bsonType.document:
    case bsonType.list:
    case bsonType.scopedCode:
      return bson.readInt32LE(at);
    case bsonType.binary:
      return 5 + bson.readInt32LE(at);
    case bsonType.objectId:
      return 12;
    case bsonType.boolean:
      return 1;
    case bsonType.int32:
      return 4;
    case bsonType.decimal:
      return 16;
    case bsonType.expression:
      return bson.indexOf(0, bson.indexOf(0, at) + 1) + 1 - at;
    case bsonType.pointer:
      return 4 + bson.readInt32LE(at) + 12;
    case bsonType.null:
    case bsonType.undefined:
    case bsonType.minKey:
    case bsonType.maxKey:
      return 0;
    default:
      throw new UnwritableDocument(`a value of the unknown kind ${type}`);
  }
}

function writeDocument(bson: Buffer, start: number, names: BsonNames, parts: string[], path: string): void {
  parts.push('{');
  writeMembers([...elementsOf(bson, start)], bson, names, parts, path, new Set());
  parts.push('}');
}

function writeMembers(
  elements: readonly Element[],
  bson: Buffer,
  names: BsonNames,
  parts: string[],
  path: string,
  written: Set<string>,
): void {
  const own = names.names === undefined ? undefined : new Set(elements.map(({ name }) => name));
  const flattened: Element[] = [];
  for (const element of elements) {
    if (names.flatten?.includes(element.name) && element.type === bsonType.document) {
      flattened.push(element);
      continue;
    }
    const renamed = names.names?.[element.name];
    if (renamed !== undefined && own?.has(renamed)) continue;
    const name = renamed ?? element.name;
    if (written.has(name)) continue;
    parts.push(written.size === 0 ? '' : ',', JSON.stringify(name), ':');
    written.add(name);
    if (names.durations?.includes(name) && element.type === bsonType.int64) {
      parts.push(JSON.stringify(durationText(bson.readBigInt64LE(element.at))));
    } else {
      writeValue(bson, element, names.members?.[name] ?? names.each ?? noNames, parts, pathTo(path, name));
    }
  }
  for (const { at, name } of flattened) {
    writeMembers([...elementsOf(bson, at)], bson, names, parts, pathTo(path, name), written);
  }
}

function writeValue(bson: Buffer, element: Element, names: BsonNames, parts: string[], path: string): void {
  const { type, at, end } = element;
  switch (type) {
    case bsonType.document:
      writeDocument(bson, at, names, parts, path);
      return;
    case bsonType.list: {
      parts.push('[');
      let first = true;
      for (const item of elementsOf(bson, at)) {
        if (!first) parts.push(',');
        first = false;
        writeValue(bson, item, names.each ?? noNames, parts, `${path}[${item.name}]`);
      }
      parts.push(']');
      return;
    }
    case bsonType.double: {
      const value = bson.readDoubleLE(at);
      if (!Number.isFinite(value)) throw new UnwritableDocument(`${path}: a number that JSON cannot hold`);
      parts.push(Object.is(value, -0) ? '-0' : String(value));
      return;
    }
    case bsonType.text:
    case bsonType.code:
    case bsonType.symbol:
      parts.push(JSON.stringify(textAt(bson, at)));
      return;
    case bsonType.scopedCode:
      parts.push(JSON.stringify(textAt(bson, at + 4)));
      return;
    case bsonType.binary:
      parts.push(binaryJson(bson.subarray(at + 5, end)));
      return;
    case bsonType.objectId:
      parts.push('"', bson.toString('hex', at, end), '"');
      return;
    case bsonType.pointer:
      parts.push('"', bson.toString('hex', end - 12, end), '"');
      return;
    case bsonType.boolean:
      parts.push(bson.readUInt8(at) === 0 ? 'false' : 'true');
      return;
    case bsonType.date:
      parts.push(JSON.stringify(dateText(bson.readBigInt64LE(at), path)));
      return;
    case bsonType.expression:
      parts.push(JSON.stringify(bson.toString('utf8', at, bson.indexOf(0, at))));
      return;
    case bsonType.int32:
      parts.push(String(bson.readInt32LE(at)));
      return;
    case bsonType.int64:
      parts.push(bson.readBigInt64LE(at).toString());
      return;
    case bsonType.timestamp:
      // Seconds in the upper half.
      parts.push(String(bson.readUInt32LE(at + 4)));
      return;
    case bsonType.decimal:
      parts.push(decimalText(bson, at, path));
      return;
    default:
      parts.push('null');
  }
}

/** A length that counts the closing zero, then the text. */
function textAt(bson: Buffer, at: number): string {
  return bson.toString('utf8', at + 4, at + 4 + bson.readInt32LE(at) - 1);
}

function binaryJson(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(bytes.toString('base64'));
  }
}

/** As Go writes it: no fraction where there is none. */
function dateText(milliseconds: bigint, path: string): string {
  const date = new Date(Number(milliseconds));
  if (Number.isNaN(date.getTime())) throw new UnwritableDocument(`${path}: a date that JSON cannot hold`);
  return date.toISOString().replace('.000Z', 'Z');
}

/** A spelling that Go's ParseDuration reads. */
function durationText(nanoseconds: bigint): string {
  return nanoseconds % nanosecondsPerSecond === 0n
    ? `${nanoseconds / nanosecondsPerSecond}s`
    : `${nanoseconds}ns`;
}

/** IEEE 754-2008 decimal128 in its binary integer encoding. */
function decimalText(bson: Buffer, at: number, path: string): string {
  const high = bson.readBigUInt64LE(at + 8);
  // Both upper bits of the combination field: infinity, NaN, or a coefficient too large to be one, which is zero.
  if ((high >> 61n) % 4n === 3n) {
    if ((high >> 59n) % 16n === 15n) throw new UnwritableDocument(`${path}: a number that JSON cannot hold`);
    return '0';
  }
  const exponent = Number((high >> 49n) & 0x3fffn) - 6176;
  const coefficient = ((high & ((1n << 49n) - 1n)) << 64n) | bson.readBigUInt64LE(at);
  const sign = high >> 63n === 1n ? '-' : '';
  return `${sign}${coefficient}${exponent === 0 ? '' : `e${exponent}`}`;
}

function pathTo(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
