import type { Clock, Timer } from '../../src/ports/clock.js';

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that moves only when told to. Timers due at the same moment run in the order they were set. */
export class FakeClock implements Clock {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(startMs = 1_700_000_000_000) {
    this.#wallOffsetMs = startMs;
  }

  nowMs(): number {
    return this.#wallOffsetMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const pending = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Timers that have not run yet. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer; undefined: none is set. */
  get nextTimerInMs(): number | undefined {
    const next = this.#next(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs;
  }

  /** Moves time on and runs what falls due, each timer at its own moment; also timers set meanwhile. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) this.#fire(next);
    this.#monotonicMs = endMs;
  }

  /** Like `advance`, but lets promises settle before the first, after each and after the last timer. */
  async advanceAsync(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#fire(next);
      await settle();
    }
    this.#monotonicMs = endMs;
  }

  /** Moves the wall clock without moving time: what a correction of the host's clock does. */
  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  #next(endMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueMs > endMs) continue;
      if (
        first === undefined ||
        pending.dueMs < first.dueMs ||
        (pending.dueMs === first.dueMs && pending.order < first.order)
      ) {
        first = pending;
      }
    }
    return first;
  }

  #fire(pending: Pending): void {
    this.#pending.delete(pending);
    this.#monotonicMs = Math.max(this.#monotonicMs, pending.dueMs);
    pending.run();
  }
}

/** Lets every promise that can settle without I/O do so: a macrotask comes after all microtasks. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
