import { type KeyEvent, parseKeyEvent } from '../domain/key-event.js';
import { namesOfEvent, sessionName } from '../domain/key-names.js';
import type { KeyEventMessage } from '../transport/grpc/messages.js';

/** What a key event means for the keys that a worker holds, by their raw names. */
export interface KeyEffect {
  /** Kind as the domain spells it, `key-changed`; a kind of a newer contract: as the wire has it. */
  readonly event: string;
  /** What it is about, for people. */
  readonly key: string;
  readonly hashed: boolean;
  readonly drop: readonly string[];
  /** Drop every key held whose name begins so. */
  readonly dropPrefixes: readonly string[];
  /** To be fetched anew; dropped first, so that no old right outlives the news. */
  readonly fetch: readonly string[];
  /** The worker's own API key was replaced. */
  readonly newApiKey: { readonly oldKey: string; readonly newKey: string } | undefined;
}

const kindPrefix = 'KEY_EVENT_KIND_';

export function keyEffectOf(message: KeyEventMessage): KeyEffect {
  const event = String(message.kind).replace(kindPrefix, '').toLowerCase().replaceAll('_', '-');
  const nothing: KeyEffect = {
    event,
    // Never the event's text: some spell a secret.
    key: message.key,
    hashed: message.hashed,
    drop: [],
    dropPrefixes: [],
    fetch: [],
    newApiKey: undefined,
  };
  switch (event) {
    // The field spells both the same way, so the kind decides and not the text.
    case 'key-changed':
      return { ...nothing, fetch: [sessionName(message.key)] };
    case 'key-removed':
      return { ...nothing, drop: [sessionName(message.key)] };
    case 'certificate-added':
      return { ...nothing, fetch: [`cert-raw-${message.key}`] };
    case 'certificate-removed':
      return { ...nothing, drop: [`cert-raw-${message.key}`] };
  }
  const parsed = subjectFields(message, event) ?? parseKeyEvent(message.event);
  if (parsed === undefined || parsed.kind !== event) return nothing;
  switch (parsed.kind) {
    case 'oauth-token-revoked':
      return { ...nothing, key: parsed.token, hashed: parsed.hashed, drop: tokenNames(parsed) };
    case 'oauth-tokens-revoked':
      // The event does not say which tokens; those still good are fetched again when they are used.
      return {
        ...nothing,
        key: parsed.client,
        dropPrefixes: [`oauth-data.${parsed.api}.oauth-access.`, `oauth-data.${parsed.api}.oauth-refresh.`],
      };
    case 'oauth-client-added':
    case 'oauth-client-updated':
      return { ...nothing, key: parsed.client, fetch: namesOfEvent(parsed, false) };
    case 'oauth-client-removed':
      return { ...nothing, key: parsed.client, drop: namesOfEvent(parsed, false) };
    case 'api-cache-flushed':
    case 'jwks-cache-flushed':
      return { ...nothing, key: parsed.api };
    case 'user-key-reset':
      return { ...nothing, newApiKey: { oldKey: parsed.oldKey, newKey: parsed.newKey } };
    default:
      return nothing;
  }
}

/** Hashed or not, whichever way the hub keeps its keys. */
function tokenNames(parsed: Extract<KeyEvent, { kind: 'oauth-token-revoked' }>) {
  return namesOfEvent(parsed, !parsed.hashed);
}

/** What the event is about, field by field; undefined: the hub is too old to say it so. */
function subjectFields(message: KeyEventMessage, event: string): KeyEvent | undefined {
  const { api = '', client = '', token = '', hashed, oldKey = '', newKey = '' } = message;
  switch (event) {
    case 'oauth-token-revoked':
      return token === '' ? undefined : { kind: event, token, hashed, api, scope: 'both' };
    case 'oauth-tokens-revoked':
      return client === '' ? undefined : { kind: event, api, client, secret: '' };
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return client === '' ? undefined : { kind: event, api, client, organisation: '' };
    case 'api-cache-flushed':
    case 'jwks-cache-flushed':
      return api === '' ? undefined : { kind: event, api };
    case 'user-key-reset':
      return oldKey === '' ? undefined : { kind: event, oldKey, newKey };
    default:
      return undefined;
  }
}
