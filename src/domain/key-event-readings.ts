import { type KeyEvent, parseKeyEvent } from './key-event.js';
import { limits } from './limits.js';

/**
 * Everything that a text of the field can mean. Its grammar has no way to escape ':' and '.', and ids have no
 * alphabet: `first-api.sample-ns.c1.org:OauthClientRemoved` is about one of three clients. Which of them there is
 * only the catalog and the key store can tell. Likeliest first; at most `keyReadingsMax`, and never none.
 */
export function keyEventReadings(text: string): readonly KeyEvent[] {
  const readings = new Map<string, KeyEvent>();
  const parsed = parseKeyEvent(text);
  if (parsed !== undefined) readings.set(JSON.stringify(parsed), parsed);
  const parts = text.split(':');
  const action = parts.pop() ?? '';
  const head = parts.join(':');
  for (const event of otherReadings(head, action)) {
    if (readings.size >= limits.keyReadingsMax) break;
    readings.set(JSON.stringify(event), event);
  }
  // A key may be called anything, also like an event with parts missing.
  if (readings.size === 0 && text !== '') return [{ kind: 'key-changed', key: text, hashed: false }];
  return [...readings.values()];
}

const scopes = {
  oAuthRevokeToken: 'both',
  oAuthRevokeAccessToken: 'access',
  oAuthRevokeRefreshToken: 'refresh',
} as const;

const clientKinds = {
  OauthClientAdded: 'oauth-client-added',
  OauthClientUpdated: 'oauth-client-updated',
  OauthClientRemoved: 'oauth-client-removed',
} as const;

function* otherReadings(head: string, action: string): Generator<KeyEvent, void> {
  if (Object.hasOwn(scopes, action)) {
    const scope = scopes[action as keyof typeof scopes];
    for (const [named, api] of cuts(head, ':')) {
      const hashed = named.endsWith('#hashed');
      const token = hashed ? named.slice(0, -'#hashed'.length) : named;
      if (token !== '') yield { kind: 'oauth-token-revoked', token, hashed, api, scope };
    }
  } else if (action === 'revoke_all_tokens') {
    for (const [api, rest] of cuts(head, ':')) {
      for (const [client, secret] of cuts(rest, ':'))
        yield { kind: 'oauth-tokens-revoked', api, client, secret };
    }
  } else if (Object.hasOwn(clientKinds, action)) {
    const kind = clientKinds[action as keyof typeof clientKinds];
    for (const [api, rest] of cuts(head, '.')) {
      for (const [client, organisation] of cuts(rest, '.')) yield { kind, api, client, organisation };
    }
  } else if (action === 'UserKeyReset') {
    for (const [oldKey, newKey] of cuts(head, '.')) yield { kind: 'user-key-reset', oldKey, newKey };
  } else if (action === 'CertificateAdded' || action === 'CertificateRemoved') {
    const kind = action === 'CertificateAdded' ? 'certificate-added' : 'certificate-removed';
    if (head !== '') yield { kind, certificate: head };
  } else if (action === 'DeleteAPICache') {
    if (head !== '') yield { kind: 'api-cache-flushed', api: head };
  } else if (action === 'InvalidateJWKSCacheForAPI') {
    if (head !== '') yield { kind: 'jwks-cache-flushed', api: head };
  }
}

/** The text cut in two at each of the marks; neither half is empty. */
function* cuts(text: string, mark: string): Generator<readonly [string, string], void> {
  for (let at = text.indexOf(mark, 1); at !== -1; at = text.indexOf(mark, at + 1)) {
    if (at + 1 < text.length) yield [text.slice(0, at), text.slice(at + 1)];
  }
}
