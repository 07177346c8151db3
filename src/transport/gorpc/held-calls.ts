import type { Clock, Timer } from '../../ports/clock.js';
import type { GorpcCall } from './gorpc-call.js';

interface Held<Key> {
  readonly key: Key;
  readonly call: GorpcCall;
  readonly dueMs: number;
}

/**
 * Calls that wait for something that may happen at any moment, such as the login of their worker. All wait
 * equally long, so the first in is the first due, and one timer serves all.
 */
export class HeldCalls<Key> {
  readonly #clock: Clock;
  readonly #holdMs: number;
  readonly #onDue: (call: GorpcCall) => void;
  readonly #byKey = new Map<Key, Set<Held<Key>>>();
  readonly #queue = new Set<Held<Key>>();
  #timer: Timer | undefined;

  constructor(clock: Clock, holdMs: number, onDue: (call: GorpcCall) => void) {
    this.#clock = clock;
    this.#holdMs = holdMs;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#queue.size;
  }

  hold(key: Key, call: GorpcCall): void {
    const held: Held<Key> = { key, call, dueMs: this.#clock.monotonicMs() + this.#holdMs };
    const own = this.#byKey.get(key);
    if (own === undefined) this.#byKey.set(key, new Set([held]));
    else own.add(held);
    this.#queue.add(held);
    this.#timer ??= this.#clock.after(this.#holdMs, () => this.#onTimer());
  }

  /** The calls that waited for `key`, in the order they came; they wait no longer. */
  release(key: Key): readonly GorpcCall[] {
    const own = this.#byKey.get(key);
    if (own === undefined) return [];
    this.#byKey.delete(key);
    for (const held of own) this.#queue.delete(held);
    return [...own].map(({ call }) => call);
  }

  /** All calls; they wait no longer. */
  releaseAll(): readonly GorpcCall[] {
    const calls = [...this.#queue].map(({ call }) => call);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#byKey.clear();
    this.#queue.clear();
    return calls;
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const held of this.#queue) {
      if (held.dueMs > nowMs) {
        this.#timer ??= this.#clock.after(held.dueMs - nowMs, () => this.#onTimer());
        return;
      }
      this.#queue.delete(held);
      const own = this.#byKey.get(held.key);
      own?.delete(held);
      if (own?.size === 0) this.#byKey.delete(held.key);
      this.#onDue(held.call);
    }
  }
}
