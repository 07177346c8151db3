import { expect, test } from 'vitest';
import { type GatewayEra, unknownEra } from '../../../../src/domain/gateway-era.js';
import type { KeyEvent } from '../../../../src/domain/key-event.js';
import { eraAfter, eraOfVersion, keysValuesPairName } from '../../../../src/transport/gorpc/client-era.js';
import { keyEventTexts } from '../../../../src/transport/gorpc/key-event-texts.js';

function after(...requests: readonly [typeName: string, ...fieldNames: string[]][]): GatewayEra {
  return requests.reduce<GatewayEra>(
    (era, [typeName, ...fieldNames]) =>
      eraAfter(era, { id: 1, method: '.M', argument: undefined, typeName, fieldNames }),
    unknownEra,
  );
}

const last = Number.MAX_SAFE_INTEGER;

test.each<[string, GatewayEra, GatewayEra['oldest'], GatewayEra['newest']]>([
  ['nothing', after(['string'], ['[]string']), undefined, undefined],
  ['an odd package', after(['*x.DefRequest', 'OrgId']), undefined, undefined],
  ['a pump', after(['*pumps.GroupLoginRequest', 'UserKey', 'GroupID']), undefined, undefined],
  ['package main', after(['*main.InboundData', 'KeyName']), undefined, [2, 8, last]],
  ['package apidef', after(['*apidef.InboundData', 'KeyName']), [2, 9, 0], undefined],
  ['DefRequest of 4.0', after(['*apidef.DefRequest', 'OrgId', 'Tags']), [2, 9, 0], [4, 0, last]],
  ['DefRequest', after(['*apidef.DefRequest', 'OrgId', 'Tags', 'LoadOAS']), [4, 1, 0], undefined],
  ['login before 4.3.2', after(['*apidef.GroupLoginRequest', 'UserKey', 'GroupID']), [2, 9, 0], [4, 3, 1]],
  ['login of 4.3.2', after(['*apidef.GroupLoginRequest', 'ForceSync']), [4, 3, 2], [5, 1, last]],
  ['login of 5.2', after(['*apidef.GroupLoginRequest', 'ForceSync', 'Node']), [5, 2, 0], undefined],
  [
    'a login and a request',
    after(['*apidef.GroupLoginRequest', 'UserKey'], ['*apidef.DefRequest', 'OrgId', 'LoadOAS']),
    [4, 1, 0],
    [4, 3, 1],
  ],
])('what %s tells', (_, era, oldest, newest) => {
  expect(era).toEqual({ oldest, newest });
});

test('a version counts more than types, nonsense counts nothing', () => {
  const era = after(['*apidef.GroupLoginRequest', 'Node']);
  expect(eraOfVersion(era, 'v5.3.0')).toEqual({ oldest: [5, 3, 0], newest: [5, 3, 0] });
  expect(eraOfVersion(era, '-')).toBe(era);
});

test('pairs go under the name of the package that the gateway has', () => {
  expect(keysValuesPairName(unknownEra)).toBe('*apidef.KeysValuesPair');
  expect(keysValuesPairName(after(['*apidef.InboundData']))).toBe('*apidef.KeysValuesPair');
  expect(keysValuesPairName(after(['*main.DefRequest', 'OrgId']))).toBe('*main.KeysValuesPair');
});

const texts = (era: GatewayEra, ...events: readonly KeyEvent[]) =>
  keyEventTexts(
    events.map((event) => ({ event })),
    era,
  ).texts;
const reset: KeyEvent = { kind: 'quota-reset', key: 'k', hashed: true };
const rawReset: KeyEvent = { kind: 'quota-reset', key: 'raw', hashed: false };
const changed: KeyEvent = { kind: 'key-changed', key: 'k', hashed: true };

test('a quota reset goes together with the event of its key', () => {
  const now = eraOfVersion(unknownEra, 'v5.8.0');
  const old = eraOfVersion(unknownEra, 'v4.0.0');
  expect(texts(now, reset)).toEqual(['k:hashed:resetQuota']);
  expect(texts(now, rawReset)).toEqual(['raw', 'raw:resetQuota']);
  expect(texts(old, reset)).toEqual(['k:hashed', 'k:resetQuota']);
  expect(texts(unknownEra, changed, reset)).toEqual(['k:hashed', 'k:resetQuota']);
});

test('a gateway hears of nothing that it does not know', () => {
  const certificate: KeyEvent = { kind: 'certificate-removed', certificate: 'c' };
  expect(texts(eraOfVersion(unknownEra, 'v4.0.0'), certificate, changed)).toEqual(['k:hashed']);
  expect(texts(eraOfVersion(unknownEra, 'v4.1.0'), certificate, changed)).toEqual([
    'c:CertificateRemoved',
    'k:hashed',
  ]);
});
