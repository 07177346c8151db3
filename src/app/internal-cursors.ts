import { isOnceCursor } from '../hub/fanout/worker-session.js';
import type { Cursor } from '../ports/change-log.js';

/** Cursors that say nothing about how far a worker is. */
export function isInternalCursor(cursor: Cursor): boolean {
  return isOnceCursor(cursor);
}
