import type { OrganisationId } from '../../domain/identifiers.js';
import type { KeyEvent } from '../../domain/key-event.js';
import { namesOfEvent, otherSessionNamesOf } from '../../domain/key-names.js';
import type { KeyStore, StoredValue } from '../../ports/key-store.js';
import type { EventOwners } from './event-owners.js';

export type SessionEvent = Extract<KeyEvent, { kind: 'key-changed' | 'key-removed' | 'quota-reset' }>;

export function isSessionEvent(event: KeyEvent): event is SessionEvent {
  return event.kind === 'key-changed' || event.kind === 'key-removed' || event.kind === 'quota-reset';
}

/** A signal as far as a look at the key store needs it. */
interface LookedFor {
  readonly event: KeyEvent;
  readonly alternatives: readonly KeyEvent[];
  readonly organisation: OrganisationId | undefined;
}

interface LookParts extends Pick<EventOwners, 'organisations'> {
  readonly store: KeyStore;
  readonly hashKeys: boolean;
}

const namesPerReadMax = 500;

/**
 * What is there of the names that signals are about, in all their readings: sessions, and what else could be told
 * as gone. A session that is not where it should be is looked for under its other spellings: it must not be told as
 * gone while it is there. Rejects as the store does.
 */
export async function lookFor(
  signals: readonly LookedFor[],
  parts: LookParts,
): Promise<ReadonlyMap<string, StoredValue>> {
  const found = new Map<string, StoredValue>();
  const sessions: { readonly event: SessionEvent; readonly organisation: OrganisationId | undefined }[] = [];
  const wanted: string[] = [];
  for (const { event, alternatives, organisation } of signals) {
    for (const reading of [event, ...alternatives]) {
      if (isSessionEvent(reading)) sessions.push({ event: reading, organisation });
      if (isSessionEvent(reading) || isRemovalOfOne(reading))
        wanted.push(...namesOfEvent(reading, parts.hashKeys));
    }
  }
  await read(parts.store, wanted, found);
  const missing = sessions.filter(
    ({ event }) => !namesOfEvent(event, parts.hashKeys).some((name) => found.has(name)),
  );
  const others = missing.flatMap(({ event, organisation }) => otherNamesOf(event, organisation, parts));
  await read(parts.store, others, found);
  return found;
}

/** Where a session may stand that is not under the name that its event says. */
export function otherNamesOf(
  { key }: SessionEvent,
  named: OrganisationId | undefined,
  { organisations }: Pick<EventOwners, 'organisations'>,
): readonly string[] {
  return otherSessionNamesOf(key, named === undefined ? organisations().map(({ id }) => id) : [named]);
}

/** What may have come back since the signal was given: then it was not removed. */
function isRemovalOfOne(event: KeyEvent): boolean {
  return event.kind === 'certificate-removed' || event.kind === 'oauth-client-removed';
}

async function read(
  store: KeyStore,
  names: readonly string[],
  found: Map<string, StoredValue>,
): Promise<void> {
  const all = [...new Set(names)];
  for (let start = 0; start < all.length; start += namesPerReadMax) {
    const asked = all.slice(start, start + namesPerReadMax);
    const values = await store.getMany(asked, { ttl: false });
    for (const [index, name] of asked.entries()) {
      const stored = values[index];
      if (stored !== undefined) found.set(name, stored);
    }
  }
}
