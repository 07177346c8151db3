import type { OrganisationId } from '../domain/identifiers.js';

/** An analytics record, or a whole batch of sums, that can never be stored. */
export interface RefusedRecord {
  readonly organisation: OrganisationId;
  /** Of its batch in the spool; with `index` its name. */
  readonly position: number;
  /** Its place in the batch. */
  readonly index: number;
  /** A short fixed word: it is also the label of a metric. */
  readonly reason: string;
  /** What was said about it, for a person; undefined: the reason says it all. */
  readonly detail?: string | undefined;
  /** JSON as it was received, or whatever stood in its place. */
  readonly text: Buffer;
}

export interface QuarantinedRecord extends RefusedRecord {
  /** When it was set aside, wall clock. */
  readonly atMs: number;
  /** Length of the whole; `text` holds its beginning, up to `limits.analyticsQuarantinedTextBytesMax`. */
  readonly bytes: number;
}

export interface QuarantineSummary {
  readonly records: number;
  /** Kept text. */
  readonly bytes: number;
  readonly byReason: Readonly<Record<string, number>>;
}

/** Where refused records are kept for a look. Bounded: the oldest go. Rejections are STORE_UNAVAILABLE. */
export interface AnalyticsQuarantine {
  /**
   * Durable when it resolves; one of the same name is replaced, so that it may be repeated after a crash.
   * Resolves to how many older ones had to go, and how many are kept now.
   */
  put(records: readonly RefusedRecord[]): Promise<{ readonly evicted: number; readonly kept: number }>;
  summary(): Promise<QuarantineSummary>;
  /** The newest first. */
  newest(limit: number): Promise<readonly QuarantinedRecord[]>;
}
