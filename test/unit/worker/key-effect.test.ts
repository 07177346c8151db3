import { expect, test } from 'vitest';
import { keyEffectOf } from '../../../src/worker/key-effect.js';

const message = (kind: string, event: string, key = '', hashed = false) => ({
  kind: `KEY_EVENT_KIND_${kind}`,
  event,
  key,
  hashed,
});
const digest = 'a'.repeat(64);

test.each([
  ['KEY_CHANGED', 'h1:hashed', 'h1', { fetch: ['apikey-h1'] }],
  ['KEY_REMOVED', 'h1:hashed', 'h1', { drop: ['apikey-h1'] }],
  ['KEY_REMOVED', 'plain', 'plain', { drop: ['apikey-plain'] }],
  ['CERTIFICATE_ADDED', `${digest}:CertificateAdded`, digest, { fetch: [`cert-raw-${digest}`] }],
  ['CERTIFICATE_REMOVED', `${digest}:CertificateRemoved`, digest, { drop: [`cert-raw-${digest}`] }],
  ['OAUTH_CLIENT_UPDATED', 'a.c.o:OauthClientUpdated', '', { fetch: ['oauth-data.a.oauth-clientid.c'] }],
  ['OAUTH_CLIENT_REMOVED', 'a.c.o:OauthClientRemoved', '', { drop: ['oauth-data.a.oauth-clientid.c'] }],
  [
    'OAUTH_TOKENS_REVOKED',
    'a:c:s3cret:revoke_all_tokens',
    '',
    { dropPrefixes: ['oauth-data.a.oauth-access.', 'oauth-data.a.oauth-refresh.'] },
  ],
  ['USER_KEY_RESET', 'old.new:UserKeyReset', '', { newApiKey: { oldKey: 'old', newKey: 'new' } }],
  ['QUOTA_RESET', 'k:resetQuota', 'k', {}],
  ['SOMETHING_NEWER', 'whatever', '', {}],
])('%s %s', (kind, event, key, expected) => {
  const { drop, dropPrefixes, fetch, newApiKey } = keyEffectOf(message(kind, event, key));
  const nothing = { drop: [], dropPrefixes: [], fetch: [], newApiKey: undefined };
  expect({ drop, dropPrefixes, fetch, newApiKey }).toEqual({ ...nothing, ...expected });
});

test('a revoked token is dropped under every name it may be held by', () => {
  const { drop } = keyEffectOf(message('OAUTH_TOKEN_REVOKED', 'tok:api1:oAuthRevokeToken'));
  expect(drop).toContain('apikey-tok');
  expect(drop).toContain('oauth-data.api1.oauth-access.tok');
});

test('no secret of an event reaches what people see', () => {
  expect(keyEffectOf(message('OAUTH_TOKENS_REVOKED', 'a:c:s3cret:revoke_all_tokens')).key).toBe('c');
  expect(keyEffectOf(message('USER_KEY_RESET', 'old.new:UserKeyReset')).key).toBe('');
});
