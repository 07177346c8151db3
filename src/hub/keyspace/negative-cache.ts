import type { Clock } from '../../ports/clock.js';
import { Lru } from '../../std/lru.js';

/** Longer names are not remembered: bounded entries are to mean bounded memory. */
const nameLengthMax = 512;

/** Names of which the store said a moment ago that there is nothing. Unknown keys are the hot path. */
export class NegativeCache {
  readonly #clock: Clock;
  readonly #holdMs: number;
  readonly #absentUntilMs: Lru<string, number>;

  /** `holdMs` 0: nothing is remembered. */
  constructor(clock: Clock, holdMs: number, entriesMax: number) {
    this.#clock = clock;
    this.#holdMs = holdMs;
    this.#absentUntilMs = new Lru(entriesMax);
  }

  has(name: string): boolean {
    if (this.#absentUntilMs.size === 0) return false;
    const untilMs = this.#absentUntilMs.peek(name);
    if (untilMs === undefined) return false;
    if (untilMs > this.#clock.monotonicMs()) return true;
    this.#absentUntilMs.delete(name);
    return false;
  }

  add(name: string): void {
    if (this.#holdMs <= 0 || name.length > nameLengthMax) return;
    this.#absentUntilMs.set(name, this.#clock.monotonicMs() + this.#holdMs);
  }

  delete(name: string): void {
    this.#absentUntilMs.delete(name);
  }
}
