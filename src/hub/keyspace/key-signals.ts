import { LRUCache } from 'lru-cache';
import type { NewChange } from '../../domain/change.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { isAtMostOnce, isRevocation, type KeyEvent } from '../../domain/key-event.js';
import { subjectOf } from '../../domain/key-event-subject.js';
import { hashKey, looksHashed } from '../../domain/key-hash.js';
import { namesOfEvent, sessionPrefix } from '../../domain/key-names.js';
import { organisationOfRawKey } from '../../domain/key-token.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { ChangeLog } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { ControlPlaneSignal, ControlPlaneSignals } from '../../ports/control-plane-signals.js';
import type { KeyStore, StoredValue } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { Backoff } from '../../std/backoff.js';
import { TokenBucket } from '../../std/token-bucket.js';
import { type AddressedEvent, addressEvent, asFound, type EventOwners } from './event-owners.js';
import type { KeyOwners } from './key-owners.js';
import type { LookDepth } from './look-through.js';
import { ownerOfSession } from './session-owner.js';
import { isSessionEvent, lookFor, otherNamesOf, type SessionEvent } from './signal-look.js';

export interface KeySignalsParts extends EventOwners {
  readonly signals: ControlPlaneSignals;
  readonly store: KeyStore;
  readonly changeLog: ChangeLog;
  readonly owners: KeyOwners;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly random: () => number;
  /** Undefined: nobody watches how it gets on. */
  readonly progress?: LoopProgress | undefined;
  /** Sessions stand under the hash of their key. */
  readonly hashKeys: boolean;
  /** The catalog may have changed. */
  readonly reloadCatalog: () => void;
  /** Something that happened to keys was not heard or not taken. Undefined: it is not known whose they are. */
  readonly mark: (
    organisation: OrganisationId | undefined,
    depth: LookDepth,
    reason: string,
  ) => Promise<void>;
  /** What was remembered of this name is stale. */
  readonly invalidate: (name: string) => void;
}

interface Pending {
  readonly event: KeyEvent;
  /** What the signal may have meant instead. */
  readonly alternatives: readonly KeyEvent[];
  readonly organisation: OrganisationId | undefined;
  /** Monotonic. */
  readonly dueMs: number;
}

/** One save is told by several sources within this time; they become one event. */
const gatherMs = 50;
/** A key that is written all the time is told this often. Removals do not wait. */
const repeatMs = 1_000;
/** Events that may not be repeated are told once in this time. */
const onceMs = 5_000;
const eventsPerReadMax = 500;
const settleMsMax = 60_000;
const rememberedMax = 50_000;

/**
 * Turns what the control plane says about keys into entries of the change log.
 *
 * A signal says neither reliably what happened nor to whom, so it is only a reason to look: after a moment in
 * which equal signals gather, the session is read, and its presence makes the event and its `org_id` the
 * organisation. The look comes after the last signal it answers, so no change goes untold. A key that is gone
 * cannot say whose it was; then the owners that were seen before decide. When nobody knows, nobody is told:
 * telling all would let one organisation see the keys of another.
 */
export class KeySignals implements Component {
  readonly name = 'key signals';
  readonly #parts: KeySignalsParts;
  readonly #waitingMax: number;
  readonly #pending = new Map<string, Pending>();
  /** When a key was last told as changed, or an event that may not be repeated was told at all. */
  readonly #toldAtMs = new LRUCache<string, number>({ max: rememberedMax });
  readonly #backoff: Backoff;
  readonly #lines: TokenBucket;
  #unsubscribe: (() => void) | undefined;
  #flushTimer: Timer | undefined;
  #flushDueMs = Number.POSITIVE_INFINITY;
  #flushing: Promise<void> | undefined;
  #reloadTimer: Timer | undefined;
  #stopped = false;
  /** Monotonic: when a signal came last. */
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #hasListened = false;

  constructor(parts: KeySignalsParts, waitingMax: number = limits.keySignalsMax) {
    this.#parts = parts;
    this.#waitingMax = waitingMax;
    const { random, clock } = parts;
    this.#backoff = new Backoff({ firstDelayMs: 200, delayMsMax: 5_000, random });
    this.#lines = new TokenBucket({ capacity: 10, tokensPerMinute: 10 }, clock.monotonicMs());
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#parts.signals.subscribe((signal) => this.#hear(signal));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#flushTimer?.cancel();
    this.#reloadTimer?.cancel();
    await this.#flushing;
    if (this.#pending.size > 0) await this.#flush(Number.POSITIVE_INFINITY);
    if (this.#pending.size > 0)
      await this.#markUnheard(undefined, 'the hub ended before key signals were told');
  }

  /** As if the control plane had told of it. */
  hear(event: KeyEvent, organisation: OrganisationId): void {
    this.#gather(event, [], organisation);
  }

  /** Events that wait to be looked at. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Resolves when all that waits now was told, or after a while that no store needs to answer. */
  async settled(isStopped: () => boolean): Promise<void> {
    const { clock } = this.#parts;
    const waiting = new Set(this.#pending.keys());
    const endMs = clock.monotonicMs() + settleMsMax;
    while (!isStopped() && clock.monotonicMs() < endMs) {
      for (const key of waiting) if (!this.#pending.has(key)) waiting.delete(key);
      if (waiting.size === 0) return;
      await new Promise<void>((resolve) => {
        clock.after(gatherMs, resolve);
      });
    }
  }

  notReady(): undefined {
    return undefined;
  }

  #hear(signal: ControlPlaneSignal): void {
    if (signal.type === 'listening') this.#listening();
    if (signal.type === 'key') {
      this.#gather(signal.event, signal.alternatives ?? [], signal.organisation);
      this.#heardAtMs = this.#parts.clock.monotonicMs();
    } else {
      this.#reloadTimer ??= this.#parts.clock.after(gatherMs, () => {
        this.#reloadTimer = undefined;
        this.#parts.reloadCatalog();
      });
    }
  }

  /** What was said before was not heard; before the start, only what the log knows can be made good. */
  #listening(): void {
    if (this.#hasListened)
      void this.#markUnheard(undefined, 'the connection that key signals come on was interrupted');
    else void this.#parts.mark(undefined, 'removals', 'the start');
    this.#hasListened = true;
  }

  /** What the survey saw it may have seen after something that was not heard: then it says nothing. */
  #markUnheard(organisation: OrganisationId | undefined, reason: string): Promise<void> {
    const { surveyedAtMs } = this.#parts.owners;
    const knows = surveyedAtMs !== undefined && surveyedAtMs < this.#heardAtMs;
    return this.#parts.mark(organisation, knows ? 'changes' : 'everything', reason);
  }

  /** Of signals about one thing the last one says how it stands. */
  #gather(
    event: KeyEvent,
    alternatives: readonly KeyEvent[],
    organisation: OrganisationId | undefined,
  ): void {
    const { clock, metrics } = this.#parts;
    const key = subjectOf(event);
    const before = this.#pending.get(key);
    if (before === undefined && this.#pending.size >= this.#waitingMax) {
      metrics.add('causeway_limit_hits_total', { limit: 'keySignalsMax' });
      if (this.#lines.take(clock.monotonicMs())) {
        this.#parts.log.error('key signals come faster than they can be told; some were not taken', {
          limit: 'keySignalsMax',
          waiting: this.#pending.size,
          kind: event.kind,
        });
      }
      void this.#markUnheard(organisation, 'key signals were not taken: keySignalsMax');
      return;
    }
    const nowMs = clock.monotonicMs();
    // Signals that go on coming must not put off the look for ever.
    const dueMs = Math.min(before?.dueMs ?? Number.POSITIVE_INFINITY, nowMs + gatherMs);
    // In the order of the last signal of each: what is told last of two things is what happened last.
    this.#pending.delete(key);
    const named = organisation ?? before?.organisation;
    this.#pending.set(key, { event, alternatives, organisation: named, dueMs });
    this.#flushAt(dueMs);
  }

  #flushAt(dueMs: number): void {
    if (this.#stopped || dueMs >= this.#flushDueMs) return;
    this.#flushDueMs = dueMs;
    this.#flushTimer?.cancel();
    const delayMs = Math.max(0, dueMs - this.#parts.clock.monotonicMs());
    this.#flushTimer = this.#parts.clock.after(delayMs, () => this.#wake());
  }

  #wake(): void {
    this.#flushDueMs = Number.POSITIVE_INFINITY;
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
      let nextMs = Number.POSITIVE_INFINITY;
      for (const { dueMs } of this.#pending.values()) nextMs = Math.min(nextMs, dueMs);
      this.#flushAt(nextMs);
    });
  }

  async #flush(nowMs = this.#parts.clock.monotonicMs()): Promise<void> {
    const { clock, log, metrics } = this.#parts;
    const due: [string, Pending][] = [];
    for (const entry of this.#pending) if (entry[1].dueMs <= nowMs) due.push(entry);
    // Taken out before the look: a signal that comes during it asks for another one.
    for (const [key] of due) this.#pending.delete(key);
    for (let start = 0; start < due.length; start += eventsPerReadMax) {
      const part = due.slice(start, start + eventsPerReadMax);
      try {
        this.#parts.progress?.hasWork();
        await this.#tellOrSetAside(part);
        this.#parts.progress?.madeProgress();
        this.#backoff.reset();
      } catch (error) {
        metrics.add('causeway_store_errors_total', { store: 'keys' });
        log.warn('key events wait, as a store does not answer', { reason: describeError(error) });
        // They wait in memory only, and the hub may end before it answers.
        void this.#markUnheard(undefined, 'a store did not answer while key signals waited');
        const dueMs = clock.monotonicMs() + this.#backoff.nextDelayMs();
        for (const [key, one] of due.slice(start)) {
          if (!this.#pending.has(key)) this.#pending.set(key, { ...one, dueMs });
        }
        return;
      }
    }
  }

  /**
   * A failure of unknown kind lies in one of the events, and must not hold the others up for ever: told alone, it
   * shows itself. What happened to its key is then found by looking through.
   */
  async #tellOrSetAside(part: readonly (readonly [string, Pending])[]): Promise<void> {
    try {
      await this.#tell(part);
    } catch (error) {
      if (error instanceof CausewayError) throw error;
      if (part.length > 1) {
        for (const one of part) await this.#tellOrSetAside([one]);
        return;
      }
      const { log, metrics } = this.#parts;
      metrics.add('causeway_items_set_aside_total', { loop: 'key-signals' });
      const pending = part[0]?.[1];
      log.error('a key signal cannot be told; the keys are looked through instead', {
        kind: pending?.event.kind,
        reason: describeError(error),
      });
      void this.#markUnheard(pending?.organisation, 'a key signal could not be told');
    }
  }

  async #tell(part: readonly (readonly [string, Pending])[]): Promise<void> {
    const { changeLog, clock, metrics, hashKeys, invalidate } = this.#parts;
    const stored = await lookFor(
      part.map(([, pending]) => pending),
      this.#parts,
    );
    const changes: NewChange[] = [];
    const told: string[] = [];
    for (const [key, pending] of part) {
      const { event, alternatives, organisation } = pending;
      const addressed = [event, ...alternatives].flatMap((reading) =>
        isSessionEvent(reading)
          ? this.#settle(reading, organisation, stored, reading === event)
          : addressEvent(asFound(reading, stored), this.#parts),
      );
      const waitMs = this.#waitMs(key, addressed);
      if (waitMs > 0) {
        // Of what may not be repeated, a second telling is a repeat and not news.
        if (isAtMostOnce(event)) continue;
        const dueMs = clock.monotonicMs() + waitMs;
        if (!this.#pending.has(key)) this.#pending.set(key, { ...pending, dueMs });
        continue;
      }
      if (addressed.length === 0) this.#tellUnowned(pending, stored);
      if (addressed.some((one) => spacingMs(one.event) > 0)) told.push(key);
      for (const one of addressed) {
        for (const name of namesOfEvent(one.event, hashKeys)) invalidate(name);
        changes.push({
          organisation: one.organisation,
          atMs: clock.nowMs(),
          body: { type: 'key', event: one.event },
        });
      }
    }
    if (changes.length === 0) return;
    await changeLog.append(changes);
    for (const key of told) this.#toldAtMs.set(key, clock.monotonicMs());
    metrics.add('causeway_changes_total', { type: 'key' }, changes.length);
  }

  /** What the look found: a session that is there has changed, one that is not was removed. */
  #settle(
    event: SessionEvent,
    named: OrganisationId | undefined,
    stored: ReadonlyMap<string, StoredValue>,
    isLikeliest: boolean,
  ): readonly AddressedEvent[] {
    const { owners } = this.#parts;
    const names = namesOfEvent(event, this.#parts.hashKeys);
    const own = names.find((name) => stored.has(name));
    const others = () => otherNamesOf(event, named, this.#parts).filter((name) => stored.has(name));
    const found = own === undefined ? others() : [own];
    if (found.length > 0) return found.flatMap((name) => this.#settleFound(event, name, stored.get(name)));
    const ids = names.map((name) => name.slice(sessionPrefix.length));
    const seen = ids.map((id) => owners.ownerOf(id)).find((one) => one !== undefined);
    // What a signal may have meant besides is not taken for gone if nobody ever saw it.
    if (seen === undefined && !isLikeliest) return [];
    const known = seen ?? this.#organisation(named) ?? this.#organisation(organisationOfRawKey(event.key));
    if (known === undefined) return [];
    return [addressed(known, event.kind === 'quota-reset' ? event : { ...event, kind: 'key-removed' })];
  }

  #settleFound(
    event: SessionEvent,
    name: string,
    session: StoredValue | undefined,
  ): readonly AddressedEvent[] {
    const { owners } = this.#parts;
    if (session === undefined) return [];
    const isReset = event.kind === 'quota-reset';
    const key = name.slice(sessionPrefix.length);
    // As it is stored, whatever the configuration says.
    const hashed = looksHashed(key) || (key !== event.key && key === hashKey(event.key));
    const before = owners.ownerOf(key);
    const organisation = ownerOfSession(key, session.value);
    // Handed over to somebody else, it is gone for the one who had it.
    const lost = before !== undefined && before !== organisation && !isReset ? [before] : [];
    if (organisation !== undefined) owners.note(key, organisation, session.value);
    const gained = organisation === undefined ? [] : [organisation];
    // A worker resets a quota while it handles the event of the key.
    const kinds = isReset ? (['quota-reset', 'key-changed'] as const) : (['key-changed'] as const);
    return [
      ...lost.map((one) => addressed(one, { kind: 'key-removed', key, hashed })),
      ...gained.flatMap((one) => kinds.map((kind) => addressed(one, { kind, key, hashed }))),
    ];
  }

  /** An id that looks as if an organisation's stood in it may be called so by chance. */
  #organisation(id: OrganisationId | undefined): OrganisationId | undefined {
    return this.#parts.organisations().find((one) => one.id === id)?.id;
  }

  /** How long it has to wait because it was told a moment ago. A removal does not wait. */
  #waitMs(key: string, events: readonly AddressedEvent[]): number {
    const lastMs = this.#toldAtMs.peek(key);
    if (lastMs === undefined || events.length === 0) return 0;
    const once = events.some(({ event }) => isAtMostOnce(event));
    const spacings = once ? [onceMs] : events.map(({ event }) => spacingMs(event));
    return Math.max(0, lastMs + Math.min(...spacings) - this.#parts.clock.monotonicMs());
  }

  #tellUnowned({ event, alternatives }: Pending, stored: ReadonlyMap<string, StoredValue>): void {
    const { clock, log, metrics, hashKeys, mark } = this.#parts;
    metrics.add('causeway_key_events_unowned_total', { kind: event.kind });
    const sessions = [event, ...alternatives].filter(isSessionEvent);
    const isThere = sessions.some((one) => namesOfEvent(one, hashKeys).some((name) => stored.has(name)));
    if (sessions.length > 0 && !isThere) {
      // The log may know to whom it was told as there.
      void mark(undefined, 'removals', 'a key is gone that nobody is known to own');
    }
    if (!this.#lines.take(clock.monotonicMs())) return;
    log[isRevocation(event) ? 'warn' : 'info'](
      'the control plane told of something that no organisation is known to own; no worker is told',
      { kind: event.kind },
    );
  }
}

/** At least so much time lies between two equal ones. */
function spacingMs(event: KeyEvent): number {
  return isAtMostOnce(event) ? onceMs : event.kind === 'key-changed' ? repeatMs : 0;
}

function addressed(organisation: OrganisationId, event: KeyEvent): AddressedEvent {
  return { organisation, event };
}
