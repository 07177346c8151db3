import { isUtf8 } from 'node:buffer';
import type { BsonNames } from './bson-names.js';
import { JsonWriter } from './json-writer.js';

/** A document that JSON cannot hold. The message names the place and repeats nothing of the content. */
export class UnwritableDocument extends Error {}

/** One element of a document: where its name and its value stand. */
interface Element {
  readonly type: number;
  readonly nameAt: number;
  readonly nameEnd: number;
  readonly at: number;
  readonly end: number;
}

const nanosecondsPerSecond = 1_000_000_000n;

/**
 * Writes a BSON document as JSON text, straight from bytes to bytes: a driver's objects would hold every document
 * three times and take ten times as long, and numbers of 64 bits would lose digits.
 *
 *   object id   24 hex digits            date      RFC 3339 in UTC
 *   int64       its digits               double    as short as it can be; NaN and infinities are refused
 *   decimal     its digits               binary    the JSON it holds (a gateway's raw messages), else base64
 *
 * `names` says which fields are called otherwise in JSON. Where a document has both names, that of JSON counts.
 * Throws UnwritableDocument.
 */
export function bsonToJson(bson: Buffer, names: BsonNames): Buffer {
  // Most documents are about as long in JSON.
  const writer = new JsonWriter(bson.length + 256);
  try {
    writeDocument(bson, 0, names, writer, '');
  } catch (thrown) {
    if (thrown instanceof UnwritableDocument) throw thrown;
    // Lengths that lead out of the bytes, or nesting beyond the stack.
    throw new UnwritableDocument('not a document that can be read');
  }
  const json = writer.finish();
  if (!isUtf8(json)) throw new UnwritableDocument('not UTF-8 text');
  return json;
}

/** The value of one field at the top, as text: object ids as hex digits, texts as they are, others as JSON. */
export function topLevelText(bson: Buffer, name: string): string | undefined {
  for (let at = 4, end = endOf(bson, 0); at < end; ) {
    const element = elementAt(bson, at, end);
    at = element.end;
    if (nameOf(bson, element) !== name) continue;
    if (element.type === bsonType.text) return textAt(bson, element.at);
    const writer = new JsonWriter(64);
    writeValue(bson, element, undefined, writer, name);
    const json = writer.finish().toString('utf8');
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

/** Where the closing zero of a document stands. */
function endOf(bson: Buffer, start: number): number {
  const end = start + bson.readInt32LE(start) - 1;
  if (end >= bson.length || end < start + 4) throw new UnwritableDocument('not a document that can be read');
  return end;
}

function elementAt(bson: Buffer, start: number, limit: number): Element {
  let nameEnd = start + 1;
  while (bson[nameEnd] !== 0) {
    nameEnd++;
    if (nameEnd >= limit) throw new UnwritableDocument('not a document that can be read');
  }
  const type = bson[start] ?? 0;
  const at = nameEnd + 1;
  const end = at + sizeAt(bson, type, at);
  if (end > limit || end < at) throw new UnwritableDocument('not a document that can be read');
  return { type, nameAt: start + 1, nameEnd, at, end };
}

function nameOf(bson: Buffer, { nameAt, nameEnd }: Element): string {
  return bson.toString('utf8', nameAt, nameEnd);
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

function writeDocument(
  bson: Buffer,
  start: number,
  names: BsonNames | undefined,
  writer: JsonWriter,
  path: string,
): void {
  writer.open('{');
  if (names === undefined) {
    for (let at = start + 4, end = endOf(bson, start); at < end; ) {
      const element = elementAt(bson, at, end);
      at = element.end;
      writer.name(bson, element.nameAt, element.nameEnd);
      writeValue(bson, element, undefined, writer, path);
    }
  } else writeNamedMembers(bson, start, names, writer, path, new Set());
  writer.close('}');
}

/** Members of a document in which, or below which, some names differ. */
function writeNamedMembers(
  bson: Buffer,
  start: number,
  names: BsonNames,
  writer: JsonWriter,
  path: string,
  written: Set<string>,
): void {
  const elements: (Element & { readonly name: string })[] = [];
  for (let at = start + 4, end = endOf(bson, start); at < end; ) {
    const element = elementAt(bson, at, end);
    at = element.end;
    elements.push({ ...element, name: nameOf(bson, element) });
  }
  const own = new Set(elements.map(({ name }) => name));
  for (const element of elements) {
    if (names.flatten?.includes(element.name) && element.type === bsonType.document) continue;
    const renamed = names.names?.[element.name];
    if (renamed !== undefined && own.has(renamed)) continue;
    const name = renamed ?? element.name;
    if (written.has(name)) continue;
    written.add(name);
    writer.nameText(name);
    if (names.durations?.includes(name) && element.type === bsonType.int64) {
      writer.text(durationText(bson.readBigInt64LE(element.at)));
    } else {
      writeValue(bson, element, names.members?.[name] ?? names.each, writer, pathTo(path, name));
    }
  }
  // Last, so that a field of that name which stands where it should comes first and counts.
  for (const { at, name, type } of elements) {
    if (!names.flatten?.includes(name) || type !== bsonType.document) continue;
    writeNamedMembers(bson, at, names, writer, pathTo(path, name), written);
  }
}

function writeValue(
  bson: Buffer,
  element: Element,
  names: BsonNames | undefined,
  writer: JsonWriter,
  path: string,
): void {
  const { type, at, end } = element;
  switch (type) {
    case bsonType.document:
      writeDocument(bson, at, names, writer, path);
      return;
    case bsonType.list:
      writer.open('[');
      for (let from = at + 4, limit = endOf(bson, at); from < limit; ) {
        const item = elementAt(bson, from, limit);
        from = item.end;
        writer.item();
        writeValue(bson, item, names?.each, writer, path);
      }
      writer.close(']');
      return;
    case bsonType.double: {
      const value = bson.readDoubleLE(at);
      if (!Number.isFinite(value)) throw new UnwritableDocument(`${path}: a number that JSON cannot hold`);
      writer.raw(Object.is(value, -0) ? '-0' : String(value));
      return;
    }
    case bsonType.text:
    case bsonType.code:
    case bsonType.symbol:
      // A length that counts the closing zero stands in front.
      writer.quoted(bson, at + 4, end - 1);
      return;
    case bsonType.scopedCode:
      writer.text(textAt(bson, at + 4));
      return;
    case bsonType.binary:
      writer.raw(binaryJson(bson.subarray(at + 5, end)));
      return;
    case bsonType.objectId:
      writer.text(bson.toString('hex', at, end));
      return;
    case bsonType.pointer:
      writer.text(bson.toString('hex', end - 12, end));
      return;
    case bsonType.boolean:
      writer.raw(bson[at] === 0 ? 'false' : 'true');
      return;
    case bsonType.date:
      writer.text(dateText(bson.readBigInt64LE(at), path));
      return;
    case bsonType.expression:
      writer.text(bson.toString('utf8', at, bson.indexOf(0, at)));
      return;
    case bsonType.int32:
      writer.raw(String(bson.readInt32LE(at)));
      return;
    case bsonType.int64:
      writer.raw(bson.readBigInt64LE(at).toString());
      return;
    case bsonType.timestamp:
      // Seconds in the upper half.
      writer.raw(String(bson.readUInt32LE(at + 4)));
      return;
    case bsonType.decimal:
      writer.raw(decimalText(bson, at, path));
      return;
    default:
      writer.raw('null');
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
