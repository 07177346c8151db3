import type { DefinitionKind } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { ViewScope } from '../../domain/view.js';
import type { Clock, Timer } from '../../ports/clock.js';
import { type KindHashes, kindHashesOf } from './kind-hashes.js';
import type { View } from './view-registry.js';

/** Two signals to one worker are at least this far apart: a burst of edits is one reload. */
const signalGapMs = 1_000;
/** A worker that was told and has not fetched is told again after this. */
const repeatAfterMs = 30_000;

/** What a worker waits for, and what it has. */
interface Watcher {
  readonly scope: ViewScope;
  /** Hash of each kind as last fetched, or as it was when the worker began to wait. */
  readonly has: Partial<Record<DefinitionKind, string>>;
  signalled: { readonly hashes: string; readonly atMs: number } | undefined;
  lastSignalMs: number;
}

interface Waiting {
  readonly member: string;
  readonly kinds: readonly DefinitionKind[];
  readonly answer: (changed: boolean) => void;
  timer: Timer;
}

/**
 * Long polls for "has my view changed?".
 *
 * Each worker's view is compared with what that worker fetched last, so an edit in somebody else's segment
 * wakes nobody, and an edit made between a fetch and the next poll is noticed. The answer comes at once, but
 * never twice for the same content unless the worker has not fetched it for {@link repeatAfterMs}; otherwise
 * the poll is held for its whole time, because an early "no" makes a gateway spin.
 */
export class ReloadSignals {
  readonly #clock: Clock;
  readonly #viewOf: (scope: ViewScope) => View;
  readonly #watchers = new Map<string, Watcher>();
  readonly #waiting = new Map<OrganisationId, Set<Waiting>>();

  constructor(clock: Clock, viewOf: (scope: ViewScope) => View) {
    this.#clock = clock;
    this.#viewOf = viewOf;
  }

  /** Notes what a worker was given. `kinds` are those that the answer contained. */
  fetched(member: string, scope: ViewScope, kinds: readonly DefinitionKind[]): void {
    const watcher = this.#watcherOf(member, scope);
    const hashes = kindHashesOf(this.#viewOf(scope));
    for (const kind of kinds) watcher.has[kind] = hashes[kind];
  }

  /** Resolves to true as soon as the view differs from what the worker has, to false after `holdMs`. */
  wait(
    member: string,
    scope: ViewScope,
    kinds: readonly DefinitionKind[],
    holdMs: number,
    onAbandoned: (abandon: () => void) => void,
  ): Promise<boolean> {
    const watcher = this.#watcherOf(member, scope);
    const hashes = kindHashesOf(this.#viewOf(scope));
    for (const kind of kinds) watcher.has[kind] ??= hashes[kind];
    return new Promise((resolve) => {
      const own = this.#waiting.get(scope.organisation) ?? new Set<Waiting>();
      this.#waiting.set(scope.organisation, own);
      const finish = (changed: boolean) => {
        waiting.timer.cancel();
        own.delete(waiting);
        resolve(changed);
      };
      const waiting: Waiting = {
        member,
        kinds,
        answer: finish,
        timer: this.#clock.after(holdMs, () => finish(false)),
      };
      own.add(waiting);
      onAbandoned(() => finish(false));
      this.#consider(waiting);
    });
  }

  /** The definitions of an organisation have changed. */
  changed(organisation: OrganisationId): void {
    for (const waiting of [...(this.#waiting.get(organisation) ?? [])]) this.#consider(waiting);
  }

  /** Answers everybody with "no": an unanswered poll would make the worker ask for a full push. */
  releaseAll(): void {
    for (const own of this.#waiting.values()) for (const waiting of [...own]) waiting.answer(false);
  }

  forget(member: string): void {
    this.#watchers.delete(member);
  }

  #consider(waiting: Waiting): void {
    const watcher = this.#watchers.get(waiting.member);
    if (watcher === undefined) return;
    const hashes = kindHashesOf(this.#viewOf(watcher.scope));
    const differs = (kind: DefinitionKind) =>
      watcher.has[kind] !== undefined && watcher.has[kind] !== hashes[kind];
    if (!waiting.kinds.some(differs)) return;
    const name = nameOf(hashes, waiting.kinds);
    const nowMs = this.#clock.monotonicMs();
    const { signalled } = watcher;
    const again = signalled?.hashes === name ? signalled.atMs + repeatAfterMs : 0;
    const dueMs = Math.max(again, watcher.lastSignalMs + signalGapMs);
    if (dueMs > nowMs) {
      this.#clock.after(dueMs - nowMs, () => this.#considerStill(waiting));
      return;
    }
    watcher.signalled = { hashes: name, atMs: nowMs };
    watcher.lastSignalMs = nowMs;
    waiting.answer(true);
  }

  #considerStill(waiting: Waiting): void {
    const watcher = this.#watchers.get(waiting.member);
    const open = watcher && this.#waiting.get(watcher.scope.organisation)?.has(waiting);
    if (open === true) this.#consider(waiting);
  }

  #watcherOf(member: string, scope: ViewScope): Watcher {
    const known = this.#watchers.get(member);
    if (known !== undefined && sameScope(known.scope, scope)) return known;
    const watcher: Watcher = {
      scope,
      has: {},
      signalled: undefined,
      lastSignalMs: Number.NEGATIVE_INFINITY,
    };
    this.#watchers.set(member, watcher);
    return watcher;
  }
}

function nameOf(hashes: KindHashes, kinds: readonly DefinitionKind[]): string {
  return kinds.map((kind) => hashes[kind]).join(' ');
}

function sameScope(a: ViewScope, b: ViewScope): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
