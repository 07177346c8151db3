import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Inflater } from '../../../src/transport/gorpc/deflate/inflater.js';
import { OutboundStream } from '../../../src/transport/gorpc/deflate/outbound-stream.js';
import { deflateShared } from '../../../src/transport/gorpc/deflate/shared-bytes.js';
import { GobDecoder } from '../../../src/transport/gorpc/gob/decoder.js';
import { GobEncoder } from '../../../src/transport/gorpc/gob/encoder.js';
import {
  type GobType,
  gobInterface,
  gobSlice,
  gobString,
  gobStruct,
  gobUint,
} from '../../../src/transport/gorpc/gob/types.js';
import { type GorpcAnswer, ResponseEncoder } from '../../../src/transport/gorpc/response-encoder.js';
import { findGo } from '../../services/go.js';
import { asReceived } from './as-received.js';
import { concreteTypes, typedValues } from './gob-arbitraries.js';
import { toPlain } from './plain-values.js';

const go = await findGo('the gob codec against Go itself');
const hasGo = go !== undefined;

const source = new URL('../../conformance/gobgen/', import.meta.url).pathname;
let folder = '';

function gobgen(args: readonly string[], input = ''): unknown[] {
  const run = spawnSync(join(folder, 'gobgen'), args, { input, maxBuffer: 2 ** 30, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Go writes maps in any order. */
function sortMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMaps);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sortMaps(item)]));
  const entries = copy['map'];
  if (Array.isArray(entries)) {
    copy['map'] = entries.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1));
  }
  return copy;
}

interface Emitted {
  readonly name: string;
  readonly hex: readonly string[];
  readonly deflated: readonly string[];
  readonly expected: readonly unknown[];
}

interface Checked {
  readonly name: string;
  readonly values: readonly unknown[];
  readonly error?: string;
}

function schemaOf(type: GobType): object {
  switch (type.kind) {
    case 'slice':
      return { kind: 'slice', element: schemaOf(type.element) };
    case 'array':
      return { kind: 'array', length: type.length, element: schemaOf(type.element) };
    case 'map':
      return { kind: 'map', key: schemaOf(type.key), element: schemaOf(type.element) };
    case 'struct':
      return {
        kind: 'struct',
        fields: type.fields.map((field) => ({ name: field.name, type: schemaOf(field.type) })),
      };
    default:
      return { kind: type.kind };
  }
}

describe.skipIf(!hasGo)('against Go itself', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'causeway-gobgen-'));
    const build = spawnSync(go ?? 'go', ['build', '-o', join(folder, 'gobgen'), '.'], {
      cwd: source,
      encoding: 'utf8',
    });
    if (build.status !== 0) throw new Error(build.stderr);
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('what Go encodes is decoded, at once and byte by byte', () => {
    const cases = gobgen(['emit', '1', '400']) as Emitted[];
    expect(cases.length).toBeGreaterThan(400);
    for (const { name, hex, expected } of cases) {
      const found: unknown[] = [];
      const decoder = new GobDecoder((value) => found.push(sortMaps(toPlain(value))));
      for (const [index, piece] of hex.entries()) {
        decoder.push(Buffer.from(piece, 'hex'));
        expect(found, `${name}, value ${index}`).toHaveLength(index + 1);
        expect(found[index], `${name}, value ${index}`).toEqual(sortMaps(expected[index]));
      }
      const stream = Buffer.from(hex.join(''), 'hex');
      if (stream.length > 20_000) continue;
      const slowly: unknown[] = [];
      const slow = new GobDecoder((value) => slowly.push(sortMaps(toPlain(value))));
      for (const byte of stream) slow.push(Buffer.of(byte));
      slow.end();
      expect(slowly, name).toEqual(found);
    }
  });

  test('what Go deflates is inflated', () => {
    for (const { name, hex, deflated } of gobgen(['emit', '3', '200']) as Emitted[]) {
      const inflater = new Inflater();
      for (const [index, piece] of deflated.entries()) {
        let inflated = '';
        inflater.push(Buffer.from(piece, 'hex'), (part) => {
          inflated += part.toString('hex');
        });
        expect(inflated === hex[index], `${name}, value ${index}`).toBe(true);
      }
    }
  });

  test('what Go encodes is written again byte for byte', () => {
    // Of a type that marshals itself Go also defines the fields, which it then never sends.
    const cases = (gobgen(['emit', '2', '400']) as Emitted[]).filter(({ name }) => !name.includes('marshal'));
    for (const { name, hex } of cases) {
      const encoder = new GobEncoder({ keepTypeIds: true });
      let written = '';
      const decoder = new GobDecoder((value, type) => {
        written = encoder.encode(type, value).toString('hex');
      });
      for (const [index, piece] of hex.entries()) {
        decoder.push(Buffer.from(piece, 'hex'));
        expect(written === piece, `${name}, value ${index}`).toBe(true);
      }
    }
  });

  test('Go decodes what is encoded here', () => {
    const samples = fc.sample(typedValues({ opaque: false }), { numRuns: 500, seed: 7 });
    const register = [...concreteTypes].map(([name, type]) => ({ name, type: schemaOf(type) }));
    const lines = samples.map(({ type, values }, index) => {
      const encoder = new GobEncoder();
      const stream = Buffer.concat(values.map((value) => encoder.encode(type, value)));
      const schema = schemaOf(type);
      return JSON.stringify({
        name: `sample ${index}`,
        hex: stream.toString('hex'),
        type: schema,
        count: values.length,
        register,
      });
    });
    const results = gobgen(['check'], lines.join('\n')) as Checked[];
    expect(results).toHaveLength(samples.length);
    for (const [index, { name, values, error }] of results.entries()) {
      expect(error, name).toBeUndefined();
      const expected = samples[index]?.values.map((value) => sortMaps(toPlain(asReceived(value))));
      expect(values.map(sortMaps), name).toEqual(expected);
    }
  });

  test('Go inflates and decodes the answers', async () => {
    const large = '{"api_id":"1"}'.repeat(20_000);
    const answers: [GorpcAnswer, unknown][] = [
      [
        { kind: 'bool', value: false },
        { typeName: 'bool', value: false },
      ],
      [
        { kind: 'string', value: 'VAL' },
        { typeName: 'string', value: 'VAL' },
      ],
      [
        { kind: 'string', value: large },
        { typeName: 'string', value: large },
      ],
      [
        { kind: 'string', value: await deflateShared(Buffer.from(large)) },
        { typeName: 'string', value: large },
      ],
      [
        { kind: 'int', value: -3 },
        { typeName: 'int', value: -3 },
      ],
      [
        { kind: 'int64', value: 2n ** 60n },
        { typeName: 'int64', value: { integer: `${2n ** 60n}` } },
      ],
      [
        { kind: 'strings', value: [] },
        { typeName: '[]string', value: [] },
      ],
      [
        { kind: 'strings', value: ['a', ''] },
        { typeName: '[]string', value: ['a', ''] },
      ],
      [
        { kind: 'keys-values', keys: ['k'], values: ['v'] },
        { typeName: '*apidef.KeysValuesPair', value: { Keys: ['k'], Values: ['v'] } },
      ],
      [{ kind: 'empty' }, undefined],
    ];
    const strings = gobSlice(gobString);
    const response = gobStruct('', { ID: gobUint, Response: gobInterface, Error: gobString });
    const register = [
      {
        name: '*gorpc.dispatcherResponse',
        type: schemaOf(gobStruct('', { Response: gobInterface, Error: gobString })),
      },
      { name: '*apidef.KeysValuesPair', type: schemaOf(gobStruct('', { Keys: strings, Values: strings })) },
    ];
    const lines = [true, false].map((deflated) => {
      const stream = new OutboundStream(deflated);
      const encoder = new ResponseEncoder(stream);
      for (const [index, [answer]] of answers.entries()) encoder.write(index + 1, answer);
      encoder.write(99, { kind: 'error', text: 'Access Denied' });
      const hex = Buffer.concat(stream.take()).toString('hex');
      const count = answers.length + 1;
      return JSON.stringify({ name: 'answers', hex, deflated, type: schemaOf(response), count, register });
    });
    const wrap = (id: number, value: object) => ({
      ID: id,
      Response: { typeName: '*gorpc.dispatcherResponse', value },
    });
    const expected = answers.map(([, result], index) =>
      wrap(index + 1, result === undefined ? {} : { Response: result }),
    );
    for (const { values, error } of gobgen(['check'], lines.join('\n')) as Checked[]) {
      expect(error).toBeUndefined();
      expect(values).toEqual([...expected, wrap(99, { Error: 'Access Denied' })]);
    }
  });
});
