import { expect, test } from 'vitest';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { type Preamble, PreambleReader, writePreamble } from '../../../src/transport/gorpc/preamble.js';
import { readVectors } from './vectors.js';

const requests = Buffer.from('2cff81');

function read(pieces: readonly Buffer[]): { preamble: Preamble | undefined; rest: Buffer } {
  const reader = new PreambleReader();
  for (const [index, piece] of pieces.entries()) {
    const { used, preamble } = reader.push(piece);
    if (preamble !== undefined) {
      return { preamble, rest: Buffer.concat([piece.subarray(used), ...pieces.slice(index + 1)]) };
    }
    expect(used).toBe(piece.length);
  }
  return { preamble: undefined, rest: Buffer.alloc(0) };
}

test.each<Preamble>([
  { connectionId: '6b2c6a62-1f1f-4c55-9d70-0d2a8a3c1f10', compressed: true },
  { connectionId: 'x', compressed: false },
  { connectionId: 'y'.repeat(255), compressed: true },
  { connectionId: '\u0000\u00ff', compressed: true },
])('written and read in every two pieces', (preamble) => {
  const bytes = Buffer.concat([writePreamble(preamble), requests]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual({ preamble, rest: requests });
  }
  expect(read([...bytes].map((byte) => Buffer.of(byte)))).toEqual({ preamble, rest: requests });
});

test('the captured one', () => {
  const { preamble } = readVectors('plain');
  const reader = new PreambleReader();
  const { used, preamble: found } = reader.push(preamble);
  expect(used).toBe(preamble.length);
  expect(found?.connectionId).toMatch(/^[0-9a-f-]{36}$/);
  expect(found?.compressed).toBe(false);
  if (found !== undefined) expect(writePreamble(found)).toEqual(preamble);
});

test('any handshake byte but 0 asks for compression', () => {
  const bytes = writePreamble({ connectionId: 'a', compressed: true });
  bytes[bytes.length - 1] = 0x7f;
  expect(new PreambleReader().push(bytes).preamble?.compressed).toBe(true);
});

test.each([
  ['GET / HTTP/1.1', 0],
  ['proto3', 5],
  ['protO2', 4],
  ['proto2\u0000', 6],
])('%j is refused at byte %d, before more is read', (text, offset) => {
  const reader = new PreambleReader();
  for (const byte of Buffer.from(text.slice(0, offset), 'latin1')) reader.push(Buffer.of(byte));
  try {
    reader.push(Buffer.from(text.slice(offset), 'latin1'));
    expect.unreachable();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(CausewayError);
    expect(thrown).toMatchObject({ code: 'FRAME_INVALID' });
    expect(String(thrown)).toContain(`byte ${offset} `);
  }
});

test('a connection id that cannot be written', () => {
  expect(() => writePreamble({ connectionId: '', compressed: true })).toThrow(RangeError);
  expect(() => writePreamble({ connectionId: 'z'.repeat(256), compressed: true })).toThrow(RangeError);
});
