import type { Change } from '../../domain/change.js';
import { formatKeyEvent, isAtMostOnce, isRevocation, type KeyEvent } from '../../domain/key-event.js';

/** One event of a batch, with the place it has in the log. */
export interface BatchEvent {
  readonly sequence: number;
  readonly event: KeyEvent;
}

/**
 * The key events among log entries, ready to be handed to a zone: the last of equal events only (a worker
 * always fetches the present value), revocations first. Order matters in one case: a quota reset works only
 * together with the event of its key, so it never stands before it for want of being a revocation.
 */
export function batchOf(entries: readonly Change[]): readonly BatchEvent[] {
  const latest = new Map<string, BatchEvent>();
  for (const { sequence, body } of entries) {
    if (body.type !== 'key') continue;
    const text = formatKeyEvent(body.event);
    latest.delete(text);
    latest.set(text, { sequence, event: body.event });
  }
  const events = [...latest.values()];
  return [
    ...events.filter(({ event }) => isRevocation(event)),
    ...events.filter(({ event }) => !isRevocation(event)),
  ];
}

/** What of a batch may be handed out a second time. */
export function repeatable(events: readonly BatchEvent[]): readonly BatchEvent[] {
  return events.filter(({ event }) => !isAtMostOnce(event));
}
