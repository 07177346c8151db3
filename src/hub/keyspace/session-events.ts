import type { KeyEvent } from '../../domain/key-event.js';
import { sessionNamesOf, sessionPrefix } from '../../domain/key-names.js';
import type { KeyStore, StoredValue } from '../../ports/key-store.js';

export type SessionEvent = Extract<KeyEvent, { kind: 'key-changed' | 'key-removed' | 'quota-reset' }>;

export function isSessionEvent(event: KeyEvent): event is SessionEvent {
  return event.kind === 'key-changed' || event.kind === 'key-removed' || event.kind === 'quota-reset';
}

/** Where the session of an event may stand. */
export function namesOfSession(event: SessionEvent, hashKeys: boolean): readonly string[] {
  return event.hashed ? [`${sessionPrefix}${event.key}`] : sessionNamesOf(event.key, hashKeys);
}

/** The sessions that the events are about, by their names in the store; what is gone is left out. */
export async function readSessions(
  store: KeyStore,
  events: readonly KeyEvent[],
  hashKeys: boolean,
): Promise<ReadonlyMap<string, StoredValue>> {
  const names = events.filter(isSessionEvent).flatMap((event) => namesOfSession(event, hashKeys));
  if (names.length === 0) return new Map();
  const values = await store.getMany(names, { ttl: false });
  return new Map(
    names.flatMap((name, index) => {
      const stored = values[index];
      return stored === undefined ? [] : [[name, stored] as const];
    }),
  );
}
