import type { Change, NewChange } from '../domain/change.js';

/** Something that may have happened in another store by now, and that workers then must hear of. */
export interface Intention {
  readonly id: number;
  /** What it is about, in the other store. */
  readonly name: string;
  readonly changes: readonly NewChange[];
}

/**
 * Notes beside the change log, in the same engine: made before a write to a store that the log cannot share a
 * commit with, and taken back in the commit that logs the write. What is still noted at a start is not known to
 * be logged. Rejections are STORE_UNAVAILABLE.
 */
export interface ChangeIntentions {
  /** Durable when it resolves. */
  intend(name: string, changes: readonly NewChange[]): Promise<Intention>;
  /** Appends `changes` to the log, if there are any, and takes the note back, both or neither. */
  settle(intention: Intention, changes: readonly NewChange[]): Promise<readonly Change[]>;
  intentions(): Promise<readonly Intention[]>;
}
