import { isDefinitionCursor } from '../hub/distribution/definition-cursors.js';
import { isOnceCursor } from '../hub/fanout/worker-session.js';
import { isLookThroughMark } from '../hub/keyspace/look-through.js';
import { isHostCursor } from '../hub/keyspace/zone-feeds.js';
import type { Cursor } from '../ports/change-log.js';

/** Cursors that say nothing about how far a worker is. */
export function isInternalCursor(cursor: Cursor): boolean {
  return (
    isOnceCursor(cursor) || isHostCursor(cursor) || isDefinitionCursor(cursor) || isLookThroughMark(cursor)
  );
}
