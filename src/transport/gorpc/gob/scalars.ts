import { isUtf8 } from 'node:buffer';
import type { ByteReader, ByteWriter } from './bytes.js';
import { GobComplex, type GobInteger, GobRawString, type GobString } from './values.js';

const uint64Max = 2n ** 64n - 1n;
const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;
const two32 = 0x1_0000_0000;
/** Below it, twice a number (plus one) is still exact. */
const doubleableMax = 2 ** 52;

/*
 * uint := n                        n < 128
 *       | size big-endian-byte*    size = 256 - count of the bytes, 1..8; Go writes as few bytes as will do
 *
 * 7 is 07, 128 is FF 80, 300 is FE 01 2C.
 */

/** A number when it is exact, a bigint from 2^53 on. */
export function readUint(reader: ByteReader): GobInteger {
  const { buffer } = reader;
  let position = reader.position;
  if (position >= reader.end) return reader.fail('the message ends where a number begins');
  const first = buffer[position++] as number;
  if (first < 128) {
    reader.position = position;
    return first;
  }
  const size = 256 - first;
  if (size > 8) return reader.fail(`an unsigned number of ${size} bytes`);
  if (reader.end - position < size) return reader.fail('the message ends inside a number');
  reader.position = position + size;
  let high = 0;
  for (let left = size - 4; left > 0; left--) high = high * 256 + (buffer[position++] as number);
  let low = 0;
  for (let left = Math.min(size, 4); left > 0; left--) low = low * 256 + (buffer[position++] as number);
  if (high < 0x20_0000) return high * two32 + low;
  return (BigInt(high) << 32n) | BigInt(low);
}

/** A uint that counts something held in memory: beyond 2^53 it cannot be true. */
export function readCount(reader: ByteReader): number {
  const count = readUint(reader);
  if (typeof count === 'bigint') return reader.fail(`a count of ${count}`);
  return count;
}

export function writeUint(writer: ByteWriter, value: GobInteger): void {
  writer.reserve(9);
  const { buffer } = writer;
  if (typeof value === 'bigint') {
    if (value < 0n || value > uint64Max) throw new RangeError(`${value} is not an unsigned 64-bit integer`);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      let size = 7;
      while (size < 8 && value >> BigInt(8 * size) > 0n) size++;
      buffer[writer.length] = 256 - size;
      for (let index = size, rest = value; index > 0; index--, rest >>= 8n) {
        buffer[writer.length + index] = Number(rest & 0xffn);
      }
      writer.length += 1 + size;
      return;
    }
    value = Number(value);
  } else if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${value} is not an exact unsigned integer`);
  }
  if (value < 128) {
    buffer[writer.length++] = value;
    return;
  }
  const size = uintSize(value) - 1;
  buffer[writer.length] = 256 - size;
  for (let index = size, rest = value; index > 0; index--) {
    buffer[writer.length + index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  writer.length += 1 + size;
}

/** Bytes that `writeUint` takes. */
export function uintSize(value: GobInteger): number {
  if (value < 0x80) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  if (value < 0x100_0000) return 4;
  if (value < two32) return 5;
  if (value < two32 * 0x100) return 6;
  if (value < two32 * 0x1_0000) return 7;
  return value < two32 * 0x100_0000 ? 8 : 9;
}

/*
 * int := uint    of 2i when i >= 0, of 2(-i - 1) + 1 when i < 0
 *
 * -1 is 01, 10 is 14, -65 is FF 81.
 */

export function readInt(reader: ByteReader): GobInteger {
  const folded = readUint(reader);
  if (typeof folded === 'number') return folded % 2 === 0 ? folded / 2 : -((folded - 1) / 2) - 1;
  const value = (folded & 1n) === 0n ? folded >> 1n : -(folded >> 1n) - 1n;
  return exactInteger(value);
}

/** Bytes that `writeInt` takes. */
export function intSize(value: GobInteger): number {
  if (typeof value === 'number') return uintSize(value >= 0 ? value * 2 : (-value - 1) * 2 + 1);
  return uintSize(value >= 0n ? value << 1n : ((-value - 1n) << 1n) | 1n);
}

export function writeInt(writer: ByteWriter, value: GobInteger): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an exact integer`);
    if (value >= 0 && value < doubleableMax) {
      writeUint(writer, value * 2);
      return;
    }
    if (value < 0 && value >= -doubleableMax) {
      writeUint(writer, (-value - 1) * 2 + 1);
      return;
    }
  }
  const wide = BigInt(value);
  if (wide < int64Min || wide > int64Max) throw new RangeError(`${wide} is not a signed 64-bit integer`);
  writeUint(writer, wide >= 0n ? wide << 1n : ((-wide - 1n) << 1n) | 1n);
}

/** The one form an integer has: a number where numbers are exact. */
export function exactInteger(value: bigint): GobInteger {
  const narrow = Number(value);
  return Number.isSafeInteger(narrow) ? narrow : value;
}

/*
 * bool := uint    0 is false, anything else true (Go writes 1)
 */

export function readBool(reader: ByteReader): boolean {
  return readUint(reader) !== 0;
}

export function writeBool(writer: ByteWriter, value: boolean): void {
  writeUint(writer, value ? 1 : 0);
}

/*
 * float := uint    the eight bytes of the IEEE 754 double in reversed order, so that round values are short
 *
 * 17.0 is FE 31 40.
 */

const floatBytes = Buffer.alloc(8);

export function readFloat(reader: ByteReader): number {
  const { buffer } = reader;
  const position = reader.position;
  if (position >= reader.end) return reader.fail('the message ends where a number begins');
  const first = buffer[position] as number;
  const size = first < 128 ? 1 : 256 - first;
  if (size > 8) return reader.fail(`a float of ${size} bytes`);
  const start = first < 128 ? position : position + 1;
  if (reader.end - start < size) return reader.fail('the message ends inside a number');
  floatBytes.fill(0, 0, 8 - size);
  buffer.copy(floatBytes, 8 - size, start, start + size);
  reader.position = start + size;
  return floatBytes.readDoubleLE(0);
}

export function writeFloat(writer: ByteWriter, value: number): void {
  floatBytes.writeDoubleLE(value, 0);
  let skip = 0;
  while (skip < 7 && floatBytes[skip] === 0) skip++;
  const size = 8 - skip;
  writer.reserve(9);
  if (size > 1 || (floatBytes[7] as number) >= 128) writer.buffer[writer.length++] = 256 - size;
  floatBytes.copy(writer.buffer, writer.length, skip, 8);
  writer.length += size;
}

/*
 * complex := float float    real part, imaginary part
 */

export function readComplex(reader: ByteReader): GobComplex {
  const real = readFloat(reader);
  return new GobComplex(real, readFloat(reader));
}

export function writeComplex(writer: ByteWriter, value: GobComplex): void {
  writeFloat(writer, value.real);
  writeFloat(writer, value.imaginary);
}

/*
 * bytes := uint byte*    the count, then the bytes
 */

/** A copy: what was received may be overwritten afterwards. */
export function readBytes(reader: ByteReader): Buffer {
  const length = readByteCount(reader);
  const start = reader.position;
  reader.position = start + length;
  return Buffer.from(reader.buffer.subarray(start, start + length));
}

export function writeBytes(writer: ByteWriter, value: Buffer): void {
  writeUint(writer, value.length);
  writer.append(value);
}

function readByteCount(reader: ByteReader): number {
  const length = readCount(reader);
  if (length > reader.remaining) {
    return reader.fail(`${length} bytes are announced and ${reader.remaining} are left in the message`);
  }
  return length;
}

/*
 * string := uint byte*    as bytes; UTF-8 by habit only
 */

export function readString(reader: ByteReader): GobString {
  const length = readByteCount(reader);
  const start = reader.position;
  const end = start + length;
  reader.position = end;
  if (length > reader.textBytesMax) return new GobRawString(reader.take(start, end));
  return (
    readText(reader.buffer, start, end) ?? new GobRawString(Buffer.from(reader.buffer.subarray(start, end)))
  );
}

/** A string of the protocol itself (a type name, a field name), which is never anything but UTF-8. */
export function readName(reader: ByteReader, bytesMax: number): string {
  const length = readByteCount(reader);
  if (length > bytesMax) return reader.failLimit('gobNameBytesMax');
  const start = reader.position;
  const text = readText(reader.buffer, start, start + length);
  if (text === undefined) return reader.fail('a name that is not UTF-8');
  reader.position = start + length;
  return text;
}

export function writeString(writer: ByteWriter, value: GobString): void {
  if (typeof value !== 'string') {
    writeBytes(writer, value.bytes);
    return;
  }
  const length = Buffer.byteLength(value);
  writeUint(writer, length);
  writer.reserve(length);
  writer.buffer.write(value, writer.length, length, 'utf8');
  writer.length += length;
}

/** Undefined when the bytes are not UTF-8. Only a replacement character makes the second look needed. */
function readText(buffer: Buffer, start: number, end: number): string | undefined {
  if (start === end) return '';
  const text = buffer.toString('utf8', start, end);
  if (text.includes('\ufffd') && !isUtf8(buffer.subarray(start, end))) return undefined;
  return text;
}
