import type { OrganisationId } from '../../domain/identifiers.js';
import type { KeyEvent } from '../../domain/key-event.js';
import { looksHashed } from '../../domain/key-hash.js';
import { namesOfEvent, sessionPrefix } from '../../domain/key-names.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { ChangeLog } from '../../ports/change-log.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore } from '../../ports/key-store.js';
import { yieldTurn } from '../../std/yield-turn.js';
import type { KeyOwners } from './key-owners.js';
import type { LookDepth } from './look-through.js';
import { ownerOfSession } from './session-owner.js';

export interface KeyDifferencesParts {
  readonly changeLog: ChangeLog;
  readonly store: KeyStore;
  readonly owners: KeyOwners;
  readonly clock: Clock;
  /** Sessions stand under the hash of their key. */
  readonly hashKeys: boolean;
  /** As if the control plane had told of it: it is looked at once more, and told to whom it concerns. */
  readonly hear: (event: KeyEvent, organisation: OrganisationId) => void;
  /** Events heard and not told yet. */
  readonly waiting: () => number;
  /** Resolves when those were told. */
  readonly settled: (isStopped: () => boolean) => Promise<void>;
}

const entriesPerRead = 1_000;
const namesPerRead = 100;
const idsPerTurn = 10_000;
/** Between two reads: workers come first. */
const pauseMs = 1;
/** What differs is not heard faster than it can be told. */
const waitingMax = 1_000;
const waitMs = 50;

/** Something that workers may hold. */
interface Held {
  readonly organisation: OrganisationId;
  /** In the store. It is gone when none is there. */
  readonly names: readonly string[];
  readonly removal: KeyEvent;
}

/**
 * Finds what workers may hold that is not so any more. What they were told of last stands in the change log, and who
 * was seen to have a key, and what it was then, in the memory of owners; both are compared with the store. What they
 * fetched in an earlier life of the hub without being told of it is known to nobody and is not found.
 */
export async function hearDifferences(
  parts: KeyDifferencesParts,
  marked: ReadonlyMap<OrganisationId, LookDepth>,
  isStopped: () => boolean,
): Promise<number> {
  let differences = 0;
  const hear = (event: KeyEvent, organisation: OrganisationId): void => {
    differences += 1;
    parts.hear(event, organisation);
  };
  const looked = new Map([...marked].filter(([, depth]) => depth !== 'removals'));
  const owned = await ownedIds(parts, looked);
  for (const organisation of marked.keys()) {
    const { held, gone } = await heldByLog(parts, organisation);
    addOwned(parts, organisation, owned.get(organisation) ?? [], held, gone);
    await hearRemovals(parts, [...held.values()], hear, isStopped);
  }
  if (looked.size > 0) await hearChanges(parts, looked, hear, isStopped);
  if (differences > 0) await parts.settled(isStopped);
  return differences;
}

/** The last word of the log on each key, certificate and OAuth client. */
async function heldByLog(
  { changeLog, hashKeys, clock }: KeyDifferencesParts,
  organisation: OrganisationId,
): Promise<{ readonly held: Map<string, Held>; readonly gone: ReadonlySet<string> }> {
  const held = new Map<string, Held>();
  const gone = new Set<string>();
  const { oldest } = await changeLog.bounds(organisation);
  let after = oldest - 1;
  for (;;) {
    const entries = await changeLog.read(organisation, after, entriesPerRead).catch(async (thrown) => {
      // An entry that cannot be read, or went meanwhile: what comes after it still counts.
      if (!(thrown instanceof CausewayError) || thrown.code !== 'CHANGE_LOG_TRIMMED') throw thrown;
      return undefined;
    });
    if (entries === undefined) {
      after = Math.max(after + 1, (await changeLog.bounds(organisation)).oldest - 1);
      continue;
    }
    for (const { body } of entries) {
      if (body.type !== 'key') continue;
      const removal = removalOf(body.event);
      const names = namesOfEvent(body.event, hashKeys);
      const [name] = names;
      if (removal === undefined || name === undefined) continue;
      if (removal.kind === body.event.kind) {
        held.delete(name);
        gone.add(name);
      } else {
        held.set(name, { organisation, names, removal });
        gone.delete(name);
      }
    }
    const last = entries[entries.length - 1];
    if (last === undefined) return { held, gone };
    after = last.sequence;
    await pause(clock, pauseMs);
  }
}

/** What an event says once the thing is gone; undefined: workers hold nothing because of it. */
function removalOf(event: KeyEvent): KeyEvent | undefined {
  switch (event.kind) {
    case 'key-changed':
    case 'key-removed':
      return { ...event, kind: 'key-removed' };
    case 'certificate-added':
    case 'certificate-removed':
      return { ...event, kind: 'certificate-removed' };
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return { ...event, kind: 'oauth-client-removed' };
    default:
      return undefined;
  }
}

/** Once for all organisations, and not in one go: there may be half a million. */
async function ownedIds(
  { owners }: KeyDifferencesParts,
  looked: ReadonlyMap<OrganisationId, LookDepth>,
): Promise<ReadonlyMap<OrganisationId, readonly string[]>> {
  const owned = new Map<OrganisationId, string[]>(
    [...looked.keys()].map((organisation) => [organisation, []]),
  );
  if (looked.size === 0) return owned;
  for (const [index, id] of owners.ids().entries()) {
    if (index % idsPerTurn === 0) await yieldTurn();
    const owner = owners.ownerOf(id);
    if (owner !== undefined) owned.get(owner)?.push(id);
  }
  return owned;
}

function addOwned(
  { hashKeys }: KeyDifferencesParts,
  organisation: OrganisationId,
  ids: readonly string[],
  held: Map<string, Held>,
  gone: ReadonlySet<string>,
): void {
  for (const id of ids) {
    const name = sessionPrefix + id;
    if (held.has(name) || gone.has(name)) continue;
    const hashed = hashKeys && looksHashed(id);
    held.set(name, { organisation, names: [name], removal: { kind: 'key-removed', key: id, hashed } });
  }
}

async function hearRemovals(
  parts: KeyDifferencesParts,
  held: readonly Held[],
  hear: (event: KeyEvent, organisation: OrganisationId) => void,
  isStopped: () => boolean,
): Promise<void> {
  for (let start = 0; start < held.length && !isStopped(); start += namesPerRead) {
    await room(parts, isStopped);
    const part = held.slice(start, start + namesPerRead);
    const names = part.flatMap((one) => one.names);
    const values = await parts.store.getMany(names, { ttl: false });
    const there = new Set(names.filter((_name, index) => values[index] !== undefined));
    for (const { organisation, names: own, removal } of part) {
      if (!own.some((name) => there.has(name))) hear(removal, organisation);
    }
  }
}

/** Sessions that are not what they were when they were seen last. */
async function hearChanges(
  parts: KeyDifferencesParts,
  looked: ReadonlyMap<OrganisationId, LookDepth>,
  hear: (event: KeyEvent, organisation: OrganisationId) => void,
  isStopped: () => boolean,
): Promise<void> {
  const { store, owners, hashKeys } = parts;
  for await (const names of store.scan(sessionPrefix, namesPerRead)) {
    if (isStopped()) return;
    await room(parts, isStopped);
    const values = await store.getMany(names, { ttl: false });
    for (const [index, name] of names.entries()) {
      const stored = values[index];
      if (stored === undefined) continue;
      const id = name.slice(sessionPrefix.length);
      const owner = ownerOfSession(id, stored.value);
      const before = owners.ownerOf(id);
      // Also what one of them had, and somebody else has now.
      const whose = [owner, before].find((one) => one !== undefined && looked.has(one));
      if (whose === undefined) continue;
      const same = owner === before && owners.wasSeenAs(id, stored.value);
      if (same && looked.get(whose) !== 'everything') continue;
      hear({ kind: 'key-changed', key: id, hashed: hashKeys && looksHashed(id) }, whose);
    }
  }
}

async function room({ clock, waiting }: KeyDifferencesParts, isStopped: () => boolean): Promise<void> {
  await pause(clock, pauseMs);
  while (waiting() > waitingMax && !isStopped()) await pause(clock, waitMs);
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
