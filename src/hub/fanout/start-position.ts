import { createHash } from 'node:crypto';
import type { ViewKey } from '../../domain/view.js';
import type { Cursor, LogBounds } from '../../ports/change-log.js';
import type { SnapshotReason, SyncMode } from './frame-encoder.js';
import type { SessionHello } from './session-hello.js';

export interface StartPosition {
  readonly mode: SyncMode;
  readonly reason: SnapshotReason | undefined;
  /** Deltas follow after this sequence. */
  readonly sequence: number;
  /** The snapshot stands for everything about definitions up to here. */
  readonly definitionsThrough: number;
}

/** Names the log's history together with the view, so that a cursor made for other tags is not resumed. */
export function epochOf(logEpoch: string, view: ViewKey): string {
  return `${logEpoch}.${createHash('sha256').update(view).digest('hex').slice(0, 16)}`;
}

/**
 * Where a worker's stream starts.
 *
 * The worker's own cursor counts, because only the worker knows what it has applied. Definitions can always
 * be levelled by a snapshot; key events cannot, so even with a snapshot they are replayed from the last known
 * position where the log still has it: the worker's, else the one confirmed to the hub.
 */
export function startPosition(
  hello: Pick<SessionHello, 'cursor' | 'scope'>,
  logEpoch: string,
  view: ViewKey,
  bounds: LogBounds,
  confirmed: Cursor | undefined,
): StartPosition {
  const { cursor } = hello;
  const kept = (sequence: number) => sequence >= bounds.oldest - 1 && sequence <= bounds.newest;
  const snapshot = (reason: SnapshotReason, from: number | undefined): StartPosition => ({
    mode: 'snapshot',
    reason,
    sequence: from !== undefined && kept(from) ? from : bounds.newest,
    definitionsThrough: bounds.newest,
  });
  if (cursor === undefined) return snapshot('first-sync', confirmed?.sequence);
  if (!isOfLog(cursor.epoch, logEpoch)) return snapshot('epoch-changed', undefined);
  if (cursor.sequence > bounds.newest) return snapshot('epoch-changed', undefined);
  // Before the view: who has missed key events must hear of that, whatever else has changed.
  if (!kept(cursor.sequence)) return snapshot('fell-behind', undefined);
  if (cursor.epoch !== epochOf(logEpoch, view)) return snapshot('view-changed', cursor.sequence);
  return { mode: 'resume', reason: undefined, sequence: cursor.sequence, definitionsThrough: 0 };
}

/** The log's own name may hold dots, the digest behind it does not. */
function isOfLog(epoch: string, logEpoch: string): boolean {
  return epoch.slice(0, Math.max(0, epoch.lastIndexOf('.'))) === logEpoch;
}
