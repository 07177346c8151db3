import { describe, expect, it } from 'vitest';
import { decodeFile, type FileItem } from '../../../src/stores/folder/decode-file.js';

const classic = { api_id: 'orders', org_id: 'org', name: 'Orders', proxy: { listen_path: '/orders/' } };
const document = {
  openapi: '3.0.3',
  info: { title: 'Orders', version: '1' },
  paths: {},
  'x-tyk-api-gateway': {
    info: { name: 'Orders', state: { active: true } },
    upstream: { url: 'http://127.0.0.1' },
    server: { listenPath: { value: '/orders/' } },
  },
};
const policy = {
  _id: '66b1a2c3d4e5f60718293a01',
  id: 'gold',
  org_id: 'org',
  name: 'Gold',
  access_rights: {},
};

function decode(source: string, content: unknown): FileItem {
  return decodeFile(source, Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)));
}

function reasonOf(source: string, content: unknown): string | undefined {
  const item = decode(source, content);
  return item.type === 'problem' ? item.reason : undefined;
}

describe('text', () => {
  it.each([
    ['', 'the file is empty'],
    [' \n', 'the file is empty'],
    ['{"a":1,\n  "b" 2}', 'not JSON: colon expected at 2:7'],
    ['{"a":1', 'not JSON: close brace expected at 1:7'],
    ['{"a":1} x', 'not JSON: invalid symbol at 1:9'],
    ['{"a":1,}', 'not JSON: property name expected at 1:8'],
    ['// no\n{}', 'not JSON: invalid comment token at 1:1'],
    ['[]', 'the file must hold one JSON object'],
    ['null', 'the file must hold one JSON object'],
    ['7', 'the file must hold one JSON object'],
  ])('%j: %s', (text, reason) => {
    expect(reasonOf('apis/a.json', text)).toBe(reason);
  });

  it('never repeats content', () => {
    expect(reasonOf('users/a.json', '{"access_key": secret-value}')).not.toContain('secret');
  });

  it('refuses other encodings and drops a byte order mark', () => {
    expect(decodeFile('apis/a.json', Buffer.from([0x7b, 0xff, 0x7d]))).toMatchObject({
      reason: 'not UTF-8 text',
    });
    const text = JSON.stringify(classic);
    const item = decode('apis/a.json', `\uFEFF${text}`);
    expect(item.type === 'definition' && item.definition.body.toString()).toBe(text);
  });
});

describe('APIs', () => {
  it('pass through byte for byte', () => {
    const text = `\n{ "api_id":"orders","org_id":"org","proxy":{},"new_field":9007199254740993, "tags":["eu"],
      "tags_disabled":true,"user_owners":["u"],"user_group_owners":["g"]}\n`;
    const item = decode('apis/orders.json', text);
    expect(item).toMatchObject({
      type: 'definition',
      awaitsOas: false,
      definition: {
        kind: 'api',
        id: 'orders',
        organisation: 'org',
        name: '',
        form: 'plain',
        oas: undefined,
        source: 'apis/orders.json',
        visibility: { tags: ['eu'], tagsDisabled: true, ownerUsers: ['u'], ownerGroups: ['g'] },
      },
    });
    expect(item.type === 'definition' && item.definition.body.toString()).toBe(text);
  });

  it('take null wherever a gateway does', () => {
    expect(
      decode('apis/a.json', {
        ...classic,
        tags: null,
        name: null,
        version_data: null,
        is_oas: null,
        id: null,
      }).type,
    ).toBe('definition');
  });

  it.each([
    [{ ...classic, api_id: undefined }, 'api_id: expected string'],
    [{ ...classic, api_id: '' }, 'api_id: expected a text that is not empty'],
    [{ ...classic, org_id: 7 }, 'org_id: expected string, received number'],
    [{ ...classic, proxy: 'x' }, 'proxy: expected object, received string'],
    [
      { ...classic, listen_port: 8080.5 },
      'listen_port: expected a whole number of 64 bits, received another number',
    ],
    [{ ...classic, VERSION_DATA: 5 }, 'VERSION_DATA: expected object, received number'],
    [{ ...classic, proxy: { listen_path: 1 } }, 'proxy.listen_path: expected string, received number'],
    [{ ...classic, id: 'abc' }, 'id: expected 24 hex digits'],
    [{ ...classic, tags: 'eu' }, 'tags: expected array, received string'],
    [{ ...classic, version_data: [] }, 'version_data: expected object, received array'],
    [
      { ...classic, version_data: { versions: { v1: 'x' } } },
      'version_data.versions.v1: expected object, received string',
    ],
    [{ ...classic, active: 'yes' }, 'active: expected boolean, received string'],
    [document, 'an OpenAPI document belongs in a-oas.json, beside its classic definition in a.json'],
    [{ api_definition: 1 }, 'api_definition: expected object'],
    [
      { api_definition: { ...classic, api_id: 1 } },
      'api_definition.api_id: expected string, received number',
    ],
    [
      { api_definition: { ...classic, is_oas: true }, oas: null },
      'oas: expected object, because api_definition.is_oas is true',
    ],
    [
      { api_definition: { ...classic, is_oas: true }, oas: { openapi: '3.0.3', info: 5 } },
      'oas.info: expected object, received number',
    ],
  ])('are refused by field: case %#', (content, reason) => {
    expect(reasonOf('apis/a.json', content)).toBe(reason);
  });

  it('await their document when it stands beside', () => {
    expect(decode('apis/a.json', { ...classic, is_oas: true })).toMatchObject({ awaitsOas: true });
    expect(decode('apis/a.json', { api_definition: { ...classic, is_oas: true } })).toMatchObject({
      awaitsOas: true,
    });
    expect(decode('apis/a-oas.json', document)).toMatchObject({ type: 'oas' });
    expect(reasonOf('apis/a-oas.json', { openapi: '3.0.3', info: {}, 'x-tyk-api-gateway': 'x' })).toBe(
      'x-tyk-api-gateway: expected object, received string',
    );
  });

  it('in merged form are cut out exactly', () => {
    const api =
      '{ "api_id":"orders", "org_id":"org", "is_oas":true,"proxy":{}, "text":"é\\u00e9 \\"}", "n":1e2 }';
    const oas = `{ "openapi":"3.0.3", "info":{}, "x-tyk-api-gateway":{"info":{},"upstream":{},"server":{"listenPath":{}}},"ü":[ ] }`;
    const item = decode(
      'apis/a.json',
      `{"api_model":{}, "user_owners":["u"], "oas": ${oas} ,"api_definition" : ${api}}`,
    );
    if (item.type !== 'definition') throw new Error(JSON.stringify(item));
    expect(item.awaitsOas).toBe(false);
    expect(item.definition.body.toString()).toBe(api);
    expect(item.definition.oas?.toString()).toBe(oas);
    expect(item.definition.visibility.ownerUsers).toEqual(['u']);
  });
});

describe('policies, identity providers and people', () => {
  it('are read', () => {
    expect(decode('policies/gold.json', policy)).toMatchObject({
      definition: { kind: 'policy', id: policy._id },
    });
    const idp = { client_idp_id: 'idp', org_id: 'org', name: 'IdP', tags: ['eu'], api_mappings: { a: 1 } };
    expect(reasonOf('client-idps/idp.json', idp)).toBe('api_mappings.a: expected object, received number');
    expect(
      decode('client-idps/idp.json', { ...idp, api_mappings: { a: { scope_to_policy: { read: 'p' } } } }),
    ).toMatchObject({
      definition: { kind: 'client-idp', id: 'idp', visibility: { tags: ['eu'] } },
    });
    expect(decode('organisations/a.json', { id: 'org', owner_name: 'A', hybrid_enabled: true })).toEqual({
      type: 'organisation',
      organisation: { id: 'org', name: 'A', hybridEnabled: true },
    });
    const user = {
      _id: 'u',
      org_id: 'org',
      email_address: 'a@b',
      access_key: 'k',
      active: true,
      user_group_ids: ['g'],
    };
    expect(decode('users/a.json', user)).toEqual({
      type: 'user',
      user: {
        id: 'u',
        organisation: 'org',
        emailAddress: 'a@b',
        accessKey: 'k',
        active: true,
        groups: ['g'],
      },
    });
  });

  it.each([
    ['policies/a.json', { ...policy, _id: 'abc' }, '_id: expected 24 hex digits'],
    [
      'policies/a.json',
      { ...policy, _id: undefined, id: '' },
      '_id: expected 24 hex digits, or a text that is not empty in id',
    ],
    ['policies/a.json', { ...policy, access_rights: [] }, 'access_rights: expected object, received array'],
    [
      'policies/a.json',
      { ...policy, quota_max: 1.5 },
      'quota_max: expected a whole number of 64 bits, received another number',
    ],
    ['client-idps/a.json', { org_id: 'org' }, 'client_idp_id: expected string'],
    ['organisations/a.json', {}, 'id: expected string'],
    [
      'users/a.json',
      { org_id: 'org', access_key: 'k', active: true },
      'id: expected a text that is not empty',
    ],
    [
      'users/a.json',
      { id: 'u', org_id: 'org', access_key: '', active: true },
      'access_key: expected a text that is not empty',
    ],
    ['users/a.json', { id: 'u', org_id: 'org', access_key: 'k' }, 'active: expected boolean'],
  ])('are refused by field: %s %#', (source, content, reason) => {
    expect(reasonOf(source, content)).toBe(reason);
  });
});
