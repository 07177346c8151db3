import { subjectOf } from '../../domain/key-event-subject.js';
import { type BatchEvent, batchOf, lastBySubject } from './key-event-batch.js';

/**
 * What was handed out last about each thing, as far as something earlier can still be handed out: batches come back
 * after later ones, and revocations go ahead of theirs. Bounded by the batches that are not confirmed.
 */
export class HandedEvents {
  readonly #last = new Map<string, BatchEvent>();

  note(events: readonly BatchEvent[]): void {
    for (const [subject, one] of lastBySubject(events)) this.#last.set(subject, one);
  }

  /** The events, and instead of each about which something later was handed out, the later one. */
  asItStands(events: readonly BatchEvent[]): readonly BatchEvent[] {
    return batchOf([...events, ...events.flatMap(({ event }) => this.#last.get(subjectOf(event)) ?? [])]);
  }

  /** Everything up to here has arrived: nothing as early as that comes again. */
  confirmed(through: number): void {
    for (const [subject, { sequence }] of this.#last) if (sequence <= through) this.#last.delete(subject);
  }
}
