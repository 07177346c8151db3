import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readKeyspaceNotification } from '../../../src/stores/redis/keyspace-notification.js';
import { readKeyspaceOperation } from '../../../src/stores/redis/keyspace-operation.js';
import { type NotificationSettings, readNotification } from '../../../src/stores/redis/notification.js';

const open: NotificationSettings = { nodeSecret: '' };
const message = (command: string, payload = '', more: object = {}) =>
  JSON.stringify({ command, payload, signature: '', algorithm: 5, ...more });
const signed = (command: string, payload: string, secret: string) =>
  message(command, payload, {
    signature: createHash('sha256').update(`${command}${payload}${secret}`).digest('hex'),
  });
const eventsOf = (text: string, settings = open) => {
  const reading = readNotification(text, settings);
  return 'signals' in reading ? reading.signals : reading.nothing;
};
const key = (event: object) => ({ type: 'key', event, organisation: undefined });

describe('tyk.cluster.notifications', () => {
  it.each(['ApiUpdated', 'ApiAdded', 'ApiRemoved', 'PolicyChanged', 'GroupReload', 'ClientIdPChanged'])(
    'is a reason to read the catalog: %s',
    (command) => {
      expect(eventsOf(message(command))).toEqual([{ type: 'catalog', reason: command }]);
      expect(eventsOf(message(command, 'anything at all'))).toHaveLength(1);
    },
  );

  it('names keys as gateways of the control plane and workers do', () => {
    const payload = 'ef13efcd, raw-key,0123abcd:hashed,token:api1:oAuthRevokeToken,,api:CertificateAdded';
    expect(eventsOf(message('KeySpaceUpdateNotification', payload))).toEqual([
      key({ kind: 'key-changed', key: 'ef13efcd', hashed: true }),
      key({ kind: 'key-changed', key: 'raw-key', hashed: false }),
      key({ kind: 'key-changed', key: '0123abcd', hashed: true }),
      key({ kind: 'oauth-token-revoked', token: 'token', hashed: false, api: 'api1', scope: 'both' }),
      key({ kind: 'certificate-added', certificate: 'api' }),
    ]);
  });

  it('flushes caches and resets user keys', () => {
    const flushed = [key({ kind: 'api-cache-flushed', api: 'a1' })];
    expect(eventsOf(message('DeleteAPICache', 'a1'))).toEqual(flushed);
    expect(eventsOf(message('DeleteAPICache', 'a1:DeleteAPICache'))).toEqual(flushed);
    expect(eventsOf(message('DeleteAPICache', ''))).toEqual([]);
    expect(eventsOf(message('InvalidateJWKSCacheForAPI', 'a1'))).toEqual([
      key({ kind: 'jwks-cache-flushed', api: 'a1' }),
    ]);
    expect(eventsOf(message('UserKeyReset', 'old.new:UserKeyReset'))).toEqual([
      key({ kind: 'user-key-reset', oldKey: 'old', newKey: 'new' }),
    ]);
    expect(eventsOf(message('UserKeyReset', 'not-an-event'))).toEqual([]);
  });

  it.each([
    'NoticeGatewayDRLNotification',
    'NoticeConfigUpdated',
    'NoticeDashboardZeroConf',
    'NoticeGatewayLENotification',
    'OAuthPurgeLapsedTokens',
  ])('ignores %s, whatever stands first', (command) => {
    expect(eventsOf(message(command, '{}'))).toBe('ignored');
    expect(eventsOf(JSON.stringify({ payload: '{}', command }))).toBe('ignored');
  });

  it('is believed only when it is signed, where there is a secret', () => {
    const strict = { ...open, nodeSecret: 'node-secret' };
    const good = signed('KeySpaceUpdateNotification', 'ef13efcd', 'node-secret');
    expect(eventsOf(good, strict)).toHaveLength(1);
    const wrong = [
      signed('KeySpaceUpdateNotification', 'ef13efcd', 'other-secret'),
      message('KeySpaceUpdateNotification', 'ef13efcd'),
      good.replace('ef13efcd', 'ef13efce'),
      good.replace('"algorithm":5', '"algorithm":4'),
      good.replace('"algorithm":5', '"algorithm":"5"'),
      message('GroupReload'),
    ];
    for (const text of wrong) expect(eventsOf(text, strict)).toBe('refused');
  });

  it('survives anything', () => {
    for (const text of [
      '',
      'null',
      '[]',
      '1',
      '{"command":1}',
      '{"command":"ApiUpdated","payload":{}}',
      '{',
    ]) {
      expect(eventsOf(text)).toBe('malformed');
    }
    expect(eventsOf(message('SomethingNew'))).toBe('unknown');
    fc.assert(fc.property(fc.string(), (text) => void readNotification(text, open)));
    fc.assert(fc.property(fc.json(), (text) => void readNotification(text, open)));
  });
});

describe('tyk.cluster.keyspace.ops', () => {
  const changed = {
    type: 'key',
    event: { kind: 'key-changed', key: 'ef13efcd', hashed: true },
    organisation: 'org1',
  };

  it.each<[string, unknown, unknown]>([
    ['a pair', ['hashed_key_event.update', { Key: 'ef13efcd', Org: 'org1', hashed: '1' }], changed],
    [
      'an object',
      { event: 'hashed_key_event.created', data: { key: 'ef13efcd', org: 'org1', hashed: 1 } },
      changed,
    ],
    [
      'nested',
      { EventName: 'key_event.updated', Meta: { a: [{ KEY: 'ef13efcd', org_id: 'org1', Hashed: true }] } },
      changed,
    ],
    [
      'a removal',
      ['key_event.deleted', { Key: 'k' }],
      { type: 'key', event: { kind: 'key-removed', key: 'k', hashed: false }, organisation: undefined },
    ],
  ])('is read as %s', (_form, content, expected) => {
    expect(readKeyspaceOperation(JSON.stringify(content))).toEqual(expected);
  });

  it('is left alone when it cannot be read', () => {
    const unread = [
      '',
      '{',
      'null',
      '{"event":"key_event.update"}',
      '["other.update",{"Key":"k"}]',
      '{"Key":"k"}',
    ];
    for (const text of unread) expect(readKeyspaceOperation(text)).toBeUndefined();
    expect(readKeyspaceOperation(`${'['.repeat(5_000)}${']'.repeat(5_000)}`)).toBeUndefined();
    fc.assert(fc.property(fc.json(), (text) => void readKeyspaceOperation(text)));
  });
});

describe('notifications of the server', () => {
  const api = 'oauth-data.a1';
  it.each<[string, string, unknown]>([
    ['set', 'apikey-ef13efcd', { kind: 'key-changed', key: 'ef13efcd', hashed: true }],
    ['del', 'apikey-ef13efcd', { kind: 'key-removed', key: 'ef13efcd', hashed: true }],
    ['expired', 'apikey-raw', { kind: 'key-removed', key: 'raw', hashed: false }],
    ['set', `cert-raw-${'a'.repeat(64)}`, { kind: 'certificate-added', certificate: 'a'.repeat(64) }],
    ['del', `cert-raw-${'a'.repeat(64)}`, { kind: 'certificate-removed', certificate: 'a'.repeat(64) }],
    [
      'set',
      `${api}.oauth-clientid.c`,
      { kind: 'oauth-client-updated', api: 'a1', client: 'c', organisation: '' },
    ],
    [
      'del',
      `${api}.oauth-clientid.c`,
      { kind: 'oauth-client-removed', api: 'a1', client: 'c', organisation: '' },
    ],
    [
      'del',
      `${api}.oauth-access.t`,
      { kind: 'oauth-token-revoked', token: 't', hashed: false, api: 'a1', scope: 'access' },
    ],
  ])('tell of %s %s', (happened, name, event) => {
    expect(readKeyspaceNotification(`__keyevent@0__:${happened}`, name)).toEqual(key(event as object));
  });

  it.each([
    'quota-ef13efcd',
    'rate-limit-x',
    'analytics-x',
    `${api}.oauth-client-index.o`,
    'cert-x-index',
    '',
  ])('say nothing about %s', (name) => {
    expect(readKeyspaceNotification('__keyevent@0__:set', name)).toBeUndefined();
  });
  it('leave tokens that run out to the workers', () => {
    expect(readKeyspaceNotification('__keyevent@0__:expired', `${api}.oauth-access.t`)).toBeUndefined();
    expect(readKeyspaceNotification('__keyevent@0__:set', `${api}.oauth-access.t`)).toBeUndefined();
  });
});
