import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { GobEncoder } from '../../../src/transport/gorpc/gob/encoder.js';
import {
  type GobType,
  gobBool,
  gobBytes,
  gobInt,
  gobInterface,
  gobSlice,
  gobString,
  gobStruct,
  gobUint,
} from '../../../src/transport/gorpc/gob/types.js';
import {
  GobInterface,
  GobRawString,
  GobStruct,
  type GobValue,
} from '../../../src/transport/gorpc/gob/values.js';
import { writePreamble } from '../../../src/transport/gorpc/preamble.js';
import { type GorpcRequest, RequestDecoder } from '../../../src/transport/gorpc/request-decoder.js';
import { RequestStream } from '../../../src/transport/gorpc/request-stream.js';
import { hex } from './hex.js';
import { toPlain } from './plain-values.js';

const wireRequest = gobStruct('wireRequest', { ID: gobUint, Request: gobInterface });
const dispatcherRequest = gobStruct('dispatcherRequest', { Request: gobInterface, Name: gobString });

function call(id: GobValue, method: GobValue | undefined, argument?: GobInterface): GobValue {
  const inner = new GobStruct(dispatcherRequest, [argument, method]);
  return new GobStruct(wireRequest, [
    id,
    new GobInterface('*gorpc.dispatcherRequest', dispatcherRequest, inner),
  ]);
}

function decode(...bytes: Buffer[]): GorpcRequest[] {
  const found: GorpcRequest[] = [];
  const decoder = new RequestDecoder((request) => found.push(request));
  for (const piece of bytes) decoder.push(piece);
  return found;
}

function encodeCalls(...calls: GobValue[]): Buffer {
  const encoder = new GobEncoder();
  return Buffer.concat(calls.map((value) => encoder.encode(wireRequest, value)));
}

test('the first request of a connection, as it is written down', () => {
  const first = hex(`
    2c ff81 03 01 01 0b "wireRequest" 01 ff82 00 01 02 01 02 "ID" 01 06 00 01 07 "Request" 01 10 00 00 00
    52 ff82 01 01 01 18 "*gorpc.dispatcherRequest" ff83 03 01 01 11 "dispatcherRequest" 01 ff84 00 01 02
       01 07 "Request" 01 10 00 01 04 "Name" 01 0c 00 00 00
    1c ff84 18 01 06 "string" 0c 05 00 03 "KEY" 01 06 ".Login" 00 00`);
  const ping = hex('2a ff82 01 02 01 18 "*gorpc.dispatcherRequest" ff84 08 02 05 ".Ping" 00 00');
  expect(decode(first, ping)).toEqual([
    { id: 1, method: '.Login', argument: 'KEY', typeName: 'string', fieldNames: [] },
    { id: 2, method: '.Ping', argument: undefined, typeName: '', fieldNames: [] },
  ]);
  expect(
    encodeCalls(call(1, '.Login', new GobInterface('string', gobString, 'KEY')), call(2, '.Ping')),
  ).toEqual(Buffer.concat([first, ping]));
});

const inboundData = gobStruct('InboundData', {
  KeyName: gobString,
  Value: gobString,
  SessionState: gobString,
  Timeout: gobInt,
  Per: gobInt,
  Expire: gobInt,
});

test.each<[string, string, GobType, readonly (GobValue | undefined)[], unknown]>([
  [
    'two new types in the first call',
    '*apidef.DefRequest',
    gobStruct('DefRequest', { OrgId: gobString, Tags: gobSlice(gobString, '[]string'), LoadOAS: gobBool }),
    ['org', ['eu', ''], true],
    { OrgId: 'org', Tags: ['eu', ''], LoadOAS: true },
  ],
  [
    'a gateway before 4.1',
    '*apidef.DefRequest',
    gobStruct('DefRequest', { OrgId: gobString, Tags: gobSlice(gobString, '[]string') }),
    ['org', undefined],
    { OrgId: 'org' },
  ],
  [
    'an old pump',
    '*pumps.GroupLoginRequest',
    gobStruct('GroupLoginRequest', { UserKey: gobString, GroupID: gobString }),
    ['key', 'zone'],
    { UserKey: 'key', GroupID: 'zone' },
  ],
  [
    'a gateway before 2.9',
    '*main.InboundData',
    inboundData,
    ['rpc.listener.0000', undefined, '0000', 10, undefined, -1],
    { KeyName: 'rpc.listener.0000', SessionState: '0000', Timeout: 10, Expire: -1 },
  ],
  [
    'a gateway to come',
    '*model.GroupLoginRequest',
    gobStruct('GroupLoginRequest', { UserKey: gobString, Node: gobBytes, News: gobSlice(inboundData) }),
    ['key', Buffer.from('{}'), [new GobStruct(inboundData, ['k'])]],
    { UserKey: 'key', Node: { bytes: 'e30=' }, News: [{ KeyName: 'k' }] },
  ],
])('an argument of %s', (_name, typeName, type, values, expected) => {
  if (type.kind !== 'struct') throw new Error('not a struct');
  const argument = new GobInterface(typeName, type, new GobStruct(type, values));
  const requests = decode(encodeCalls(call(1, '.First', argument), call(2, '.Second', argument)));
  expect(requests).toHaveLength(2);
  for (const request of requests) {
    expect(request).toMatchObject({ typeName, fieldNames: type.fieldNames });
    expect(toPlain(request.argument ?? null)).toEqual(expected);
  }
});

test('ids: none, and larger than a number holds', () => {
  const wide = 2n ** 63n + 1n;
  const requests = decode(encodeCalls(call(0, '.Decrement'), call(wide, '.Ping')));
  expect(requests.map((request) => request.id)).toEqual([0, wide]);
});

test('a string that is not UTF-8 is not changed', () => {
  const raw = new GobRawString(Buffer.of(0xff, 0xfe));
  const [request] = decode(encodeCalls(call(1, '.GetKey', new GobInterface('string', gobString, raw))));
  expect(request?.argument).toEqual(raw);
});

test.each<[string, GobType, GobValue]>([
  ['not a struct', gobString, 'text'],
  ['without a call', wireRequest, new GobStruct(wireRequest, [1, undefined])],
  [
    'with a call that is no struct',
    wireRequest,
    new GobStruct(wireRequest, [1, new GobInterface('int', gobInt, 1)]),
  ],
  ['with a method name that is no text', wireRequest, call(1, new GobRawString(Buffer.of(0xff)))],
  [
    'with an id that is no number',
    gobStruct('wireRequest', { ID: gobString }),
    new GobStruct(gobStruct('wireRequest', { ID: gobString }), ['1']),
  ],
])('a request %s is refused where it ends', (_name, type, value) => {
  const bytes = new GobEncoder().encode(type, value);
  try {
    decode(bytes);
    expect.unreachable();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(CausewayError);
    expect(thrown).toMatchObject({ code: 'FRAME_INVALID' });
    expect(String(thrown)).toContain(`byte ${bytes.length} `);
  }
});

test.each([true, false])(
  'closed while a request is handed on, it hands on no more; compressed %s',
  (compressed) => {
    const plain = encodeCalls(call(1, '.Ping'), call(2, '.Ping'), call(3, '.Ping'));
    const bytes = compressed ? deflateRawSync(plain, { finishFlush: constants.Z_SYNC_FLUSH }) : plain;
    const found: unknown[] = [];
    const stream = new RequestStream({
      onPreamble: () => {},
      onRequest: (request) => {
        found.push(request.id);
        if (request.id === 2) stream.close();
      },
    });
    stream.push(Buffer.concat([writePreamble({ connectionId: 'a', compressed }), bytes]));
    stream.push(bytes);
    expect(found).toEqual([1, 2]);
  },
);
