import type { Change, NewChange } from '../domain/change.js';
import type { NodeId, OrganisationId, ZoneId } from '../domain/identifiers.js';

export interface LogBounds {
  /** Sequence of the oldest entry still kept; newest + 1 when none is. */
  readonly oldest: number;
  /** Sequence of the newest entry; 0 when nothing was ever appended. */
  readonly newest: number;
}

/** Whose cursor it is. Over gorpc one cursor serves a zone; over gRPC each node has its own. */
export interface CursorOwner {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  readonly node: NodeId;
}

export interface Cursor extends CursorOwner {
  /** Everything up to and including this sequence is confirmed. */
  readonly sequence: number;
  /** When it last moved or was last seen, wall clock. */
  readonly atMs: number;
}

/**
 * Ordered, durable, bounded log of changes, one sequence per organisation, shared by all hubs.
 * Rejections are STORE_UNAVAILABLE unless stated.
 */
export interface ChangeLog {
  /** Names this log's history: another value means that sequence numbers start anew. */
  readonly epoch: string;
  /** It took the place of one that was lost: who has no cursor in it may have missed events. Default false. */
  readonly replaced?: boolean;
  /** Durable, numbered and in order when it resolves. */
  append(changes: readonly NewChange[]): Promise<readonly Change[]>;
  /**
   * Entries after `afterSequence`, oldest first, at most `limit`.
   * Rejects with CHANGE_LOG_TRIMMED when the next entry is no longer kept.
   */
  read(organisation: OrganisationId, afterSequence: number, limit: number): Promise<readonly Change[]>;
  bounds(organisation: OrganisationId): Promise<LogBounds>;
  /** Calls back after entries were appended, by whichever hub. Returns the way to unsubscribe. */
  subscribe(onAppended: (organisation: OrganisationId, newest: number) => void): () => void;

  readCursor(owner: CursorOwner): Promise<Cursor | undefined>;
  /** Never moves backwards: a lower sequence only renews `atMs`. Durable before the next start. */
  moveCursor(cursor: Cursor): Promise<void>;
  /** The same, but durable when it resolves: for what must not happen a second time after a crash. */
  moveCursorDurably(cursor: Cursor): Promise<void>;
  removeCursor(owner: CursorOwner): Promise<void>;
  cursors(): Promise<readonly Cursor[]>;
}
