import { limits } from '../../domain/limits.js';
import type { Clock } from '../../ports/clock.js';
import { Lru } from '../../std/lru.js';
import { TokenBucket } from '../../std/token-bucket.js';

/** Counts failures per address. Bounded: the address whose last failure is longest ago is forgotten. */
export class FailedLogins {
  readonly #clock: Clock;
  readonly #buckets = new Lru<string, TokenBucket>(limits.failedLoginAddressesMax);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes one more failure; false: there were too many in the last minute. */
  note(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      const perMinute = limits.failedLoginsPerMinuteMax;
      bucket = new TokenBucket({ capacity: perMinute, tokensPerMinute: perMinute }, nowMs);
      this.#buckets.set(address, bucket);
    }
    return bucket.take(nowMs);
  }
}
