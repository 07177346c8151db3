import type { OrganisationId } from '../../domain/identifiers.js';
import { isRevocation } from '../../domain/key-event.js';
import { subjectOf } from '../../domain/key-event-subject.js';
import type { ChangeLog } from '../../ports/change-log.js';
import { AnswerSoFar, type BatchEvent, eventsOf, lastBySubject } from './key-event-batch.js';

/** Further entries searched for revocations that must not wait behind a backlog. */
const entriesMax = 5_000;

/**
 * Rights taken away overtake a backlog: of everything that loses one, the last event. It comes once more at its own
 * place, which does no harm.
 */
export class RevocationNotices {
  readonly #changeLog: ChangeLog;
  readonly #organisation: OrganisationId;
  /** Looked at up to here. */
  #through = 0;

  constructor(changeLog: ChangeLog, organisation: OrganisationId) {
    this.#changeLog = changeLog;
    this.#organisation = organisation;
  }

  /** Of the entries after `sequence` that were not looked at before; `before` goes out in the same answer. */
  async after(sequence: number, before: readonly BatchEvent[]): Promise<readonly BatchEvent[]> {
    const after = Math.max(sequence, this.#through);
    if (after >= sequence + entriesMax) return [];
    const entries = await this.#changeLog.read(this.#organisation, after, sequence + entriesMax - after);
    this.#through = entries[entries.length - 1]?.sequence ?? after;
    const ahead = eventsOf(entries);
    const last = lastBySubject(ahead);
    const losers = new Set(
      ahead.filter(({ event }) => isRevocation(event)).map(({ event }) => subjectOf(event)),
    );
    const answer = new AnswerSoFar();
    for (const { event } of before) answer.add(event);
    // What cannot be told together with the rest waits for its place.
    return [...losers].flatMap((subject) => {
      const notice = last.get(subject);
      if (notice === undefined || !answer.hasRoomFor(notice.event)) return [];
      answer.add(notice.event);
      return [notice];
    });
  }
}
