import { describe, expect, test } from 'vitest';
import { Inflater } from '../../../src/transport/gorpc/deflate/inflater.js';
import { GobDecoder } from '../../../src/transport/gorpc/gob/decoder.js';
import { GobEncoder } from '../../../src/transport/gorpc/gob/encoder.js';
import { GobStruct, type GobValue } from '../../../src/transport/gorpc/gob/values.js';
import type { GorpcRequest } from '../../../src/transport/gorpc/request-decoder.js';
import { RequestStream } from '../../../src/transport/gorpc/request-stream.js';
import { toPlain } from './plain-values.js';
import { clientBytes, readVectors, type VectorStep } from './vectors.js';

const files = ['plain', 'deflate'] as const;

/** What the client's side of the step says, with what Go leaves out left out. */
function expectedArgument(step: VectorStep): unknown {
  if (step.request === null || typeof step.request !== 'object' || Array.isArray(step.request)) {
    return step.request ?? undefined;
  }
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(step.request)) {
    if (value === null || value === '' || value === 0 || value === false) continue;
    fields[name] = name === 'Node' ? { bytes: value } : value;
  }
  return fields;
}

function expectedResult(step: VectorStep): unknown {
  if (step.error !== undefined) return undefined;
  if (step.method === 'GetKeys' || step.method === 'GetKeySpaceUpdate') return [];
  if (step.method === 'GetKeysAndValuesWithFilter') return {};
  return step.response ?? undefined;
}

describe.each(files)('captured bytes, %s', (name) => {
  const vectors = readVectors(name);

  test('each request decodes to what was called', () => {
    const requests: GorpcRequest[] = [];
    let connectionId = '';
    const stream = new RequestStream({
      onPreamble: (preamble) => {
        connectionId = preamble.connectionId;
        expect(preamble.compressed).toBe(name === 'deflate');
      },
      onRequest: (request) => requests.push(request),
    });
    stream.push(vectors.preamble);
    expect(connectionId).toBe(vectors.preamble.subarray(7, 43).toString());
    for (const [index, step] of vectors.steps.entries()) {
      stream.push(step.clientToServer);
      expect(requests).toHaveLength(index + 1);
      const request = requests[index] as GorpcRequest;
      expect(request.id).toBe(index + 1);
      expect(request.method).toBe(`.${step.method}`);
      const argument = request.argument === undefined ? undefined : toPlain(request.argument);
      expect(argument).toEqual(expectedArgument(step));
    }
  });

  test('type names and field lists come with the argument', () => {
    const names = new Map<string, string>();
    const fields = new Map<string, readonly string[]>();
    const stream = new RequestStream({
      onPreamble: () => {},
      onRequest: (request) => {
        names.set(request.method, request.typeName);
        fields.set(request.method, request.fieldNames);
      },
    });
    stream.push(clientBytes(vectors));
    expect(names.get('.Login')).toBe('string');
    expect(names.get('.DeleteKeys')).toBe('[]string');
    expect(names.get('.Ping')).toBe('');
    expect(names.get('.GetApiDefinitions')).toBe('*apidef.DefRequest');
    expect(fields.get('.GetApiDefinitions')).toEqual(['OrgId', 'Tags', 'LoadOAS']);
    expect(fields.get('.LoginWithGroup')).toEqual(['UserKey', 'GroupID', 'ForceSync', 'Node']);
    expect(fields.get('.Login')).toEqual([]);
  });

  test('each answer decodes to what was returned', () => {
    const values: GobValue[] = [];
    const decoder = new GobDecoder((value) => values.push(value));
    const inflater = new Inflater();
    for (const [index, step] of vectors.steps.entries()) {
      if (name === 'plain') decoder.push(step.serverToClient);
      else inflater.push(step.serverToClient, (inflated) => decoder.push(inflated));
      expect(values).toHaveLength(index + 1);
      const answer = toPlain(values[index] as GobValue) as Record<string, unknown>;
      expect(answer['ID']).toBe(index + 1);
      const { typeName, value } = answer['Response'] as { typeName: string; value: Record<string, unknown> };
      expect(typeName).toBe('*gorpc.dispatcherResponse');
      expect(value['Error']).toBe(step.error);
      const result = value['Response'] as { value: unknown } | undefined;
      expect(result?.value).toEqual(expectedResult(step));
    }
    decoder.end();
  });
});

describe.each(['clientToServer', 'serverToClient'] as const)('captured bytes, plain, %s', (direction) => {
  test('written again, they are the same', () => {
    const encoder = new GobEncoder({ keepTypeIds: true });
    let written: Buffer[] = [];
    const decoder = new GobDecoder((value, type) => written.push(encoder.encode(type, value)));
    for (const step of readVectors('plain').steps) {
      written = [];
      decoder.push(step[direction]);
      expect(Buffer.concat(written).toString('hex')).toBe(step[direction].toString('hex'));
    }
  });
});

/** Every request as text, so that streams cut differently can be compared. */
function decodeInPieces(pieces: Iterable<Buffer>): string[] {
  const seen: string[] = [];
  const stream = new RequestStream({
    onPreamble: (preamble) => seen.push(JSON.stringify(preamble)),
    onRequest: (request) =>
      seen.push(`${request.id} ${request.method} ${JSON.stringify(toPlain(request.argument ?? null))}`),
  });
  for (const piece of pieces) stream.push(Buffer.from(piece));
  return seen;
}

describe.each(files)('every split point, %s', (name) => {
  const bytes = clientBytes(readVectors(name));
  const whole = decodeInPieces([bytes]);

  test('in two pieces', () => {
    expect(whole).toHaveLength(35);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(decodeInPieces([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole);
    }
  });

  test('byte by byte', () => {
    expect(decodeInPieces([...bytes].map((byte) => Buffer.of(byte)))).toEqual(whole);
  });

  test('cut off anywhere, what is complete is right and nothing else comes', () => {
    for (let cut = 0; cut < bytes.length; cut++) {
      const seen = decodeInPieces([bytes.subarray(0, cut)]);
      expect(seen.length).toBeLessThanOrEqual(whole.length);
      expect(seen).toEqual(whole.slice(0, seen.length));
    }
  });

  test('the first request, in every three pieces', () => {
    const vectors = readVectors(name);
    const first = Buffer.concat([vectors.preamble, vectors.steps[0]?.clientToServer ?? Buffer.alloc(0)]);
    const expected = decodeInPieces([first]);
    expect(expected).toHaveLength(2);
    for (let low = 0; low <= first.length; low++) {
      for (let high = low; high <= first.length; high++) {
        const pieces = [first.subarray(0, low), first.subarray(low, high), first.subarray(high)];
        if (decodeInPieces(pieces).join() !== expected.join()) expect({ low, high }).toBe('the same');
      }
    }
  });
});

test('a struct value answers by field name', () => {
  const values: GobValue[] = [];
  const decoder = new GobDecoder((value) => values.push(value));
  decoder.push(readVectors('plain').steps[0]?.clientToServer ?? Buffer.alloc(0));
  const request = values[0];
  if (!(request instanceof GobStruct)) throw new Error('not a struct');
  expect(request.get('ID')).toBe(1);
  expect(request.get('Nothing')).toBeUndefined();
});
