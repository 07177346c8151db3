import { LRUCache } from 'lru-cache';
import { limits } from '../../domain/limits.js';
import type { Clock } from '../../ports/clock.js';
import { TokenBucket } from '../../std/token-bucket.js';

/** Counts failures per address. Bounded: the address whose last failure is longest ago is forgotten. */
export class FailedLogins {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: limits.failedLoginAddressesMax });

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Notes one more failure; false: there were too many in the last minute. */
  note(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      bucket = new TokenBucket({ capacity: this.#perMinute, tokensPerMinute: this.#perMinute }, nowMs);
      this.#buckets.set(address, bucket);
    }
    return bucket.take(nowMs);
  }
}
