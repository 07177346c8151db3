import type { KeyEvent } from '../../domain/key-event.js';

/**
 * What the gateways' texts can say. A gateway splits a text at every ':', takes the last part for the action and
 * the first ones for what they are to be, and splits clients and user keys at '.' once more; nothing can be
 * escaped. An id with such a mark in it would be read as something else, in the worst case as somebody else's.
 * Source: worker-rpc reference, 5; TykTechnologies/tyk gateway/rpc_storage_handler.go, ProcessKeySpaceChanges.
 */
export function isSayable(event: KeyEvent): boolean {
  switch (event.kind) {
    case 'key-changed':
    case 'key-removed':
      return event.hashed ? isOnePart(event.key) : isPlainKey(event.key);
    case 'quota-reset':
      return isOnePart(event.key);
    case 'oauth-token-revoked':
      return isOnePart(event.token) && !event.token.includes('#') && isOnePart(event.api);
    case 'oauth-tokens-revoked':
      return isOnePart(event.api) && isOnePart(event.client) && !event.secret.includes(':');
    case 'certificate-added':
    case 'certificate-removed':
      return isOnePart(event.certificate);
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return [event.api, event.client, event.organisation].every((id) => isOnePart(id) && !id.includes('.'));
    case 'api-cache-flushed':
    case 'jwks-cache-flushed':
      return isOnePart(event.api);
    case 'user-key-reset':
      return [event.oldKey, event.newKey].every((key) => isOnePart(key) && !key.includes('.'));
  }
}

/**
 * What comes nearest to an event that cannot be said, and takes away no less where something can be found. The
 * session of a token is one that a key's own event removes; the answers that were cached for a client that is gone
 * are those of its API. For the rest there is nothing.
 */
export function nearestSayable(event: KeyEvent): readonly KeyEvent[] {
  switch (event.kind) {
    case 'oauth-token-revoked':
      return [
        { kind: 'key-removed', key: event.token, hashed: event.hashed } as const,
        { kind: 'api-cache-flushed', api: event.api } as const,
      ].filter(isSayable);
    case 'oauth-tokens-revoked':
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return [{ kind: 'api-cache-flushed', api: event.api } as const].filter(isSayable);
    default:
      return [];
  }
}

const actions: ReadonlySet<string> = new Set([
  'resetQuota',
  'CertificateAdded',
  'CertificateRemoved',
  'oAuthRevokeToken',
  'oAuthRevokeAccessToken',
  'oAuthRevokeRefreshToken',
  'revoke_all_tokens',
  'OauthClientAdded',
  'OauthClientUpdated',
  'OauthClientRemoved',
  'DeleteAPICache',
  'InvalidateJWKSCacheForAPI',
  'UserKeyReset',
]);

function isOnePart(id: string): boolean {
  return id !== '' && !id.includes(':');
}

/** A text whose last part is no action is a key as it stands, unless its second part says that it is a hash. */
function isPlainKey(key: string): boolean {
  const parts = key.split(':');
  return key !== '' && (parts.length === 1 || (parts[1] !== 'hashed' && !actions.has(parts.at(-1) ?? '')));
}
