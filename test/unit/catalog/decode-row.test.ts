import { describe, expect, it } from 'vitest';
import { type CatalogTable, decodeRow } from '../../../src/domain/catalog-row.js';
import { renamedColumns } from '../../../src/domain/catalog-tables.js';
import { unescapeDots } from '../../../src/domain/unescape-dots.js';

const api = { api_id: 'orders', org_id: 'org', name: 'Orders', proxy: { listen_path: '/orders/' } };
const oas = {
  openapi: '3.0.3',
  info: { title: 'Orders', version: '1' },
  paths: { '/orders\\u002ejson': { get: { description: 'a \\u002e in a text' } } },
  'x-tyk-api-gateway': {
    info: { name: 'Orders' },
    upstream: { url: 'x' },
    server: { listenPath: { value: '/orders/' } },
    middleware: { operations: { 'read\\u002Ejson': { mockResponse: { enabled: true } } } },
  },
};

function decode(table: CatalogTable, fields: unknown, document?: unknown, dots = false) {
  return decodeRow(
    {
      table,
      source: `${table} _id=1`,
      fields: Buffer.from(JSON.stringify(fields)),
      document: document === undefined ? undefined : Buffer.from(JSON.stringify(document)),
    },
    { unescapeDots: dots },
  );
}

function definition(...given: Parameters<typeof decode>) {
  const item = decode(...given);
  if (item.type !== 'definition') throw new Error(JSON.stringify(item));
  return item.definition;
}
const body = (...given: Parameters<typeof decode>) =>
  JSON.parse(String(definition(...given).body)) as unknown;

describe('people', () => {
  it('finds fields whatever their spelling', () => {
    const user = { _id: 'u', OrgId: 'org', EmailAddress: 'a@b', accessKey: 'k', active: true, group_id: 'g' };
    expect(decode('users', { ...user, groups_ids: ['h', 'g'] })).toEqual({
      type: 'user',
      user: {
        id: 'u',
        organisation: 'org',
        emailAddress: 'a@b',
        accessKey: 'k',
        active: true,
        groups: ['h', 'g'],
      },
    });
    expect(decode('organisations', { _id: 'org', ownername: 'Main', hybridenabled: true })).toMatchObject({
      organisation: { id: 'org', name: 'Main', hybridEnabled: true },
    });
  });

  it('leaves out who is deleted or has no key, and takes nobody for active who is not said to be', () => {
    expect(decode('users', { _id: 'u', orgid: 'org', accesskey: '' })).toEqual({
      type: 'left-out',
      reason: 'no key',
    });
    expect(
      decode('users', { _id: 'u', orgid: 'o', accesskey: 'k', deleted_at: '2024-01-01T00:00:00Z' }).type,
    ).toBe('left-out');
    expect(decode('users', { _id: 'u', orgid: 'o', accesskey: 'k' })).toMatchObject({
      user: { active: false },
    });
    expect(decode('users', { _id: 'u', orgid: 'o', accesskey: 'k', active: 'yes' })).toMatchObject({
      type: 'problem',
    });
  });

  it('reads who is said to be in a group', () => {
    expect(decode('user_groups', { _id: 'g', user_ids: ['a', 1] })).toEqual({
      type: 'group',
      group: { id: 'g', members: ['a'] },
    });
  });
});

describe('definitions', () => {
  it('gives an API its id, and takes away what stands beside', () => {
    expect(body('apis', { ...api, _id: '66b1a2c3d4e5f60718293a01', oas_doc: null })).toEqual({
      ...api,
      id: '66b1a2c3d4e5f60718293a01',
    });
  });

  it('leaves a body alone that needs nothing', () => {
    const text = '{ "api_id":"a" , "org_id":"org","proxy":{},\n"n":1.50 }';
    const item = decodeRow(
      { table: 'apis', source: 's', fields: Buffer.from('{}'), document: Buffer.from(text) },
      { unescapeDots: false },
    );
    expect(item.type === 'definition' && String(item.definition.body)).toBe(text);
  });

  it('unwraps the form of the dashboard, with its owners and document', () => {
    const wrapped = {
      api_definition: { ...api, is_oas: true },
      oas,
      user_owners: ['u'],
      user_group_owners: ['g'],
    };
    const found = definition('apis', { _id: 'x', api_id: 'orders' }, wrapped);
    expect(found.visibility).toMatchObject({ ownerUsers: ['u'], ownerGroups: ['g'] });
    expect(JSON.parse(String(found.oas))).toEqual(oas);
    const beside = definition(
      'apis',
      { _id: 'x', user_owners: ['v'], oas_doc: JSON.stringify(oas) },
      { ...api, is_oas: true },
    );
    expect(beside.visibility.ownerUsers).toEqual(['v']);
    expect(JSON.parse(String(beside.oas))).toEqual(oas);
  });

  it('takes from the row what the definition does not say', () => {
    expect(body('policies', { _id: '66b1a2c3d4e5f60718293a01', org_id: 'org' }, { name: 'Gold' })).toEqual({
      ...{ _id: '66b1a2c3d4e5f60718293a01', org_id: 'org', name: 'Gold' },
    });
    expect(definition('client_idps', { _id: 'idp', org_id: 'org' }).id).toBe('idp');
  });

  it.each([
    ['apis', { ...api, is_oas: true }, 'oas_doc: expected object, because is_oas is true'],
    [
      'apis',
      { ...api, is_oas: true, oas_doc: { openapi: 3 } },
      'oas_doc.openapi: expected string, received number',
    ],
    ['apis', { ...api, is_oas: true, oas_doc: '{' }, 'oas_doc: not JSON: close brace expected at 1:2'],
    ['policies', { _id: 'gold', org_id: 'org' }, '_id: expected 24 hex digits'],
    ['apis', { api_id: 'a', org_id: 'org', proxy: 1 }, 'proxy: expected object, received number'],
  ] as const)('%s %j: %s', (table, fields, reason) => {
    expect(decode(table, fields)).toEqual({ type: 'problem', reason, organisation: 'org' });
  });
});

describe('escaped dots', () => {
  it('are undone in field names when the option says so, and only there', () => {
    const row = { ...api, is_oas: true, oas_doc: oas };
    expect(JSON.parse(String(definition('apis', row).oas))).toEqual(oas);
    const plain = JSON.parse(String(definition('apis', row, undefined, true).oas)) as typeof oas;
    expect(plain.paths).toEqual({ '/orders.json': { get: { description: 'a \\u002e in a text' } } });
    expect(plain['x-tyk-api-gateway'].middleware.operations).toEqual({
      'read.json': { mockResponse: { enabled: true } },
    });
  });

  it('leave other bytes as they are', () => {
    const text = Buffer.from('{ "a\\\\u002eb" : [ {"c\\\\u002ed": 1.50} , "\\\\u002e" ] }');
    expect(String(unescapeDots(text))).toBe('{ "a.b" : [ {"c.d": 1.50} , "\\\\u002e" ] }');
    const other = Buffer.from('{"a":1}');
    expect(unescapeDots(other)).toBe(other);
  });
});

describe('names of columns', () => {
  const tables = { organisations: '', users: '', user_groups: '', apis: '', policies: '', client_idps: '' };
  it('are read as table.field=column', () => {
    const renamed = renamedColumns({
      tables,
      columns: ['users.access_key=apikey', ' apis.definition = blob '],
    });
    expect(typeof renamed === 'string' ? renamed : renamed.get('users')).toEqual(
      new Map([['apikey', 'access_key']]),
    );
    expect(renamedColumns({ tables, columns: ['nowhere.a=b'] })).toContain('is not of the form');
  });
});
