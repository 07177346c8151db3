import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/domain/limits.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { ByteWriter } from '../../../src/transport/gorpc/gob/bytes.js';
import { GobDecoder } from '../../../src/transport/gorpc/gob/decoder.js';
import { GobEncoder } from '../../../src/transport/gorpc/gob/encoder.js';
import { writeUint } from '../../../src/transport/gorpc/gob/scalars.js';
import { HeldBytes } from '../../../src/transport/gorpc/gob/segment-buffer.js';
import {
  type GobType,
  gobArray,
  gobBytes,
  gobInt,
  gobInterface,
  gobMap,
  gobSlice,
  gobString,
  gobStruct,
} from '../../../src/transport/gorpc/gob/types.js';
import { GobInterface, GobStruct, type GobValue } from '../../../src/transport/gorpc/gob/values.js';
import { hex } from './hex.js';
import { toPlain } from './plain-values.js';

function segment(text: string): Buffer {
  return segmentOf(hex(text));
}

function segmentOf(body: Buffer): Buffer {
  const writer = new ByteWriter();
  writeUint(writer, body.length);
  writer.append(body);
  return writer.toBuffer();
}

function decode(...pieces: Buffer[]): unknown[] {
  const found: unknown[] = [];
  const decoder = new GobDecoder((value) => found.push(toPlain(value)));
  for (const piece of pieces) decoder.push(piece);
  return found;
}

function refusal(code: 'FRAME_INVALID' | 'LIMIT_EXCEEDED', part: string, ...pieces: Buffer[]): void {
  let thrown: unknown;
  try {
    decode(...pieces);
  } catch (caught) {
    thrown = caught;
  }
  expect(thrown).toBeInstanceOf(CausewayError);
  expect((thrown as CausewayError).code).toBe(code);
  expect((thrown as CausewayError).message).toContain(part);
}

const sliceOfStrings = segment('ff81 02 01 02 ff82 00 01 0c 00 00');

describe('what is right', () => {
  test('single values', () => {
    expect(decode(segment('04 00 01'), segment('0c 00 02 "ok"'), segment('02 00 01'))).toEqual([
      -1,
      'ok',
      true,
    ]);
  });

  test('definitions in any order, and ones that are never used', () => {
    const unused = segment('ff85 02 01 02 ff86 00 01 ffc8 00 00');
    const outer = segment('ff83 02 01 02 ff84 00 01 ff82 00 00');
    const value = segment('ff84 00 01 01 01 "x"');
    expect(decode(unused, outer, sliceOfStrings, value)).toEqual([[['x']]]);
    expect(decode(sliceOfStrings, outer, unused, value)).toEqual([[['x']]]);
  });

  test('values that marshal themselves are handed on as their bytes', () => {
    for (const kind of ['05', '06', '07']) {
      const definition = segment(`ff81 ${kind} 01 01 04 "Time" 01 ff82 00 00 00`);
      expect(decode(definition, segment('ff82 00 03 010203'))).toEqual([{ bytes: 'AQID' }]);
    }
  });

  test('an interface name nobody knows is handed on with its value', () => {
    const value = segment('10 00 0b "*what.Thing" 04 02 00 0e');
    expect(decode(value)).toEqual([{ typeName: '*what.Thing', value: 7 }]);
  });

  test('the type comes with the value', () => {
    const types: GobType[] = [];
    const decoder = new GobDecoder((_value, type) => types.push(type));
    decoder.push(Buffer.concat([segment('04 00 01'), sliceOfStrings, segment('ff82 00 00')]));
    expect(types.map((type) => type.kind)).toEqual(['int', 'slice']);
    expect(types[1]).toMatchObject({ id: 65, element: gobString });
  });

  test('what is received may be overwritten', () => {
    const chunk = segment('0a 00 03 010203');
    const found: GobValue[] = [];
    const decoder = new GobDecoder((value) => found.push(value));
    decoder.push(chunk);
    chunk.fill(0xee);
    expect(found[0]).toEqual(Buffer.of(1, 2, 3));
  });
});

describe('what is wrong', () => {
  test.each<[string, string, Buffer[]]>([
    ['an empty segment', 'an empty segment (byte 1 ', [Buffer.of(0)]],
    ['a length of nine bytes', 'length of 9 bytes', [Buffer.of(0xf7)]],
    ['a value that ends early', '5 bytes are announced and 2 are left', [segment('0c 00 05 "ab"')]],
    ['a value that ends late', '1 bytes too many', [segment('04 00 01 00')]],
    ['a single value with a field number', 'field number', [segment('04 01 01')]],
    ['a type that is not defined', 'type id 100 is not defined', [segment('ffc8 00 00')]],
    [
      'a type whose part is not defined',
      'type id 99',
      [segment('ff81 02 02 ffc6 00 00'), segment('ff82 00 00')],
    ],
    ['a reserved type', 'type id 9 ', [segment('12 00 00')]],
    ['the type of definitions', 'type id 16 ', [segment('20 00 00')]],
    ['a second definition', 'a second definition of type id 65', [sliceOfStrings, sliceOfStrings]],
    ['a definition of a built-in type', 'reserved type id 1', [segment('01 02 01 02 02 00 01 0c 00 00')]],
    ['a definition of nothing', 'an empty type definition', [segment('ff81 00')]],
    ['a definition of two kinds', 'of two kinds', [segment('ff81 02 01 02 ff82 00 01 0c 00 01 01 00 00')]],
    ['a definition of an unknown kind', 'field 7', [segment('ff81 08')]],
    ['a field without a name', 'without a name', [segment('ff81 03 01 02 ff82 00 01 01 02 04 00 00 00')]],
    ['a struct with more fields than bytes', 'a struct of 100', [segment('ff81 03 01 00 01 64 00')]],
    ['an array of negative length', 'negative length', [segment('ff81 01 01 00 01 04 01 01 00 00')]],
    ['a definition and more', 'something after it', [segment('ff81 02 01 02 ff82 00 01 0c 00 00 04 00 01')]],
    ['a type id of 2^63', 'type id', [segment('f8fffffffffffffffe')]],
    ['a name that is not UTF-8', 'not UTF-8', [segment('10 00 02 c328 04 02 00 0e')]],
  ])('%s', (_name, message, pieces) => {
    refusal('FRAME_INVALID', message, ...pieces);
  });

  test('a field number beyond the struct', () => {
    const type = gobStruct('s', { A: gobInt });
    const definition = new GobEncoder().encode(type, new GobStruct(type, [undefined])).subarray(0, -4);
    refusal('FRAME_INVALID', 'field 1 of a struct that has 1', definition, segment('ff82 02 02 00'));
    refusal('FRAME_INVALID', 'a count of', definition, segment('ff82 f8ffffffffffffffff'));
  });

  test('an array of another length', () => {
    const definition = segment('ff81 01 01 02 ff82 00 01 04 01 06 00 00');
    expect(decode(definition, segment('ff82 00 03 02 04 06'))).toEqual([[1, 2, 3]]);
    refusal('FRAME_INVALID', '2 elements in an array of 3', definition, segment('ff82 00 02 02 04'));
  });

  test('the offset counts from the beginning of the stream, however it was cut', () => {
    const stream = Buffer.concat([segment('0c 00 02 "ok"'), segment('04 00 01'), segment('12 00 00')]);
    const expected = 'type id 9 is not defined (byte 12 of the stream)';
    refusal('FRAME_INVALID', expected, stream);
    refusal('FRAME_INVALID', expected, ...[...stream].map((byte) => Buffer.of(byte)));
  });

  test('after an error it stays', () => {
    const decoder = new GobDecoder(() => expect.unreachable());
    expect(() => decoder.push(Buffer.of(0))).toThrow('an empty segment');
    expect(() => decoder.push(segment('04 00 01'))).toThrow('an empty segment');
    expect(() => decoder.end()).toThrow('an empty segment');
  });

  test('an end inside a message', () => {
    for (const bytes of [Buffer.of(0xff), segment('04 00 01').subarray(0, 2), sliceOfStrings]) {
      const decoder = new GobDecoder(() => {});
      decoder.push(bytes);
      expect(() => decoder.end()).toThrow('ends inside a message');
    }
    const decoder = new GobDecoder(() => {});
    decoder.push(segment('04 00 01'));
    decoder.end();
  });
});

describe('what is too much', () => {
  test('a message of one byte more, before it is there', () => {
    const writer = new ByteWriter();
    writeUint(writer, limits.gobMessageBytesMax + 1);
    refusal('LIMIT_EXCEEDED', 'gobMessageBytesMax', writer.toBuffer());
    refusal('LIMIT_EXCEEDED', 'gobMessageBytesMax', hex('f8ffffffffffffffff'));
  });

  test('a message in many segments', () => {
    const decoder = new GobDecoder(() => {}, { messageBytesMax: 30 });
    decoder.push(segment('04 00 01'));
    decoder.push(sliceOfStrings);
    decoder.push(segment('ff83 02 01 02 ff84 00 01 0c 00 00'));
    expect(() => decoder.push(segment('ff85 02 01 02 ff86 00 01 0c 00 00'))).toThrow(
      'gobMessageBytesMax (30)',
    );
  });

  test('an announced message takes no memory before it comes', () => {
    const held = new HeldBytes();
    const decoders = Array.from({ length: 1_000 }, () => new GobDecoder(() => {}, { heldBytes: held }));
    const writer = new ByteWriter();
    writeUint(writer, limits.gobMessageBytesMax);
    writer.append(Buffer.of(4));
    for (const decoder of decoders) decoder.push(writer.toBuffer());
    expect(held.used).toBeLessThanOrEqual(decoders.length * 1024);
    for (const decoder of decoders) decoder.close();
    expect(held.used).toBe(0);
  });

  test('all unfinished messages together', () => {
    const held = new HeldBytes(10_000);
    const first = new GobDecoder(() => {}, { heldBytes: held });
    const second = new GobDecoder(() => {}, { heldBytes: held });
    const bytes = new GobEncoder().encode(gobBytes, Buffer.alloc(9_000));
    first.push(bytes.subarray(0, 8_000));
    expect(() => second.push(bytes.subarray(0, 8_000))).toThrow('gorpcHeldBytesMax (10000)');
    first.push(bytes.subarray(8_000));
    expect(held.used).toBe(0);
    new GobDecoder(() => {}, { heldBytes: held }).push(bytes.subarray(0, 8_000));
  });

  test('values in values', () => {
    let value: GobValue = null;
    for (let depth = 0; depth < limits.gobDepthMax - 1; depth++)
      value = new GobInterface('i', gobInterface, value);
    const encode = (top: GobValue) => new GobEncoder().encode(gobInterface, top);
    expect(decode(encode(value))).toHaveLength(1);
    refusal('LIMIT_EXCEEDED', 'gobDepthMax', encode(new GobInterface('i', gobInterface, value)));
  });

  test('a deep nest of slices ends at the limit', () => {
    // A slice of itself: each 01 opens one more.
    const definition = segment('ff81 02 01 02 ff82 00 01 ff82 00 00');
    expect(decode(definition, segment('ff82 00 01 01 01 00'))).toEqual([[[[[]]]]]);
    const deep = Buffer.concat([hex('ff82 00'), Buffer.alloc(100_000, 1)]);
    refusal('LIMIT_EXCEEDED', 'gobDepthMax', definition, segmentOf(deep));
  });

  test.each<[string, string]>([
    ['a slice', 'ff81 02 01 02 ff82 00 01 02 00 00'],
    ['a map', 'ff81 04 01 02 ff82 00 01 02 01 02 00 00'],
  ])('elements of %s, by their announced count', (_name, definition) => {
    refusal('LIMIT_EXCEEDED', 'gobElementsMax', segment(definition), segment('ff82 00 fc7fffffff 00'));
  });

  test('struct fields, which cost memory up to the last one sent', () => {
    const names = Array.from({ length: limits.gobStructFieldsMax }, (_, index) => `F${index}`);
    const wide = gobStruct('wide', Object.fromEntries(names.map((name) => [name, gobInt])));
    const many = gobSlice(wide);
    const last = new GobStruct(wide, [...names.slice(1).map(() => undefined), 1]);
    const encode = (count: number, value: GobValue) =>
      new GobEncoder().encode(many, Array<GobValue>(count).fill(value));
    expect(decode(encode(50, last))).toHaveLength(1);
    refusal('LIMIT_EXCEEDED', 'gobElementsMax', encode(200, last));
    expect(decode(encode(90_000, new GobStruct(wide, [])))).toHaveLength(1);
    const wider = gobStruct('wider', Object.fromEntries([...names, 'More'].map((name) => [name, gobInt])));
    refusal(
      'LIMIT_EXCEEDED',
      'gobStructFieldsMax',
      new GobEncoder().encode(wider, new GobStruct(wider, [1])),
    );
  });

  test('endless definitions', () => {
    const encoder = new GobEncoder();
    const distinct = Array.from({ length: limits.gobTypeDefinitionsMax + 1 }, () => gobSlice(gobString));
    const stream = distinct.map((type) => encoder.encode(type, []));
    expect(decode(...stream.slice(0, -1))).toHaveLength(limits.gobTypeDefinitionsMax);
    refusal('LIMIT_EXCEEDED', 'gobTypeDefinitionsMax', ...stream);
    const definitions = stream.map((bytes) => bytes.subarray(0, 1 + (bytes[0] as number)));
    refusal('LIMIT_EXCEEDED', 'gobTypeDefinitionsMax', ...definitions);
  });

  test('large definitions', () => {
    const large = gobStruct('x'.repeat(limits.gobTypeDefinitionBytesMax - 100), { A: gobInt });
    const encoder = new GobEncoder();
    expect(decode(encoder.encode(large, new GobStruct(large, [1])))).toEqual([{ A: 1 }]);
    const larger = gobStruct('x'.repeat(limits.gobTypeDefinitionBytesMax), { A: gobInt });
    refusal('LIMIT_EXCEEDED', 'gobTypeDefinition', encoder.encode(larger, new GobStruct(larger, [1])));
    const half = () => gobStruct('x'.repeat(limits.gobTypeDefinitionBytesMax / 2), { A: gobInt });
    const [first, second] = [half(), half()];
    const pieces = [first, second].map((type) => new GobEncoder().encode(type, new GobStruct(type, [1])));
    expect(decode(pieces[0] as Buffer)).toHaveLength(1);
    const both = new GobEncoder();
    const stream = [first, second].map((type) => both.encode(type, new GobStruct(type, [1])));
    refusal('LIMIT_EXCEEDED', 'gobTypeDefinitionBytesMax', ...stream);
  });

  test('a long interface name', () => {
    const name = 'n'.repeat(limits.gobNameBytesMax);
    const encode = (text: string) => new GobEncoder().encode(gobInterface, new GobInterface(text, gobInt, 1));
    expect(decode(encode(name))).toEqual([{ typeName: name, value: 1 }]);
    refusal('LIMIT_EXCEEDED', 'gobNameBytesMax', encode(`${name}n`));
  });
});

describe('effort', () => {
  test('a message of 60 MB in chunks of 64 KB is gathered in linear time', () => {
    const text = 'x'.repeat(60 * 2 ** 20);
    const stream = new GobEncoder().encode(gobString, text);
    let length = 0;
    const decoder = new GobDecoder((value) => {
      length = (value as string).length;
    });
    const start = performance.now();
    for (let at = 0; at < stream.length; at += 65_536) decoder.push(stream.subarray(at, at + 65_536));
    expect(length).toBe(text.length);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('definitions late in a large value do not make it be read again', () => {
    const large = 'x'.repeat(8 * 2 ** 20);
    const items: GobValue[] = [new GobInterface('string', gobString, large)];
    for (let index = 0; index < 100; index++) {
      const type = gobMap(gobString, gobArray(gobInt, index));
      items.push(new GobInterface(`t${index}`, type, new Map()));
    }
    const stream = new GobEncoder().encode(gobSlice(gobInterface), items);
    const start = performance.now();
    expect(decode(stream)).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
