import type { NodeId, OrganisationId } from '../domain/identifiers.js';

/**
 * Analytics that a worker has summed up already: a JSON object by organisation, or for the MCP kind by API.
 */
export type AggregateKind = 'aggregate' | 'mcp-aggregate';

export interface SpooledBatch {
  /** Counts up without repeats over the life of the spool. */
  readonly position: number;
  readonly organisation: OrganisationId;
  readonly receivedAtMs: number;
  /** Undefined: records. */
  readonly kind?: AggregateKind | undefined;
  /** How many records the JSON array holds; 0 for aggregates, which are not counted as records. */
  readonly records: number;
  /** JSON, UTF-8: an array of analytics records, or what `kind` says. */
  readonly payload: Buffer;
}

/** What identifies a batch that may come again after a lost acknowledgement. */
export interface BatchIdentity {
  readonly organisation: OrganisationId;
  readonly node: NodeId;
  readonly batchId: string;
}

/** Durable queue between a worker's batch and the sink. */
export interface AnalyticsSpool {
  /**
   * Durable when it resolves. `identity` undefined: the wire has no batch ids.
   * Resolves to `duplicate` for a batch already taken. Rejects with LIMIT_EXCEEDED when the spool is full.
   */
  append(
    batch: Omit<SpooledBatch, 'position'>,
    identity: BatchIdentity | undefined,
  ): Promise<'taken' | 'duplicate'>;
  /** Oldest batches first, at most `limit`, without removing them. */
  peek(limit: number): Promise<readonly SpooledBatch[]>;
  /** Forgets everything up to and including `position`: the sink has it. */
  removeThrough(position: number): Promise<void>;
  /**
   * Forgets everything up to and including `position` and puts `parts` at the end, in one step: what could not be
   * taken whole stands in nobody's way. Not held to the bound: it was spooled before.
   */
  replace(position: number, parts: readonly Omit<SpooledBatch, 'position'>[]): Promise<void>;
  size(): Promise<{ readonly batches: number; readonly bytes: number }>;
}
