import type { RefusedRecord } from './analytics-quarantine.js';
import type { SpooledBatch } from './analytics-spool.js';

export interface SinkResult {
  readonly stored: number;
  /** Records that can never be stored, by reason (a short fixed word). */
  readonly dropped: Readonly<Record<string, number>>;
}

/** Takes records that the sink will leave out; they are safe elsewhere when it resolves. */
export type SetAside = (records: readonly RefusedRecord[]) => Promise<void>;

/**
 * Where analytics records end up.
 *
 * A sink tells three kinds of failure apart, because what follows is different for each:
 *   ANALYTICS_REFUSED   lies in these batches, or in their amount; nothing of them was stored, and nothing
 *                       ever will be. They are divided until the record at fault stands alone.
 *   STORE_UNAVAILABLE   lies in the store: the same batches again, later.
 *   anything else       is not known, and `check` decides.
 */
export interface AnalyticsSink {
  /**
   * Stores the batches in one transaction together with the position of the last one. A batch at or below
   * the stored position is skipped and not counted: after a crash between storing and `removeThrough`
   * nothing is stored twice. Records that cannot be read are given to `setAside` before anything is stored.
   */
  store(batches: readonly SpooledBatch[], setAside?: SetAside): Promise<SinkResult>;
  /**
   * Goes every way that a store goes, with a record that has nothing in it and without keeping it. Resolves to
   * the position of the last batch stored when that works, so that what does not work with a batch lies in the
   * batch; rejects when the store is at fault.
   */
  check(): Promise<number>;
  /** Records in the store. For the demo and `causeway status`. */
  count(): Promise<number>;
}
