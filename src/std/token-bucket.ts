export interface TokenBucketOptions {
  /** Tokens in a full bucket: the burst that is allowed. */
  readonly capacity: number;
  /** How fast an empty bucket fills. */
  readonly tokensPerMinute: number;
}

/** Allows a burst and then a steady rate. Starts full. Time is passed in and must not run backwards. */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #tokens: number;
  #filledAtMs: number;

  constructor(options: TokenBucketOptions, monotonicMs: number) {
    this.#options = options;
    this.#tokens = options.capacity;
    this.#filledAtMs = monotonicMs;
  }

  /** Takes one token; false when there is none. */
  take(monotonicMs: number): boolean {
    if (!this.hasToken(monotonicMs)) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Whether `take` would succeed. */
  hasToken(monotonicMs: number): boolean {
    const elapsedMs = Math.max(0, monotonicMs - this.#filledAtMs);
    this.#filledAtMs = monotonicMs;
    const refill = (elapsedMs * this.#options.tokensPerMinute) / 60_000;
    this.#tokens = Math.min(this.#options.capacity, this.#tokens + refill);
    return this.#tokens >= 1;
  }
}
