export interface BackoffOptions {
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Delays that double up to a bound, each cut by a random part of up to half: many who failed together do
 * not come back together, and none comes back at once (which jitter over the whole delay would allow).
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  nextDelayMs(): number {
    const { firstDelayMs, delayMsMax, random } = this.#options;
    // 2 ** 30 times anything is beyond every bound; without the cap the power ends in Infinity.
    const delayMs = Math.min(delayMsMax, firstDelayMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return delayMs * (1 - random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
