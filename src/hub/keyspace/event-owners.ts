import type { OrganisationId } from '../../domain/identifiers.js';
import type { KeyEvent } from '../../domain/key-event.js';
import { namesOfEvent, parseKeyName } from '../../domain/key-names.js';
import type { Organisation } from '../../domain/organisation.js';

export interface EventOwners {
  readonly organisations: () => readonly Organisation[];
  /** The one organisation that has an API of that id; undefined: none has, or several have. */
  readonly ownerOfApi: (apiId: string) => OrganisationId | undefined;
  /** Whose user has that API key. */
  readonly ownerOfUserKey: (key: string) => OrganisationId | undefined;
}

/** An event and the organisation whose workers are to hear of it. */
export interface AddressedEvent {
  readonly organisation: OrganisationId;
  readonly event: KeyEvent;
}

/**
 * Whose an event is that is not about a session. A certificate whose id names no organisation is shared, so all
 * are told. What an event says of its own organisation counts only when its API says the same.
 */
export function addressEvent(event: KeyEvent, known: EventOwners): readonly AddressedEvent[] {
  const one = (organisation: OrganisationId | undefined): readonly AddressedEvent[] =>
    organisation === undefined ? [] : [{ organisation, event }];
  switch (event.kind) {
    case 'key-changed':
    case 'key-removed':
    case 'quota-reset':
      return [];
    case 'oauth-token-revoked':
    case 'oauth-tokens-revoked':
    case 'api-cache-flushed':
    case 'jwks-cache-flushed':
      return one(known.ownerOfApi(event.api));
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed': {
      const organisation = known.ownerOfApi(event.api);
      if (organisation === undefined) return [];
      // The key store does not say whose a client is, and the wire wants it.
      if (event.organisation === '') return [{ organisation, event: { ...event, organisation } }];
      return event.organisation === organisation ? one(organisation) : [];
    }
    case 'certificate-added':
    case 'certificate-removed': {
      const name = parseKeyName(`cert-raw-${event.certificate}`);
      if (name.kind !== 'certificate') return [];
      const all = known.organisations().map(({ id }) => id);
      return all.filter((id) => name.organisation === undefined || name.organisation === id).flatMap(one);
    }
    case 'user-key-reset':
      return one(known.ownerOfUserKey(event.oldKey) ?? known.ownerOfUserKey(event.newKey));
  }
}

/**
 * The event as the store bears it out: a signal says neither reliably what happened nor in which order, and what is
 * there was not removed, or has come back. What is not there under this name may be there under another spelling:
 * that it was removed is believed only when it was said.
 */
export function asFound(event: KeyEvent, stored: ReadonlyMap<string, unknown>): KeyEvent {
  if (event.kind !== 'certificate-removed' && event.kind !== 'oauth-client-removed') return event;
  if (!namesOfEvent(event, false).some((name) => stored.has(name))) return event;
  return event.kind === 'certificate-removed'
    ? { kind: 'certificate-added', certificate: event.certificate }
    : { ...event, kind: 'oauth-client-updated' };
}
