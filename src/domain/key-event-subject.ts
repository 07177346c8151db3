import type { KeyEvent } from './key-event.js';

/**
 * What an event is about. Of several events about one thing the last one says how it stands: whoever was told
 * it need not be told the others, and must not be told them afterwards.
 */
export function subjectOf(event: KeyEvent): string {
  switch (event.kind) {
    case 'key-changed':
    case 'key-removed':
      return JSON.stringify(['key', event.key, event.hashed]);
    case 'quota-reset':
      return JSON.stringify(['quota', event.key, event.hashed]);
    case 'oauth-token-revoked':
      return JSON.stringify(['token', event.api, event.token, event.hashed, event.scope]);
    case 'oauth-tokens-revoked':
      return JSON.stringify(['tokens', event.api, event.client, event.secret]);
    case 'certificate-added':
    case 'certificate-removed':
      return JSON.stringify(['certificate', event.certificate]);
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return JSON.stringify(['client', event.api, event.client]);
    case 'api-cache-flushed':
    case 'jwks-cache-flushed':
      return JSON.stringify([event.kind, event.api]);
    case 'user-key-reset':
      return JSON.stringify(['user-key', event.oldKey, event.newKey]);
  }
}
