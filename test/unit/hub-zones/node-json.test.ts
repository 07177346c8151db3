import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeId, organisationId, zoneId } from '../../../src/domain/identifiers.js';
import { readNodeJson } from '../../../src/hub/zones/node-json.js';

const context = {
  organisation: organisationId('acme'),
  zone: zoneId('east'),
  fallbackNode: nodeId('connection-7'),
  obfuscate: (key: string) => `****${key.slice(-4)}`,
};
const read = (value: unknown) => readNodeJson(Buffer.from(JSON.stringify(value)), context);

const full = {
  node_id: 'solo-1',
  api_key: 'secret-key-1234',
  group_id: 'somewhere-else',
  node_version: 'v5.12.0',
  ttl: 10,
  tags: ['eu', 'edge'],
  node_is_segmented: true,
  health: {
    redis: {
      status: 'pass',
      output: '',
      componentType: 'datastore',
      componentId: '',
      time: '2026-01-01T00:00:00Z',
    },
    rpc: { status: 'fail', componentType: 'system', time: '2026-01-01T00:00:01Z' },
  },
  stats: {
    apis_count: 3,
    policies_count: 2,
    loaded_apis: [{ api_id: 'a1' }, { api_id: 'a2' }],
    loaded_policies: [{ policy_id: 'p1' }],
  },
  host_details: { Hostname: 'gw-1', PID: 42, Address: '10.0.0.9' },
};

const empty = {
  protocol: 'gorpc',
  organisation: 'acme',
  zone: 'east',
  node: 'connection-7',
  version: '',
  tags: [],
  segmented: false,
  apiKeyShown: '',
  ttlSeconds: 10,
  host: { hostname: '', pid: 0, address: '' },
  health: {},
  stats: { apisCount: 0, policiesCount: 0 },
};

describe('readNodeJson', () => {
  it('reads what a gateway says, and takes organisation and zone from the login', () => {
    expect(read(full)).toEqual({
      protocol: 'gorpc',
      organisation: 'acme',
      zone: 'east',
      node: 'solo-1',
      version: 'v5.12.0',
      tags: ['eu', 'edge'],
      segmented: true,
      apiKeyShown: '****1234',
      ttlSeconds: 10,
      host: { hostname: 'gw-1', pid: 42, address: '10.0.0.9' },
      health: {
        redis: { status: 'pass', componentType: 'datastore', time: '2026-01-01T00:00:00Z' },
        rpc: { status: 'fail', componentType: 'system', time: '2026-01-01T00:00:01Z' },
      },
      stats: { apisCount: 3, policiesCount: 2, loadedApis: ['a1', 'a2'], loadedPolicies: ['p1'] },
    });
  });

  it('never holds the key', () => {
    expect(JSON.stringify(read(full))).not.toContain('secret-key');
  });

  it.each([
    [10, 10],
    [10_000_000_000, 10],
    [0, 10],
    [-5, 10],
    ['10', 10],
    [null, 10],
    [0.2, 1],
    [90, 90],
    [999_999, 3_600],
  ])('takes a ttl of %j as %d s', (ttl, expected) => {
    expect(read({ ttl }).ttlSeconds).toBe(expected);
  });

  it.each([undefined, Buffer.alloc(0), Buffer.from('null'), Buffer.from('{'), Buffer.from([0xff, 0xfe])])(
    'makes do with nothing: %s',
    (bytes) => {
      expect(readNodeJson(bytes, context)).toEqual(empty);
    },
  );

  it('takes the good fields of a bad object', () => {
    const bad = {
      ...full,
      tags: null,
      health: [],
      stats: { apis_count: 'many', loaded_apis: [null, { api_id: 5 }, { api_id: 'a' }] },
      host_details: 'x',
    };
    expect(read(bad)).toMatchObject({
      node: 'solo-1',
      tags: [],
      health: {},
      stats: { apisCount: 0, policiesCount: 0, loadedApis: ['a'] },
      host: { hostname: '', pid: 0, address: '' },
    });
  });

  it('does not read too much', () => {
    expect(read({ ...full, api_name: 'x'.repeat(2 * 1024 * 1024) })).toEqual(empty);
    expect(read({ node_version: 'v'.repeat(1_000) }).version).toHaveLength(256);
  });

  it('never fails', () => {
    const fields = Object.fromEntries(
      Object.keys(full).map((name) => [name, fc.option(fc.jsonValue(), { nil: undefined })]),
    );
    fc.assert(fc.property(fc.record(fields), (value) => void read(value)));
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void readNodeJson(bytes, context)));
    fc.assert(fc.property(fc.jsonValue(), (value) => void read(value)));
  });
});
