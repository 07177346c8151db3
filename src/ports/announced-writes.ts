import type { NewChange } from '../domain/change.js';

/** One key that is written or removed, and what workers are to hear of it. */
export interface AnnouncedWrite {
  /** In the key store. */
  readonly name: string;
  /** Undefined: the key is removed; that it was not there is no failure. `ttlMs` as of KeyStore. */
  readonly stored: { readonly value: Buffer; readonly ttlMs: number | undefined } | undefined;
  readonly changes: readonly NewChange[];
}

/**
 * Writes of keys that workers must hear of. A key that is gone from the store and not from the log's readers is a
 * revocation that was lost, so neither may happen without the other, whenever the process dies.
 */
export interface AnnouncedWrites {
  /**
   * Store and change log have it, durably, when this resolves. When it rejects, or never answers, either both have
   * it, now or as soon as they can be written again, or neither has.
   */
  write(write: AnnouncedWrite): Promise<void>;
}
