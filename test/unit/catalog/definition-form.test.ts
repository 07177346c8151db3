import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Definition } from '../../../src/domain/definition.js';
import {
  databaseBody,
  mergedApiJson,
  toDatabaseForm,
  toPlainForm,
} from '../../../src/domain/definition-form.js';
import { hashDefinition } from '../../../src/domain/definition-hash.js';
import { organisationId } from '../../../src/domain/identifiers.js';

const buffer = (text: string) => Buffer.from(text, 'utf8');
const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');

function definitionOf(body: string, oas?: string, form: Definition['form'] = 'plain'): Definition {
  const oasBytes = oas === undefined ? undefined : buffer(oas);
  return {
    kind: 'api',
    id: 'orders',
    organisation: organisationId('org'),
    name: 'Orders',
    hash: hashDefinition(form, buffer(body), oasBytes),
    visibility: { tags: [], tagsDisabled: false, ownerUsers: [], ownerGroups: [] },
    form,
    body: buffer(body),
    oas: oasBytes,
    source: 'apis/orders.json',
  };
}

describe('database form', () => {
  it('encodes version keys and names, domains and schemas, and nothing else', () => {
    const plain = `{
  "api_id" : "orders", "big": 9007199254740993, "exact": 1.10,
  "version_data": {"not_versioned":true, "versions":{ "Default" : {"name":"Default","keep":"Default",
    "extended_paths":{"validate_json":[{"path":"/a","schema":{"type":"object", "maximum":9007199254740993},"method":"POST"}]}}}},
  "upstream_certificates": {"*.example.com":"abc"}, "pinned_public_keys":{"example.com":"k1,k2"},
  "unknown": {"versions":{"Default":1},"schema":{}}
}
`;
    const expected = plain
      .replace('"Default" :', `"${base64('Default')}" :`)
      .replace('"name":"Default"', `"name":"${base64('Default')}"`)
      .replace(
        '"schema":{"type":"object", "maximum":9007199254740993}',
        `"schema_b64":"${base64('{"type":"object", "maximum":9007199254740993}')}"`,
      )
      .replace('*.example.com', base64('*.example.com'))
      .replace('{"example.com"', `{"${base64('example.com')}"`);
    expect(toDatabaseForm(buffer(plain)).toString()).toBe(expected);
    expect(toPlainForm(buffer(expected)).toString()).toBe(plain);
  });

  it('gives the same buffer back when there is nothing to convert', () => {
    const body = buffer('{"api_id":"a","version_data":{"versions":{}},"upstream_certificates":null}');
    expect(toDatabaseForm(body)).toBe(body);
    expect(toPlainForm(body)).toBe(body);
  });

  it('always encodes: a plain name that happens to be base64 is a name all the same', () => {
    const once = toDatabaseForm(buffer('{"version_data":{"versions":{"test":{}}}}'));
    expect(once.toString()).toBe('{"version_data":{"versions":{"dGVzdA==":{}}}}');
  });

  it("lets a version's name follow its key, as gateways do", () => {
    const body = buffer('{"version_data":{"versions":{"v1":{"name":"other"}}}}');
    expect(toDatabaseForm(body).toString()).toBe('{"version_data":{"versions":{"djE=":{"name":"djE="}}}}');
  });

  it('prefers schema over a stale schema_b64, and leaves a lone schema_b64 alone', () => {
    const entry = (fields: string) =>
      `{"version_data":{"versions":{"":{"extended_paths":{"validate_json":[${fields}]}}}}}`;
    const both = buffer(entry('{"schema_b64":"b2xk", "path":"/a" ,"schema":{"new":1}}'));
    expect(toDatabaseForm(both).toString()).toBe(
      entry(`{"path":"/a","schema_b64":"${base64('{"new":1}')}"}`),
    );
    const lone = buffer(entry('{"schema_b64":"e30="}'));
    expect(toDatabaseForm(lone)).toEqual(lone);
    const unreadable = buffer(entry('{"schema_b64":"%%%"},{"schema_b64":"b2xk"},{"schema_b64":7},[],null'));
    expect(toPlainForm(unreadable)).toEqual(unreadable);
    const nothing = buffer(entry('{"schema":null}'));
    expect(toDatabaseForm(nothing).toString()).toBe(entry('{"schema_b64":"bnVsbA=="}'));
  });

  it('keeps keys from before the encoding', () => {
    const legacy = buffer('{"version_data":{"versions":{"v1.0":{"name":"v1.0"},"/////w==":{"name":"x"}}}}');
    expect(toPlainForm(legacy)).toBe(legacy);
  });

  it('refuses text that is not JSON', () => {
    for (const text of [
      '',
      '{',
      '{"a"',
      '{"a":',
      '{"a":1',
      '{"a" 1}',
      '{"a":1 "b":2}',
      '{"a',
      '{"a":}',
      '{"a":[1}',
    ]) {
      expect(() => toDatabaseForm(buffer(text)), text).toThrow(/not JSON/);
    }
  });

  const spaced = fc.constantFrom(0, 1, 2, '\t');
  const api = fc.record({
    api_id: fc.string(),
    unknown: fc.jsonValue(),
    version_data: fc.record({
      other: fc.jsonValue(),
      versions: fc.dictionary(
        fc.string({ unit: 'grapheme' }),
        fc.record({ extra: fc.jsonValue(), schemas: fc.array(fc.dictionary(fc.string(), fc.jsonValue())) }),
      ),
    }),
    upstream_certificates: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string()),
    pinned_public_keys: fc.dictionary(fc.domain(), fc.string()),
  });

  function plainApi(generated: typeof api extends fc.Arbitrary<infer Value> ? Value : never) {
    const { versions, other } = generated.version_data;
    const named = Object.entries(versions).map(([name, version]) => {
      const validations = version.schemas.map((schema, index) => ({
        path: `/${index}`,
        schema,
        disabled: false,
      }));
      return [name, { name, extra: version.extra, extended_paths: { validate_json: validations } }] as const;
    });
    return { ...generated, version_data: { other, versions: Object.fromEntries(named) } };
  }

  it('round-trips byte for byte', () => {
    fc.assert(
      fc.property(api, spaced, (generated, space) => {
        const plain = JSON.stringify(plainApi(generated), null, space);
        const database = toDatabaseForm(buffer(plain));
        expect(toPlainForm(database).toString()).toBe(plain);
      }),
    );
  });

  it('means what encoding the parsed object means', () => {
    fc.assert(
      fc.property(api, spaced, (generated, space) => {
        const plain = plainApi(generated);
        const encodeKeys = (map: Record<string, string>) =>
          Object.fromEntries(Object.entries(map).map(([key, value]) => [base64(key), value]));
        const versions = Object.entries(plain.version_data.versions).map(([name, version]) => {
          const validations = version.extended_paths.validate_json.map(({ schema, ...rest }) => ({
            ...rest,
            schema_b64: JSON.stringify(schema),
          }));
          return [
            base64(name),
            { ...version, name: base64(name), extended_paths: { validate_json: validations } },
          ] as const;
        });
        const expected = {
          ...plain,
          version_data: { ...plain.version_data, versions: Object.fromEntries(versions) },
          upstream_certificates: encodeKeys(plain.upstream_certificates),
          pinned_public_keys: encodeKeys(plain.pinned_public_keys),
        };
        const actual = JSON.parse(
          toDatabaseForm(buffer(JSON.stringify(plain, null, space))).toString(),
          decodeSchema,
        );
        expect(actual).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });

  /** White space inside a schema is kept, so schemas are compared by what they say. */
  function decodeSchema(key: string, value: unknown): unknown {
    if (key !== 'schema_b64' || typeof value !== 'string') return value;
    return JSON.stringify(JSON.parse(Buffer.from(value, 'base64').toString()));
  }
});

describe('one element of the API list', () => {
  const classic = '{"api_id":"orders","version_data":{"versions":{"Default":{}}}}';

  it('is nested for newer gateways and flat for older ones, in database form', () => {
    const encoded = classic.replace('Default', base64('Default'));
    const oas = '{"openapi": "3.0.3"}';
    expect(mergedApiJson(definitionOf(classic), 'nested').toString()).toBe(
      `{"api_definition":${encoded},"oas":null}`,
    );
    expect(mergedApiJson(definitionOf(classic, oas), 'nested').toString()).toBe(
      `{"api_definition":${encoded},"oas":${oas}}`,
    );
    expect(mergedApiJson(definitionOf(classic, oas), 'flat').toString()).toBe(encoded);
  });

  it('passes what is in database form already', () => {
    const definition = definitionOf(classic, undefined, 'database');
    expect(databaseBody(definition)).toBe(definition.body);
  });

  it('converts a definition once, and only APIs', () => {
    const definition = definitionOf(classic);
    expect(databaseBody(definition)).toBe(databaseBody(definition));
    const policy = { ...definition, kind: 'policy' } as const;
    expect(databaseBody(policy)).toBe(policy.body);
  });
});

describe('hash', () => {
  it('tells apart form, body and document, and where one ends', () => {
    const [a, b, ab, none] = [buffer('a'), buffer('b'), buffer('ab'), buffer('')];
    const hashes = [
      hashDefinition('plain', a, b),
      hashDefinition('database', a, b),
      hashDefinition('plain', ab, none),
      hashDefinition('plain', ab, undefined),
      hashDefinition('plain', b, a),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(hashDefinition('plain', buffer('a'), buffer('b'))).toBe(hashes[0]);
  });
});
