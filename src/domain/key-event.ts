/**
 * What happened in the key space, and how the field spells it.
 *
 * Wire grammar (one string per event, parts split at ':', the last part is the action):
 *   <key>                                            key changed or removed, unhashed
 *   <hash>:hashed                                    the same, hashed
 *   <key>[:hashed]:resetQuota
 *   <token>:<api>:oAuthRevokeToken                   and oAuthRevokeAccessToken, oAuthRevokeRefreshToken
 *   <hash>#hashed:<api>:oAuthRevokeToken
 *   <api>:<client>:<secret>:revoke_all_tokens
 *   <certid>:CertificateAdded | CertificateRemoved
 *   <api>.<client>.<org>:OauthClientAdded | OauthClientUpdated | OauthClientRemoved
 *   <api>:DeleteAPICache | InvalidateJWKSCacheForAPI
 *   <old>.<new>:UserKeyReset
 */
export type KeyEvent =
  | { readonly kind: 'key-changed'; readonly key: string; readonly hashed: boolean }
  | { readonly kind: 'key-removed'; readonly key: string; readonly hashed: boolean }
  | { readonly kind: 'quota-reset'; readonly key: string; readonly hashed: boolean }
  | {
      readonly kind: 'oauth-token-revoked';
      readonly token: string;
      readonly hashed: boolean;
      readonly api: string;
      readonly scope: 'both' | 'access' | 'refresh';
    }
  | {
      readonly kind: 'oauth-tokens-revoked';
      readonly api: string;
      readonly client: string;
      readonly secret: string;
    }
  | { readonly kind: 'certificate-added'; readonly certificate: string }
  | { readonly kind: 'certificate-removed'; readonly certificate: string }
  | {
      readonly kind: 'oauth-client-added' | 'oauth-client-updated' | 'oauth-client-removed';
      readonly api: string;
      readonly client: string;
      readonly organisation: string;
    }
  | { readonly kind: 'api-cache-flushed'; readonly api: string }
  | { readonly kind: 'jwks-cache-flushed'; readonly api: string }
  | { readonly kind: 'user-key-reset'; readonly oldKey: string; readonly newKey: string };

export type KeyEventKind = KeyEvent['kind'];

/** A right was taken away: it overtakes everything else bound for the zone. */
export function isRevocation(event: KeyEvent): boolean {
  switch (event.kind) {
    case 'key-removed':
    case 'oauth-token-revoked':
    case 'oauth-tokens-revoked':
    case 'certificate-removed':
    case 'oauth-client-removed':
      return true;
    default:
      return false;
  }
}

/** Repeating these does harm, so they are handed out at most once; all others at least once. */
export function isAtMostOnce(event: KeyEvent): boolean {
  return event.kind === 'quota-reset' || event.kind === 'user-key-reset';
}

const oauthRevokeAction = {
  both: 'oAuthRevokeToken',
  access: 'oAuthRevokeAccessToken',
  refresh: 'oAuthRevokeRefreshToken',
} as const;

const oauthClientAction = {
  'oauth-client-added': 'OauthClientAdded',
  'oauth-client-updated': 'OauthClientUpdated',
  'oauth-client-removed': 'OauthClientRemoved',
} as const;

/** The event as workers of the field read it. */
export function formatKeyEvent(event: KeyEvent): string {
  switch (event.kind) {
    case 'key-changed':
    case 'key-removed':
      return event.hashed ? `${event.key}:hashed` : event.key;
    case 'quota-reset':
      return event.hashed ? `${event.key}:hashed:resetQuota` : `${event.key}:resetQuota`;
    case 'oauth-token-revoked':
      return `${event.token}${event.hashed ? '#hashed' : ''}:${event.api}:${oauthRevokeAction[event.scope]}`;
    case 'oauth-tokens-revoked':
      return `${event.api}:${event.client}:${event.secret}:revoke_all_tokens`;
    case 'certificate-added':
      return `${event.certificate}:CertificateAdded`;
    case 'certificate-removed':
      return `${event.certificate}:CertificateRemoved`;
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return `${event.api}.${event.client}.${event.organisation}:${oauthClientAction[event.kind]}`;
    case 'api-cache-flushed':
      return `${event.api}:DeleteAPICache`;
    case 'jwks-cache-flushed':
      return `${event.api}:InvalidateJWKSCacheForAPI`;
    case 'user-key-reset':
      return `${event.oldKey}.${event.newKey}:UserKeyReset`;
  }
}

/**
 * Reads the field's spelling. A string without a known action is a plain key (`key-changed`), as the
 * worker itself takes it; a known action with missing parts is undefined, because relaying it would
 * crash a worker.
 */
export function parseKeyEvent(text: string): KeyEvent | undefined {
  if (text === '') return undefined;
  const parts = text.split(':');
  const action = parts[parts.length - 1] ?? '';
  const head = parts.slice(0, -1);
  const [first = '', second = '', third = ''] = head;
  switch (action) {
    case 'hashed':
      return first === '' ? undefined : { kind: 'key-changed', key: head.join(':'), hashed: true };
    case 'resetQuota': {
      const hashed = head[head.length - 1] === 'hashed' && head.length > 1;
      const key = (hashed ? head.slice(0, -1) : head).join(':');
      return key === '' ? undefined : { kind: 'quota-reset', key, hashed };
    }
    case 'oAuthRevokeToken':
    case 'oAuthRevokeAccessToken':
    case 'oAuthRevokeRefreshToken': {
      if (head.length !== 2 || first === '' || second === '') return undefined;
      const hashed = first.endsWith('#hashed');
      const scope =
        action === 'oAuthRevokeToken' ? 'both' : action === 'oAuthRevokeAccessToken' ? 'access' : 'refresh';
      const token = hashed ? first.slice(0, -'#hashed'.length) : first;
      return { kind: 'oauth-token-revoked', token, hashed, api: second, scope };
    }
    case 'revoke_all_tokens':
      if (head.length !== 3 || first === '' || second === '') return undefined;
      return { kind: 'oauth-tokens-revoked', api: first, client: second, secret: third };
    case 'CertificateAdded':
    case 'CertificateRemoved':
      if (head.length !== 1 || first === '') return undefined;
      return {
        kind: action === 'CertificateAdded' ? 'certificate-added' : 'certificate-removed',
        certificate: first,
      };
    case 'OauthClientAdded':
    case 'OauthClientUpdated':
    case 'OauthClientRemoved': {
      const [api, client, organisation, ...rest] = first.split('.');
      if (head.length !== 1 || !api || !client || !organisation || rest.length > 0) return undefined;
      const kind = (
        {
          OauthClientAdded: 'oauth-client-added',
          OauthClientUpdated: 'oauth-client-updated',
          OauthClientRemoved: 'oauth-client-removed',
        } as const
      )[action];
      return { kind, api, client, organisation };
    }
    case 'DeleteAPICache':
      return head.length === 1 && first !== '' ? { kind: 'api-cache-flushed', api: first } : undefined;
    case 'InvalidateJWKSCacheForAPI':
      return head.length === 1 && first !== '' ? { kind: 'jwks-cache-flushed', api: first } : undefined;
    case 'UserKeyReset': {
      const [oldKey, newKey, ...rest] = first.split('.');
      if (head.length !== 1 || !oldKey || !newKey || rest.length > 0) return undefined;
      return { kind: 'user-key-reset', oldKey, newKey };
    }
    default:
      return { kind: 'key-changed', key: text, hashed: false };
  }
}
