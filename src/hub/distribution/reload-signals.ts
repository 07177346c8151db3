import type { DefinitionKind } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { ViewScope } from '../../domain/view.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { DefinitionCursors, DefinitionHolder } from './definition-cursors.js';
import { type KindHashes, kindHashesOf } from './kind-hashes.js';
import type { View } from './view-registry.js';

/** Two signals to one worker are at least this far apart: a burst of edits is one reload. */
const signalGapMs = 1_000;
/** A worker that was told and has not fetched is told again after this: the first time, the second, and from then on. */
const repeatAfterMs = [5_000, 10_000, 30_000] as const;
/** Of the time after which a worker gave up on a poll, so much is used from then on: the answer has a way to go. */
const patienceShare = 0.7;
/** Nobody gives up so soon: a poll that follows another one so closely has some other reason. */
const patienceMsMin = 1_000;
/** A worker of which nothing is known should have fetched within this time of its first poll. */
const fetchExpectedMs = 30_000;
/** What no content hashes to. */
const unknownContent = '';

export interface ReloadSignalsParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Throws CATALOG_NOT_READY. */
  readonly viewOf: (scope: ViewScope) => View;
  readonly cursors: DefinitionCursors;
}

/** What a worker has. */
interface Watcher {
  holder: DefinitionHolder;
  /** Hash of each kind as last fetched, or as it was when the worker began to wait. */
  readonly has: Map<DefinitionKind, string>;
  /** Log position of each fetch in the time of this process. */
  readonly fetchedAt: Map<DefinitionKind, number>;
  /** What it has is known, not supposed. */
  isCertain: boolean;
  /** By the kinds that a poll watches. */
  readonly signalled: Map<
    string,
    { readonly content: string; readonly atMs: number; readonly times: number }
  >;
  /** How long its polls can be held; it gave up on longer ones. */
  patienceMs: number;
}

interface Waiting {
  readonly watcher: Watcher;
  /** Monotonic. */
  readonly sinceMs: number;
  readonly kinds: readonly DefinitionKind[];
  readonly answer: (changed: boolean) => void;
  readonly holdTimer: Timer;
  /** Set while a signal is due but not yet. */
  dueTimer: Timer | undefined;
}

/**
 * Long polls for "has my view changed?".
 *
 * Each worker's view is compared with what that worker fetched last, so an edit in somebody else's segment
 * wakes nobody, and an edit made between a fetch and the next poll is noticed. The answer comes at once, but
 * never twice for the same content unless the worker has not fetched it for {@link repeatAfterMs}; otherwise
 * the poll is held for its whole time, because an early "no" makes a gateway spin.
 *
 * A worker has one poll of a kind at a time. When a newer one comes while an older is held, the worker has given the
 * older up: nobody takes its answer, so it is ended with "no", and how long the worker was willing to wait is known
 * from then on: its polls are held for less. An answer that met nobody all the same is repeated, since nothing was
 * fetched.
 *
 * A worker that this process has not seen fetch is looked up in the definition cursors: it may have fetched
 * before a restart. If nothing is known there either, it is given time to fetch, and then told to.
 */
export class ReloadSignals {
  readonly #parts: ReloadSignalsParts;
  readonly #watchers = new Map<string, Watcher>();
  readonly #waiting = new Map<OrganisationId, Set<Waiting>>();

  constructor(parts: ReloadSignalsParts) {
    this.#parts = parts;
  }

  /**
   * The view to answer a fetch of these kinds with; notes that the worker has it. Rejects with
   * CATALOG_NOT_READY. What the log says is only for the time after a restart: it is served without.
   */
  async fetch(holder: DefinitionHolder, kinds: readonly DefinitionKind[]): Promise<View> {
    const sequence = await this.#parts.cursors.newest(holder).catch(() => undefined);
    const view = this.#parts.viewOf(holder.scope);
    const watcher = this.#watcherOf(holder);
    const hashes = kindHashesOf(view);
    // What a worker has never asked for it does not want: it is not told of that again and again.
    for (const kind of watcher.has.keys()) {
      if (!watcher.fetchedAt.has(kind)) watcher.has.set(kind, hashes[kind]);
    }
    for (const kind of kinds) {
      watcher.has.set(kind, hashes[kind]);
      watcher.fetchedAt.set(kind, sequence ?? watcher.fetchedAt.get(kind) ?? 0);
    }
    watcher.isCertain = true;
    // Whatever was fetched first is the oldest that it has.
    this.#parts.cursors.note(holder, Math.min(...watcher.fetchedAt.values())).catch((thrown: unknown) => {
      this.#parts.log.debug('not noted what a worker fetched', { reason: describeError(thrown) });
    });
    return view;
  }

  /**
   * Answers true as soon as the view differs from what the worker has, false after `holdMs`; exactly once,
   * maybe before it returns. Returns the way to give up, after which there is no answer.
   */
  wait(
    holder: DefinitionHolder,
    kinds: readonly DefinitionKind[],
    holdMs: number,
    answer: (changed: boolean) => void,
  ): () => void {
    const { organisation } = holder.scope;
    const watcher = this.#watcherOf(holder);
    const all = this.#waiting.get(organisation) ?? new Set<Waiting>();
    this.#waiting.set(organisation, all);
    const nowMs = this.#parts.clock.monotonicMs();
    for (const older of [...all]) {
      if (older.watcher === watcher && sameKinds(older.kinds, kinds)) this.#givenUp(older, nowMs);
    }
    const end = () => {
      waiting.holdTimer.cancel();
      waiting.dueTimer?.cancel();
      all.delete(waiting);
    };
    const finish = (changed: boolean) => {
      end();
      answer(changed);
    };
    const holdTimer = this.#parts.clock.after(Math.min(holdMs, watcher.patienceMs), () => finish(false));
    const waiting: Waiting = {
      watcher,
      sinceMs: nowMs,
      kinds,
      answer: finish,
      holdTimer,
      dueTimer: undefined,
    };
    all.add(waiting);
    this.#begin(holder, watcher, kinds);
    this.#consider(waiting);
    if (watcher.isCertain && all.has(waiting)) this.#keepUp(holder, watcher);
    return end;
  }

  /** The view in force. Throws CATALOG_NOT_READY. */
  viewOf(scope: ViewScope): View {
    return this.#parts.viewOf(scope);
  }

  /** The definitions of an organisation may have changed. */
  changed(organisation: OrganisationId): void {
    for (const waiting of [...(this.#waiting.get(organisation) ?? [])]) this.#consider(waiting);
  }

  /** Answers everybody who waits for this kind, or for any, with "no". */
  release(kind?: DefinitionKind): void {
    for (const all of this.#waiting.values()) {
      for (const waiting of [...all]) {
        if (kind === undefined || waiting.kinds.includes(kind)) waiting.answer(false);
      }
    }
  }

  /** The worker is gone. */
  forget(member: string): void {
    const watcher = this.#watchers.get(member);
    this.#watchers.delete(member);
    if (watcher === undefined || watcher.fetchedAt.size === 0) return;
    this.#parts.cursors.forget(watcher.holder).catch((thrown: unknown) => {
      this.#parts.log.debug('a cursor was not removed', { reason: describeError(thrown) });
    });
  }

  /** Its worker asks anew, so it waits for the answer no longer. */
  #givenUp(older: Waiting, nowMs: number): void {
    const waitedMs = nowMs - older.sinceMs;
    if (waitedMs >= patienceMsMin) {
      const { watcher } = older;
      watcher.patienceMs = Math.min(watcher.patienceMs, Math.floor(waitedMs * patienceShare));
    }
    older.answer(false);
  }

  /** Finds out what a worker has that has not fetched from this process. */
  #begin(holder: DefinitionHolder, watcher: Watcher, kinds: readonly DefinitionKind[]): void {
    const unseen = kinds.filter((kind) => !watcher.has.has(kind));
    const hashes = this.#hashesOf(watcher.holder.scope);
    if (unseen.length === 0 || hashes === undefined) return;
    for (const kind of unseen) watcher.has.set(kind, hashes[kind]);
    const mustFetch = () => {
      if (this.#watchers.get(holder.member) !== watcher || watcher.fetchedAt.size > 0) return;
      for (const kind of unseen) watcher.has.set(kind, unknownContent);
      for (const waiting of [...(this.#waiting.get(watcher.holder.scope.organisation) ?? [])]) {
        if (waiting.watcher === watcher) this.#consider(waiting);
      }
    };
    this.#parts.cursors.missed(holder, kinds).then(
      (missed) => {
        if (missed === false) watcher.isCertain = true;
        else if (missed === true) mustFetch();
        else this.#parts.clock.after(fetchExpectedMs, mustFetch);
      },
      (thrown: unknown) => {
        this.#parts.log.debug('what a worker holds cannot be told', { reason: describeError(thrown) });
        this.#parts.clock.after(fetchExpectedMs, mustFetch);
      },
    );
  }

  /** A worker that lacks nothing has, by its poll, what the log now says: the less there is to compare later. */
  #keepUp(holder: DefinitionHolder, watcher: Watcher): void {
    const { cursors, log } = this.#parts;
    const noted = async () => {
      const sequence = await cursors.newest(holder);
      const hashes = this.#hashesOf(watcher.holder.scope);
      if (hashes === undefined || this.#watchers.get(holder.member) !== watcher) return;
      for (const [kind, has] of watcher.has) if (has !== hashes[kind]) return;
      for (const kind of watcher.fetchedAt.keys()) watcher.fetchedAt.set(kind, sequence);
      await cursors.note(holder, sequence);
    };
    noted().catch((thrown: unknown) => {
      log.debug('not noted what a worker has', { reason: describeError(thrown) });
    });
  }

  #consider(waiting: Waiting): void {
    const { watcher, kinds } = waiting;
    const hashes = this.#hashesOf(watcher.holder.scope);
    if (hashes === undefined || !kinds.some((kind) => watcher.has.get(kind) !== hashes[kind])) return;
    const content = kinds.map((kind) => hashes[kind]).join(' ');
    const nowMs = this.#parts.clock.monotonicMs();
    const signalled = watcher.signalled.get(kinds.join(' '));
    const repeats = signalled?.content === content ? signalled.times : 0;
    const pauseMs = repeatAfterMs[Math.min(repeats, repeatAfterMs.length) - 1] ?? signalGapMs;
    const dueMs = signalled === undefined ? nowMs : signalled.atMs + pauseMs;
    waiting.dueTimer?.cancel();
    waiting.dueTimer = undefined;
    if (dueMs > nowMs) {
      waiting.dueTimer = this.#parts.clock.after(dueMs - nowMs, () => this.#consider(waiting));
      return;
    }
    watcher.signalled.set(kinds.join(' '), { content, atMs: nowMs, times: repeats + 1 });
    waiting.answer(true);
  }

  /** Undefined: nothing is known yet, so nothing can have changed. */
  #hashesOf(scope: ViewScope): KindHashes | undefined {
    try {
      return kindHashesOf(this.#parts.viewOf(scope));
    } catch (thrown) {
      if (thrown instanceof CausewayError && thrown.code === 'CATALOG_NOT_READY') return undefined;
      throw thrown;
    }
  }

  /** A worker whose tags were changed keeps what it has: that is what its new view is compared with. */
  #watcherOf(holder: DefinitionHolder): Watcher {
    const known = this.#watchers.get(holder.member);
    if (known !== undefined) {
      known.holder = holder;
      return known;
    }
    const watcher: Watcher = {
      holder,
      has: new Map(),
      fetchedAt: new Map(),
      isCertain: false,
      signalled: new Map(),
      patienceMs: Number.POSITIVE_INFINITY,
    };
    this.#watchers.set(holder.member, watcher);
    return watcher;
  }
}

function sameKinds(one: readonly DefinitionKind[], other: readonly DefinitionKind[]): boolean {
  return one.length === other.length && one.every((kind, index) => kind === other[index]);
}
