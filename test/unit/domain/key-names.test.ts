import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyEvent } from '../../../src/domain/key-event.js';
import { hashKey } from '../../../src/domain/key-hash.js';
import { namesOfEvent, parseKeyName, sessionNamesOf } from '../../../src/domain/key-names.js';
import { organisationOfRawKey, readTokenField } from '../../../src/domain/key-token.js';

const org = '5e9d9544a1dcd60001d0ed20';
const digest = 'ab'.repeat(32);

const oauth = (...readings: readonly (readonly [api: string, item: string, id: string])[]) => ({
  kind: 'oauth',
  readings: readings.map(([api, item, id]) => ({ api, item, id })),
});

describe('parseKeyName', () => {
  it.each([
    ['apikey-abc', { kind: 'session', id: 'abc' }],
    ['apikey-apikey-abc', { kind: 'session', id: 'apikey-abc' }],
    [`orgkey.${org}`, { kind: 'organisation-session', organisation: org }],
    [`cert-raw-${org}${digest}`, { kind: 'certificate', id: org + digest, organisation: org }],
    [`cert-raw-acme${digest}`, { kind: 'certificate', id: `acme${digest}`, organisation: 'acme' }],
    [`cert-raw-${digest}`, { kind: 'certificate', id: digest, organisation: undefined }],
    [`cert-raw-${org}-x`, { kind: 'certificate', id: `${org}-x`, organisation: org }],
    ['oauth-data.api1.oauth-clientid.c.1', oauth(['api1', 'clientid', 'c.1'])],
    ['oauth-data.api1.oauth-access.t', oauth(['api1', 'access', 't'])],
    ['oauth-data.api1.oauth-refresh.t', oauth(['api1', 'refresh', 't'])],
    ['oauth-data.api1.oauth-authorize.t', oauth(['api1', 'authorize', 't'])],
    ['oauth-data.first-api.sample-ns.oauth-clientid.c1', oauth(['first-api.sample-ns', 'clientid', 'c1'])],
    [
      'oauth-data.a.oauth-clientid.b.oauth-access.c',
      oauth(['a', 'clientid', 'b.oauth-access.c'], ['a.oauth-clientid.b', 'access', 'c']),
    ],
    [`oauth-data.a${'.oauth-access.b'.repeat(100)}`, { kind: 'unreadable' }],
    ['quota-abc', { kind: 'counter', counter: 'quota', subject: 'abc' }],
    ['rate-limit-a-b.BLOCKED', { kind: 'counter', counter: 'rate-limit', subject: 'a-b.BLOCKED' }],
    ['some-user', { kind: 'bare', id: 'some-user' }],
    ['', { kind: 'unreadable' }],
    ['apikey-', { kind: 'unreadable' }],
    ['orgkey.', { kind: 'unreadable' }],
    ['quota-', { kind: 'unreadable' }],
    ['cert-raw-', { kind: 'unreadable' }],
    ['cert-raw-short', { kind: 'unreadable' }],
    [`cert-raw-${org}`, { kind: 'unreadable' }],
    [`cert-${org}-index`, { kind: 'unreadable' }],
    [`oauth-data.api1.oauth-client-index.${org}`, { kind: 'unreadable' }],
    ['oauth-data.api1.oauth-clientset.oauth-clientid.', { kind: 'unreadable' }],
    ['oauth-data.api1.oauth-client-tokens.c', { kind: 'unreadable' }],
    ['oauth-data..oauth-clientid.c', { kind: 'unreadable' }],
    ['analytics-tyk-system-analytics', { kind: 'unreadable' }],
  ])('reads %s', (name, expected) => {
    expect(parseKeyName(name)).toEqual(expected);
  });

  it('takes anything', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => void parseKeyName(name)));
  });
});

describe('what a raw key says', () => {
  const tokenOf = (text: string) => Buffer.from(text).toString('base64');

  it.each([
    [tokenOf(`{"org":"${org}","id":"abc","h":"murmur64"}`), org],
    [tokenOf('{"org":"acme","id":"abc","h":"murmur64"}'), 'acme'],
    [`${org}0123456789abcdef0123456789abcdef`, org],
    [`${org}-custom`, org],
    [org, undefined],
    ['short', undefined],
    ['eyAnotATokenButLongEnough', undefined],
    [tokenOf('{"id":"abc"}'), undefined],
    [tokenOf('{"org":7}'), undefined],
    [tokenOf('{"org":""}'), undefined],
    [tokenOf('{"org":"a'), undefined],
  ])('%s', (key, expected) => {
    expect(organisationOfRawKey(key)).toBe(expected);
  });

  it('does not decode what is only nearly base64', () => {
    const token = tokenOf('{"org":"acme"}');
    expect(readTokenField(token, 'org')).toBe('acme');
    expect(readTokenField(`${token}!`, 'org')).toBeUndefined();
    expect(readTokenField(token.slice(0, -1), 'org')).toBeUndefined();
  });
});

describe('sessionNamesOf', () => {
  it('adds the hashed name where keys are hashed, also when the name looks like a hash', () => {
    expect(sessionNamesOf('hello', false)).toEqual(['apikey-hello']);
    expect(sessionNamesOf('hello', true)).toEqual(['apikey-hello', 'apikey-ef13efcd']);
    expect(sessionNamesOf('ef13efcd', true)).toEqual(['apikey-ef13efcd', `apikey-${hashKey('ef13efcd')}`]);
  });
});

describe('namesOfEvent', () => {
  it.each<[KeyEvent, string[]]>([
    [{ kind: 'key-changed', key: 'ef13efcd', hashed: true }, ['apikey-ef13efcd']],
    [{ kind: 'key-removed', key: 'hello', hashed: false }, ['apikey-hello', 'apikey-ef13efcd']],
    [{ kind: 'certificate-added', certificate: digest }, [`cert-raw-${digest}`]],
    [
      { kind: 'oauth-client-updated', api: 'a', client: 'c', organisation: org },
      ['oauth-data.a.oauth-clientid.c'],
    ],
    [
      { kind: 'oauth-token-revoked', token: 'ef13efcd', hashed: true, api: 'a', scope: 'both' },
      ['apikey-ef13efcd', 'oauth-data.a.oauth-access.ef13efcd', 'oauth-data.a.oauth-refresh.ef13efcd'],
    ],
    [{ kind: 'api-cache-flushed', api: 'a' }, []],
  ])('%j', (event, names) => {
    expect(namesOfEvent(event, true)).toEqual(names);
  });
});
