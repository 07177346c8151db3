import fc from 'fast-check';
import * as driver from 'mongodb';
import { Binary, BSON, Decimal128, Double, Int32, Long, ObjectId, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { bsonToJson, topLevelText, UnwritableDocument } from '../../../src/stores/mongodb/bson-json.js';
import { bsonNames } from '../../../src/stores/mongodb/bson-names.js';
import { documentOf } from '../../../src/stores/mongodb/seed-mongo.js';

const bytes = (document: object) =>
  Buffer.from(BSON.serialize(document as BSON.Document, { ignoreUndefined: false }));
const json = (document: object, names = {}) => bsonToJson(bytes(document), names).toString('utf8');

describe('values', () => {
  it.each<[unknown, string]>([
    [new ObjectId('66b1a2c3d4e5f60718293a01'), '"66b1a2c3d4e5f60718293a01"'],
    [Long.fromString('9223372036854775807'), '9223372036854775807'],
    [Long.fromString('-9007199254740993'), '-9007199254740993'],
    [new Int32(-7), '-7'],
    [new Double(5), '5'],
    [new Double(0.1), '0.1'],
    [new Double(-0), '-0'],
    [Decimal128.fromString('12.50'), '1250e-2'],
    [Decimal128.fromString('-3'), '-3'],
    [Decimal128.fromString('1E+3'), '1e3'],
    [new Date('2024-05-06T07:08:09.000Z'), '"2024-05-06T07:08:09Z"'],
    [new Date('2024-05-06T07:08:09.120Z'), '"2024-05-06T07:08:09.120Z"'],
    [new Date(-62_135_596_800_000), '"0001-01-01T00:00:00Z"'],
    [new Binary(Buffer.from('{"url":"x","n":9007199254740993}')), '{"url":"x","n":9007199254740993}'],
    [new Binary(Buffer.from([1, 2, 3])), '"AQID"'],
    [new Timestamp({ t: 5, i: 1 }), '5'],
    [[1, [2, {}], []], '[1,[2,{}],[]]'],
    [{ a: { b: null } }, '{"a":{"b":null}}'],
    ['quote " back \\ line \n zero \0 é 🙂', JSON.stringify('quote " back \\ line \n zero \0 é 🙂')],
    [true, 'true'],
    [/a+/i, '"a+"'],
  ])('%s is %s', (value, text) => {
    expect(json({ value })).toBe(`{"value":${text}}`);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses %s and says where', (value) => {
    expect(() => json({ a: { b: value } }, { members: { a: {} } })).toThrow(UnwritableDocument);
  });

  it('writes what JSON.parse reads as it was', () => {
    fc.assert(
      fc.property(fc.dictionary(name, value(4), { noNullPrototype: true }), (document) => {
        expect(JSON.parse(json(document))).toEqual(JSON.parse(JSON.stringify(document)));
      }),
    );
  });

  it('refuses bytes that are no document, and never reads beyond them', () => {
    const whole = bytes({ a: 'text', b: [1, { c: 2 }], d: new Date(0) });
    for (let length = 0; length < whole.length; length++) {
      expect(() => bsonToJson(whole.subarray(0, length), {})).toThrow(UnwritableDocument);
    }
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = 0xff;
      try {
        JSON.parse(bsonToJson(damaged, {}).toString('utf8'));
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(UnwritableDocument);
      }
    }
  });

  it('finds one field at the top', () => {
    const document = bytes({
      a: { _id: 'inner' },
      _id: new ObjectId('66b1a2c3d4e5f60718293a01'),
      n: 5,
      t: 'x',
    });
    expect(topLevelText(document, '_id')).toBe('66b1a2c3d4e5f60718293a01');
    expect(topLevelText(document, 'n')).toBe('5');
    expect(topLevelText(document, 't')).toBe('x');
    expect(topLevelText(document, 'z')).toBeUndefined();
  });
});

describe('names', () => {
  it('maps those of APIs', () => {
    const stored = {
      jwt_identit_base_field: 'sub',
      proxy: { transport: { sslforcecommonnamecheck: true } },
      scopes: { jwt: { scopetopolicy: { admin: 'p' } } },
      upstream_auth: { oauth: { client_credentials: { clientauthdata: { client_id: 'c' }, enabled: true } } },
      jwt_jwks_uris: [{ url: 'u', cache_timeout: Long.fromNumber(90_000_000_000) }],
      version_data: {
        versions: {
          RGVmYXVsdA: {
            global_enforce_timeout: Long.fromNumber(1_500_000_000),
            extended_paths: { hard_timeouts: [{ path: '/', duration: Long.fromNumber(0) }] },
          },
        },
      },
      graphql: { engine: { data_sources: [{ config: new Binary(Buffer.from('{"isolation_level":"x"}')) }] } },
      config_data: { quotamax: 'a name of its own' },
    };
    expect(JSON.parse(json(stored, bsonNames.apis))).toEqual({
      jwt_identity_base_field: 'sub',
      proxy: { transport: { ssl_force_common_name_check: true } },
      scopes: { jwt: { scope_to_policy: { admin: 'p' } } },
      upstream_auth: { oauth: { client_credentials: { client_id: 'c', enabled: true } } },
      jwt_jwks_uris: [{ url: 'u', cache_timeout: '90s' }],
      version_data: {
        versions: {
          RGVmYXVsdA: {
            global_enforce_timeout: '1500000000ns',
            extended_paths: { hard_timeouts: [{ path: '/', duration: '0s' }] },
          },
        },
      },
      graphql: { engine: { data_sources: [{ config: { isolation_level: 'x' } }] } },
      config_data: { quotamax: 'a name of its own' },
    });
  });

  it('maps those of policies, in both generations of limits', () => {
    const limit = { quotamax: Long.fromString('9007199254740993'), throttleinterval: 1.5 };
    const stored = {
      enablehttpsignaturevalidation: true,
      access_rights: {
        // A key that looks like a field.
        apiid: { apiid: 'a', apiname: 'A', limit: { rate: 5, ...limit } },
        b: { limit: { ratelimit: { rate: 6, per: 7, smoothing: { enabled: true } }, ...limit } },
        c: {
          fieldaccessrights: [{ typename: 'Query', fieldname: 'f', limits: { maxquerydepth: 3 } }],
          jsonrpcmethods: [{ name: 'm', limit: { rate: 1 } }],
        },
      },
    };
    expect(json(stored, bsonNames.policies)).toBe(
      '{"enable_http_signature_validation":true,"access_rights":{' +
        '"apiid":{"api_id":"a","api_name":"A","limit":{"rate":5,"quota_max":9007199254740993,"throttle_interval":1.5}},' +
        '"b":{"limit":{"quota_max":9007199254740993,"throttle_interval":1.5,"rate":6,"per":7,"smoothing":{"enabled":true}}},' +
        '"c":{"field_access_rights":[{"type_name":"Query","field_name":"f","limits":{"max_query_depth":3}}],' +
        '"json_rpc_methods":[{"name":"m","limit":{"rate":1}}]}}}',
    );
  });

  it('lets the name of JSON count where a document has both', () => {
    const stored = {
      access_rights: { a: { apiid: 'old', api_id: 'new', limit: { quotamax: 1, quota_max: 2 } } },
    };
    expect(json(stored, bsonNames.policies)).toBe(
      '{"access_rights":{"a":{"api_id":"new","limit":{"quota_max":2}}}}',
    );
  });

  it('stores under the names it reads', () => {
    const text =
      '{"_id":"66b1a2c3d4e5f60718293a01","access_rights":{"a":{"api_id":"a","limit":{"quota_max":9007199254740993}}}}';
    const document = documentOf(driver, 'policies', Buffer.from(text));
    expect(document['access_rights']).toMatchObject({
      a: { apiid: 'a', limit: { quotamax: expect.anything() } },
    });
    expect(json(document, bsonNames.policies)).toBe(text);
  });
});

const name = fc
  .string({ unit: 'grapheme', maxLength: 8 })
  .filter((text) => !text.includes('\0') && text !== '__proto__');
function value(depth: number): fc.Arbitrary<unknown> {
  const leaf = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  );
  if (depth === 0) return leaf;
  return fc.oneof(
    leaf,
    fc.array(value(depth - 1), { maxLength: 3 }),
    fc.dictionary(name, value(depth - 1), { maxKeys: 3, noNullPrototype: true }),
  );
}
