/** A value of the control plane's key space and how long it still lives. */
export interface StoredValue {
  readonly value: Buffer;
  /** Remaining life in milliseconds; undefined: does not expire. */
  readonly remainingTtlMs: number | undefined;
  /** Bytes of a value that was not read, because it is larger than was asked for; `value` is empty. */
  readonly oversize?: number;
}

export interface ReadOptions {
  /**
   * False: the caller does not look at `remainingTtlMs`, and a store for which that costs extra leaves it
   * undefined. Default true.
   */
  readonly ttl?: boolean;
  /** Of larger values only the size is told. Default `storedValueBytesMax`. */
  readonly valueBytesMax?: number;
}

/**
 * The control plane's key space, by its raw names (`apikey-...`, `oauth-data....`, `cert-raw-...`).
 * Knows nothing of organisations: scope is the caller's duty.
 *
 * Every method rejects with STORE_UNAVAILABLE when the store fails; "not there" is never a rejection.
 */
export interface KeyStore {
  /** One entry per name, in order; undefined: no such key. */
  getMany(names: readonly string[], options?: ReadOptions): Promise<readonly (StoredValue | undefined)[]>;
  /** Durable when it resolves. `ttlMs` undefined: never expires. */
  put(name: string, value: Buffer, ttlMs: number | undefined): Promise<void>;
  /** How many of the names existed. Durable when it resolves. */
  remove(names: readonly string[]): Promise<number>;
  /** Names starting with `prefix`, in pages of at most `pageSize`; order and repeats are unspecified. */
  scan(prefix: string, pageSize: number): AsyncIterable<readonly string[]>;
  /** Adds one to a counter; sets its life to `ttlMs` when the result is 1. */
  increment(name: string, ttlMs: number | undefined): Promise<number>;
  /**
   * Sliding window: drops marks older than `windowMs`, returns how many remain, then adds a mark at
   * `nowMs`. The count excludes the new mark.
   */
  addToWindow(name: string, windowMs: number, nowMs: number): Promise<number>;
}
