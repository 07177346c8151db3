import type { Change } from '../../domain/change.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { ChangeLog } from '../../ports/change-log.js';

/** Entries kept in memory for sessions that are nearly level. */
const keptEntriesMax = 4 * limits.deltaChangesMax;

/**
 * The newest entries of one organisation's log, read once for all views.
 * Older entries are read from the log itself, where they may have been trimmed.
 */
export class OrganisationTail {
  readonly #organisation: OrganisationId;
  readonly #changeLog: ChangeLog;
  #entries: Change[] = [];
  #newest = 0;

  constructor(organisation: OrganisationId, changeLog: ChangeLog) {
    this.#organisation = organisation;
    this.#changeLog = changeLog;
  }

  /** Newest sequence heard of. Whoever stands there has nothing to read. */
  get newest(): number {
    return this.#newest;
  }

  noteNewest(sequence: number): void {
    this.#newest = Math.max(this.#newest, sequence);
  }

  /** Entries after a position, oldest first, at most `limits.deltaChangesMax`. Rejects as the log does. */
  async read(afterSequence: number): Promise<readonly Change[]> {
    const oldest = this.#entries[0]?.sequence;
    if (oldest !== undefined && afterSequence >= oldest - 1) {
      const from = afterSequence - (oldest - 1);
      const kept = this.#entries.slice(from, from + limits.deltaChangesMax);
      if (kept.length > 0) return kept;
    }
    const read = await this.#changeLog.read(this.#organisation, afterSequence, limits.deltaChangesMax);
    this.#keep(read);
    return read;
  }

  #keep(entries: readonly Change[]): void {
    const newest = this.#entries[this.#entries.length - 1]?.sequence;
    const first = entries[0]?.sequence;
    if (first === undefined) return;
    if (newest !== undefined && first > newest + 1) this.#entries = [];
    for (const entry of entries) {
      const last = this.#entries[this.#entries.length - 1]?.sequence;
      if (last === undefined || entry.sequence === last + 1) this.#entries.push(entry);
    }
    if (this.#entries.length > keptEntriesMax) this.#entries = this.#entries.slice(-keptEntriesMax);
  }
}
