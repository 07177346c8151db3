import { LRUCache } from 'lru-cache';
import { limits } from '../../domain/limits.js';
import type { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';

/**
 * API keys that were refused a moment ago, by their digest: a worker with a bad key logs in every few seconds
 * for ever. Only refusals that are about the key are remembered; that a store fails says nothing about it.
 */
export class RefusedKeys {
  readonly #clock: Clock;
  readonly #holdMs: number;
  readonly #until = new LRUCache<string, { readonly untilMs: number; readonly error: CausewayError }>({
    max: limits.refusedKeysMax,
  });

  constructor(clock: Clock, holdMs: number) {
    this.#clock = clock;
    this.#holdMs = holdMs;
  }

  /** Why the key was refused, if that still holds. */
  find(digest: string): CausewayError | undefined {
    const known = this.#until.get(digest);
    if (known === undefined) return undefined;
    if (known.untilMs > this.#clock.monotonicMs()) return known.error;
    this.#until.delete(digest);
    return undefined;
  }

  note(digest: string, error: CausewayError): void {
    if (error.code !== 'API_KEY_REFUSED' && error.code !== 'ORGANISATION_REFUSED') return;
    this.#until.set(digest, { untilMs: this.#clock.monotonicMs() + this.#holdMs, error });
  }

  /** The people have changed: what was refused may be good now. */
  clear(): void {
    this.#until.clear();
  }
}
