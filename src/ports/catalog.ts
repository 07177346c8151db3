import type { Definition } from '../domain/definition.js';
import type { Organisation, User } from '../domain/organisation.js';
import type { SwitchedOff } from '../domain/switched-off.js';

/** An item that could not be used, named for the operator. Its last good version stays in force. */
export interface QuarantinedItem {
  /** File path or table row. */
  readonly source: string;
  readonly reason: string;
}

/** Everything the control plane says at one moment. Immutable. */
export interface CatalogState {
  readonly organisations: readonly Organisation[];
  readonly users: readonly User[];
  readonly definitions: readonly Definition[];
  readonly quarantined: readonly QuarantinedItem[];
  /** What is no longer among `definitions` because a person switched it off: it is not gone. */
  readonly switchedOff: readonly SwitchedOff[];
}

/** Where organisations, users and definitions come from. */
export interface Catalog {
  /**
   * Reads the whole state. Unchanged items keep their identity between loads. Rejects with
   * STORE_UNAVAILABLE when it cannot be read: an error is never an empty list.
   *
   * `lastGood` gives the version in force of each item, by source: a quarantined item stays what it was.
   */
  load(lastGood: (source: string) => readonly Definition[]): Promise<CatalogState>;
  /** Calls back when something may have changed; the caller loads again. Returns the way to unsubscribe. */
  subscribe(onChange: () => void): () => void;
}
