import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/transport/gorpc/gob/bytes.js';
import * as scalars from '../../../src/transport/gorpc/gob/scalars.js';
import { GobComplex, type GobInteger, GobRawString } from '../../../src/transport/gorpc/gob/values.js';

function written(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(1);
  write(writer);
  return writer.toBuffer();
}

function readerOf(bytes: Buffer): ByteReader {
  const reader = new ByteReader();
  reader.reset(bytes, 0, bytes.length, 0);
  return reader;
}

/** Written as `golden`, and read back from it to the last byte. */
function expectPair<T>(
  golden: string,
  value: T,
  read: (reader: ByteReader) => T,
  write: (writer: ByteWriter, value: T) => void,
): void {
  const bytes = written((writer) => write(writer, value));
  expect(bytes.toString('hex')).toBe(golden);
  const reader = readerOf(bytes);
  expect(read(reader)).toEqual(value);
  expect(reader.remaining).toBe(0);
}

test.each<[string, GobInteger]>([
  ['00', 0],
  ['07', 7],
  ['7f', 127],
  ['ff80', 128],
  ['ffff', 255],
  ['fe0100', 256],
  ['fe012c', 300],
  ['fdffffff', 0xff_ffff],
  ['fcffffffff', 0xffff_ffff],
  ['fb0100000000', 0x1_0000_0000],
  ['f91fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['f920000000000000', 2n ** 53n],
  ['f80100000000000000', 2n ** 56n],
  ['f8ffffffffffffffff', 2n ** 64n - 1n],
])('uint %s', (golden, value) => {
  expectPair(golden, value, scalars.readUint, scalars.writeUint);
  expect(scalars.uintSize(value)).toBe(golden.length / 2);
});

test.each<[string, GobInteger]>([
  ['00', 0],
  ['01', -1],
  ['14', 10],
  ['ff81', -65],
  ['7f', -64],
  ['fe1c20', 3600],
  ['f93ffffffffffffe', Number.MAX_SAFE_INTEGER],
  ['f93ffffffffffffd', Number.MIN_SAFE_INTEGER],
  ['f8fffffffffffffffe', 2n ** 63n - 1n],
  ['f8ffffffffffffffff', -(2n ** 63n)],
])('int %s', (golden, value) => {
  expectPair(golden, value, scalars.readInt, scalars.writeInt);
  expect(scalars.intSize(value)).toBe(golden.length / 2);
});

test.each<[string, number]>([
  ['00', 0],
  ['fe3140', 17],
  ['fef03f', 1],
  ['fe08c0', -3],
  ['ff80', -0],
  ['fef07f', Number.POSITIVE_INFINITY],
  ['fef87f', Number.NaN],
  ['f89a9999999999b93f', 0.1],
])('float %s', (golden, value) => {
  expectPair(golden, value, scalars.readFloat, scalars.writeFloat);
});

test('bool, complex, bytes, string', () => {
  expectPair('01', true, scalars.readBool, scalars.writeBool);
  expectPair('00', false, scalars.readBool, scalars.writeBool);
  expectPair('fef03ffe08c0', new GobComplex(1, -3), scalars.readComplex, scalars.writeComplex);
  expectPair('03000102', Buffer.of(0, 1, 2), scalars.readBytes, scalars.writeBytes);
  expectPair('00', '', scalars.readString, scalars.writeString);
  expectPair('034b4559', 'KEY', scalars.readString, scalars.writeString);
  expectPair('06e282acefbfbd', '€\ufffd', scalars.readString, scalars.writeString);
});

test('a string that is not UTF-8 keeps its bytes', () => {
  expectPair('02c328', new GobRawString(Buffer.of(0xc3, 0x28)), scalars.readString, scalars.writeString);
  expect(() => scalars.readName(readerOf(Buffer.of(1, 0xff)), 10)).toThrow('not UTF-8');
});

test('numbers written in more bytes than needed are read, as Go does', () => {
  expect(scalars.readUint(readerOf(Buffer.from('fd000005', 'hex')))).toBe(5);
  expect(scalars.readUint(readerOf(Buffer.from('f80000000000000005', 'hex')))).toBe(5);
});

describe('round trips', () => {
  const integers = fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));

  test('int', () => {
    fc.assert(
      fc.property(integers, (value) => {
        const bytes = written((writer) => scalars.writeInt(writer, value));
        expect(BigInt(scalars.readInt(readerOf(bytes)))).toBe(BigInt(value));
        expect(bytes.length).toBe(scalars.intSize(value));
      }),
    );
  });

  test('uint', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const bytes = written((writer) => scalars.writeUint(writer, value));
        const read = scalars.readUint(readerOf(bytes));
        expect(BigInt(read)).toBe(value);
        expect(typeof read).toBe(value > BigInt(Number.MAX_SAFE_INTEGER) ? 'bigint' : 'number');
      }),
    );
  });

  test('float', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const bytes = written((writer) => scalars.writeFloat(writer, value));
        expect(scalars.readFloat(readerOf(bytes))).toBe(value);
      }),
    );
  });

  test('string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const bytes = written((writer) => scalars.writeString(writer, text));
        expect(scalars.readString(readerOf(bytes))).toBe(text);
      }),
    );
  });
});

test('cut off anywhere, a scalar is refused', () => {
  const cases: [Buffer, (reader: ByteReader) => unknown][] = [
    [Buffer.from('f8ffffffffffffffff', 'hex'), scalars.readUint],
    [Buffer.from('f89a9999999999b93f', 'hex'), scalars.readFloat],
    [Buffer.from('034b4559', 'hex'), scalars.readString],
    [Buffer.from('034b4559', 'hex'), scalars.readBytes],
  ];
  for (const [bytes, read] of cases) {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => read(readerOf(bytes.subarray(0, length)))).toThrow(/the message|bytes are announced/);
    }
  }
});

test('what is no number on this wire is refused', () => {
  expect(() => scalars.readUint(readerOf(Buffer.alloc(20, 0xf7)))).toThrow('9 bytes');
  expect(() => scalars.readFloat(readerOf(Buffer.alloc(20, 0x80)))).toThrow('128 bytes');
  expect(() => scalars.readCount(readerOf(Buffer.alloc(20, 0xf8)))).toThrow('a count of');
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN, -1n, 2n ** 64n]) {
    expect(() => written((writer) => scalars.writeUint(writer, value))).toThrow(RangeError);
  }
  for (const value of [0.5, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n]) {
    expect(() => written((writer) => scalars.writeInt(writer, value))).toThrow(RangeError);
  }
});
