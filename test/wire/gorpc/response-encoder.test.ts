import { expect, test } from 'vitest';
import { Inflater } from '../../../src/transport/gorpc/deflate/inflater.js';
import { OutboundStream } from '../../../src/transport/gorpc/deflate/outbound-stream.js';
import { deflateShared } from '../../../src/transport/gorpc/deflate/shared-bytes.js';
import { GobDecoder } from '../../../src/transport/gorpc/gob/decoder.js';
import type { GobValue } from '../../../src/transport/gorpc/gob/values.js';
import { type GorpcAnswer, ResponseEncoder } from '../../../src/transport/gorpc/response-encoder.js';
import { hex } from './hex.js';
import { toPlain } from './plain-values.js';

const wrapper = '01 19 "*gorpc.dispatcherResponse" ff84';

const definitions = hex(`
  38 ff81 03 01 01 0c "wireResponse" 01 ff82 00 01 03 01 02 "ID" 01 06 00 01 08 "Response" 01 10 00
     01 05 "Error" 01 0c 00 00 00
  37 ff83 03 01 01 12 "dispatcherResponse" 01 ff84 00 01 02 01 08 "Response" 01 10 00
     01 05 "Error" 01 0c 00 00 00
  16 ff85 02 01 01 08 "[]string" 01 ff86 00 01 0c 00 00
  32 ff87 03 01 01 0e "KeysValuesPair" 01 ff88 00 01 02 01 04 "Keys" 01 ff86 00
     01 06 "Values" 01 ff86 00 00 00`);

function plainEncoder(): { stream: OutboundStream; encoder: ResponseEncoder } {
  const stream = new OutboundStream(false);
  return { stream, encoder: new ResponseEncoder(stream) };
}

test('the first answer brings the definitions, the second does not', () => {
  const { stream, encoder } = plainEncoder();
  expect(stream.take()).toEqual([]);
  encoder.write(4, { kind: 'empty' });
  const empty = hex(`24 ff82 01 04 ${wrapper} 01 00 00`);
  expect(Buffer.concat(stream.take())).toEqual(Buffer.concat([definitions, empty]));
  encoder.write(4, { kind: 'empty' });
  expect(Buffer.concat(stream.take())).toEqual(empty);
  expect(stream.take()).toEqual([]);
});

test.each<[string, number, GorpcAnswer, string]>([
  ['bool', 1, { kind: 'bool', value: true }, `2e ff82 01 01 ${wrapper} 0b 01 04 "bool" 02 02 00 01 00 00`],
  ['false', 1, { kind: 'bool', value: false }, `2e ff82 01 01 ${wrapper} 0b 01 04 "bool" 02 02 00 00 00 00`],
  [
    'string',
    2,
    { kind: 'string', value: 'VAL' },
    `33 ff82 01 02 ${wrapper} 10 01 06 "string" 0c 05 00 03 "VAL" 00 00`,
  ],
  [
    'error',
    3,
    { kind: 'error', text: 'Access Denied' },
    `33 ff82 01 03 ${wrapper} 10 02 0d "Access Denied" 00 00`,
  ],
  ['success without a value', 4, { kind: 'empty' }, `24 ff82 01 04 ${wrapper} 01 00 00`],
  [
    '[]string',
    5,
    { kind: 'strings', value: ['a:hashed'] },
    `3c ff82 01 05 ${wrapper} 19 01 08 "[]string" ff86 0b 00 01 08 "a:hashed" 00 00`,
  ],
  [
    'empty []string',
    5,
    { kind: 'strings', value: [] },
    `33 ff82 01 05 ${wrapper} 10 01 08 "[]string" ff86 02 00 00 00 00`,
  ],
  ['int64', 6, { kind: 'int64', value: -1 }, `2f ff82 01 06 ${wrapper} 0c 01 05 "int64" 04 02 00 01 00 00`],
  ['int', 7, { kind: 'int', value: 7 }, `2d ff82 01 07 ${wrapper} 0a 01 03 "int" 04 02 00 0e 00 00`],
  [
    'KeysValuesPair',
    8,
    { kind: 'keys-values', keys: ['k'], values: ['v'] },
    `48 ff82 01 08 ${wrapper} 25 01 16 "*apidef.KeysValuesPair" ff88 09 01 01 01 6b 01 01 01 76 00 00 00`,
  ],
  [
    'empty KeysValuesPair',
    8,
    { kind: 'keys-values', keys: [], values: [] },
    `40 ff82 01 08 ${wrapper} 1d 01 16 "*apidef.KeysValuesPair" ff88 01 00 00 00`,
  ],
])('answer: %s', (_name, id, answer, golden) => {
  const { stream, encoder } = plainEncoder();
  encoder.write(id, { kind: 'empty' });
  stream.take();
  encoder.write(id, answer);
  expect(Buffer.concat(stream.take()).toString('hex')).toBe(hex(golden).toString('hex'));
});

/** Decodes a whole answer stream as a client would; what is inflated before the last flush only. */
function decodeAnswers(bytes: Buffer, compressed: boolean): unknown[] {
  const answers: unknown[] = [];
  const decoder = new GobDecoder((value: GobValue) => answers.push(toPlain(value)));
  if (compressed) new Inflater().push(bytes, (inflated) => decoder.push(inflated));
  else decoder.push(bytes);
  decoder.end();
  return answers;
}

function answerOf(id: unknown, typeName: string, value: unknown): unknown {
  return {
    ID: id,
    Response: { typeName: '*gorpc.dispatcherResponse', value: { Response: { typeName, value } } },
  };
}

const long = 'é{"api_id":"1"}'.repeat(20_000);

test.each([true, false])('a batch of all kinds and sizes decodes, compressed %s', async (compressed) => {
  const stream = new OutboundStream(compressed);
  const encoder = new ResponseEncoder(stream);
  const large = { bytes: Buffer.from(long) };
  const shared = await deflateShared(large.bytes);
  const wide = 2n ** 60n;
  encoder.write(1, { kind: 'string', value: '' });
  encoder.write(300, { kind: 'string', value: large });
  encoder.write(70_000, { kind: 'string', value: shared });
  encoder.write(4, { kind: 'string', value: long });
  encoder.write(wide, { kind: 'int64', value: wide });
  encoder.write(5, { kind: 'string', value: { bytes: Buffer.alloc(0) } });
  const parts = stream.take();
  encoder.keysValuesPairName = '*main.KeysValuesPair';
  encoder.write(6, { kind: 'keys-values', keys: [], values: ['v'] });
  encoder.write(7, { kind: 'keys-values', keys: ['k'], values: [] });
  encoder.write(8, { kind: 'strings', value: Array.from({ length: 30_000 }, (_, index) => `key-${index}`) });
  parts.push(...stream.take());
  const answers = decodeAnswers(Buffer.concat(parts), compressed);
  expect(answers.slice(0, 8)).toEqual([
    answerOf(1, 'string', ''),
    answerOf(300, 'string', long),
    answerOf(70_000, 'string', long),
    answerOf(4, 'string', long),
    answerOf({ integer: wide.toString() }, 'int64', { integer: wide.toString() }),
    answerOf(5, 'string', ''),
    answerOf(6, '*main.KeysValuesPair', { Values: ['v'] }),
    answerOf(7, '*main.KeysValuesPair', { Keys: ['k'] }),
  ]);
  const last = answers[8] as { Response: { value: { Response: { value: string[] } } } };
  expect(last.Response.value.Response.value).toHaveLength(30_000);
});

test('large answers are handed on, not copied', async () => {
  const shared = await deflateShared(Buffer.from(long));
  const compressed = new OutboundStream(true);
  new ResponseEncoder(compressed).write(1, { kind: 'string', value: shared });
  expect(compressed.take().some((part) => part === shared.deflated)).toBe(true);
  const plain = new OutboundStream(false);
  new ResponseEncoder(plain).write(1, { kind: 'string', value: shared });
  expect(plain.take().some((part) => part === shared.bytes)).toBe(true);
});

test('an answer that nobody waits for is a defect', () => {
  const { encoder } = plainEncoder();
  expect(() => encoder.write(0, { kind: 'empty' })).toThrow('id 0');
});

test('an error without a text stays an error', () => {
  const { stream, encoder } = plainEncoder();
  encoder.write(1, { kind: 'error', text: '' });
  expect(decodeAnswers(Buffer.concat(stream.take()), false)).toEqual([
    { ID: 1, Response: { typeName: '*gorpc.dispatcherResponse', value: { Error: 'error' } } },
  ]);
});
