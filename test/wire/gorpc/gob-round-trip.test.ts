import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GobDecoder } from '../../../src/transport/gorpc/gob/decoder.js';
import { GobEncoder } from '../../../src/transport/gorpc/gob/encoder.js';
import { GobStructType, gobInt, gobSlice, gobStruct } from '../../../src/transport/gorpc/gob/types.js';
import { GobStruct, type GobValue } from '../../../src/transport/gorpc/gob/values.js';
import { asReceived } from './as-received.js';
import { typedValues } from './gob-arbitraries.js';
import { toPlain } from './plain-values.js';

function decodeAll(pieces: Iterable<Buffer>): unknown[] {
  const found: unknown[] = [];
  const decoder = new GobDecoder((value) => found.push(toPlain(value)));
  for (const piece of pieces) decoder.push(piece);
  decoder.end();
  return found;
}

function* cut(bytes: Buffer, size: number): Iterable<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

test('arbitrary values of arbitrary types come back, in pieces of any size', () => {
  fc.assert(
    fc.property(typedValues({ opaque: true }), fc.integer({ min: 1, max: 50 }), ({ type, values }, size) => {
      const encoder = new GobEncoder();
      const stream = Buffer.concat(values.map((value) => encoder.encode(type, value)));
      const expected = values.map((value) => toPlain(asReceived(value)));
      expect(decodeAll([stream])).toEqual(expected);
      expect(decodeAll(cut(stream, size))).toEqual(expected);
    }),
    { numRuns: 1_000 },
  );
});

test('what was decoded is written again byte for byte', () => {
  fc.assert(
    fc.property(typedValues({ opaque: true }), ({ type, values }) => {
      const encoder = new GobEncoder();
      const again = new GobEncoder({ keepTypeIds: true });
      let written: Buffer = Buffer.alloc(0);
      const decoder = new GobDecoder((value, found) => {
        written = again.encode(found, value);
      });
      for (const value of values) {
        const bytes = encoder.encode(type, value);
        decoder.push(bytes);
        expect(written.equals(bytes)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test('cut off anywhere, a value never comes early or wrong', () => {
  fc.assert(
    fc.property(typedValues({ opaque: true }), ({ type, values }) => {
      const encoder = new GobEncoder();
      const stream = Buffer.concat(values.map((value) => encoder.encode(type, value)));
      const expected = decodeAll([stream]);
      for (let length = 0; length < stream.length; length += 1 + (length >> 6)) {
        const found: unknown[] = [];
        const decoder = new GobDecoder((value) => found.push(toPlain(value)));
        decoder.push(stream.subarray(0, length));
        expect(found.length).toBeLessThan(expected.length);
        expect(found).toEqual(expected.slice(0, found.length));
      }
    }),
    { numRuns: 100 },
  );
});

test('a type that contains itself', () => {
  const node = new GobStructType('node', [{ name: 'Value', type: gobInt }]);
  node.fields.push({ name: 'Next', type: node }, { name: 'Others', type: gobSlice(node) });
  const chain = [1, 2, 3].reduce<GobStruct | undefined>(
    (next, value) => new GobStruct(node, [value, next, next === undefined ? undefined : [next]]),
    undefined,
  ) as GobValue;
  expect(decodeAll([new GobEncoder().encode(node, chain)])).toEqual([toPlain(chain)]);
});

test('a struct without fields', () => {
  const nothing = gobStruct('nothing', {});
  const value = new GobStruct(nothing, []);
  const bytes = new GobEncoder().encode(gobSlice(nothing), [value, value]);
  expect(decodeAll([bytes])).toEqual([[{}, {}]]);
});

test('a value that does not fit its type is a defect', () => {
  expect(() => new GobEncoder().encode(gobInt, 'text')).toThrow(TypeError);
  expect(() => new GobEncoder().encode(gobSlice(gobInt), 5)).toThrow(TypeError);
});
