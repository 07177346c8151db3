import type { SpooledBatch } from './analytics-spool.js';

export interface SinkResult {
  readonly stored: number;
  /** Records that can never be stored, by reason (a short fixed word). */
  readonly dropped: Readonly<Record<string, number>>;
}

/** Where analytics records end up. */
export interface AnalyticsSink {
  /**
   * Stores the batches in one transaction together with the position of the last one. A batch at or below
   * the stored position is skipped and not counted: after a crash between storing and `removeThrough`
   * nothing is stored twice. Rejects with STORE_UNAVAILABLE to try again later.
   */
  store(batches: readonly SpooledBatch[]): Promise<SinkResult>;
  /** Records in the store. For the demo and `causeway status`. */
  count(): Promise<number>;
}
