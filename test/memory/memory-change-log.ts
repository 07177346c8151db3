import type { Change, NewChange } from '../../src/domain/change.js';
import type { OrganisationId } from '../../src/domain/identifiers.js';
import { limits } from '../../src/domain/limits.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import type { ChangeIntentions, Intention } from '../../src/ports/change-intentions.js';
import type { ChangeLog, Cursor, CursorOwner, LogBounds } from '../../src/ports/change-log.js';
import type { Clock, Timer } from '../../src/ports/clock.js';
import { MemoryStore } from './memory-store.js';

export interface MemoryChangeLogOptions {
  readonly clock: Clock;
  /** Entries kept per organisation. */
  readonly entriesMax?: number;
  readonly epoch?: string;
  /** A cursor move is lost in a crash that comes sooner than this. 0: every move is durable at once. */
  readonly cursorFlushDelayMs?: number;
}

interface OrganisationLog {
  newest: number;
  readonly entries: Change[];
}

interface DurableState {
  readonly logs: Map<OrganisationId, OrganisationLog>;
  readonly cursors: Map<string, Cursor>;
  readonly intentions: Map<number, Intention>;
}

export class MemoryChangeLog extends MemoryStore implements ChangeLog, ChangeIntentions {
  readonly epoch: string;
  readonly #options: MemoryChangeLogOptions;
  readonly #logs: Map<OrganisationId, OrganisationLog>;
  readonly #durableCursors: Map<string, Cursor>;
  readonly #cursors: Map<string, Cursor>;
  readonly #intentions: Map<number, Intention>;
  readonly #listeners = new Set<(organisation: OrganisationId, newest: number) => void>();
  #flush: Timer | undefined;

  constructor(
    options: MemoryChangeLogOptions,
    state: DurableState = { logs: new Map(), cursors: new Map(), intentions: new Map() },
  ) {
    super();
    this.#options = options;
    this.epoch = options.epoch ?? 'epoch-1';
    this.#logs = state.logs;
    this.#durableCursors = state.cursors;
    this.#cursors = new Map(state.cursors);
    this.#intentions = state.intentions;
  }

  /** A crash: entries that resolved are there, cursors as they were last written. */
  restart(): MemoryChangeLog {
    this.sever();
    this.#flush?.cancel();
    const logs = new Map([...this.#logs].map(([id, log]) => [id, { ...log, entries: [...log.entries] }]));
    return new MemoryChangeLog(
      { ...this.#options, epoch: this.epoch },
      { logs, cursors: new Map(this.#durableCursors), intentions: new Map(this.#intentions) },
    );
  }

  /** What an orderly stop does: cursor moves become durable. */
  async close(): Promise<void> {
    this.flushCursors();
  }

  flushCursors(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    this.#durableCursors.clear();
    for (const [key, cursor] of this.#cursors) this.#durableCursors.set(key, cursor);
  }

  append(changes: readonly NewChange[]): Promise<readonly Change[]> {
    return this.#appending('append', changes, () => {});
  }

  intend(name: string, changes: readonly NewChange[]): Promise<Intention> {
    return this.operation('intend', () => {
      const intention = { id: Math.max(0, ...this.#intentions.keys()) + 1, name, changes };
      this.#intentions.set(intention.id, intention);
      return intention;
    });
  }

  settle({ id }: Intention, changes: readonly NewChange[]): Promise<readonly Change[]> {
    return this.#appending('settle', changes, () => this.#intentions.delete(id));
  }

  intentions(): Promise<readonly Intention[]> {
    return this.operation('intentions', () => [...this.#intentions.values()]);
  }

  async #appending(
    method: string,
    changes: readonly NewChange[],
    beside: () => void,
  ): Promise<readonly Change[]> {
    const newestBy = new Map<OrganisationId, number>();
    try {
      return await this.operation(method, () => {
        beside();
        return changes.map((change) => {
          const log = this.#logOf(change.organisation);
          log.newest += 1;
          newestBy.set(change.organisation, log.newest);
          const numbered = { ...change, sequence: log.newest };
          log.entries.push(numbered);
          if (log.entries.length > (this.#options.entriesMax ?? limits.changeLogEntriesMax))
            log.entries.shift();
          return numbered;
        });
      });
    } finally {
      for (const [organisation, newest] of newestBy) {
        for (const listener of [...this.#listeners]) listener(organisation, newest);
      }
    }
  }

  read(organisation: OrganisationId, afterSequence: number, limit: number): Promise<readonly Change[]> {
    return this.operation('read', () => {
      const log = this.#logs.get(organisation);
      if (log === undefined || afterSequence >= log.newest) return [];
      const oldest = oldestOf(log);
      if (afterSequence + 1 < oldest) {
        throw new CausewayError(
          'CHANGE_LOG_TRIMMED',
          `the change log starts at ${oldest}, entry ${afterSequence + 1} is no longer kept`,
        );
      }
      const start = afterSequence + 1 - oldest;
      return log.entries.slice(start, start + limit);
    });
  }

  bounds(organisation: OrganisationId): Promise<LogBounds> {
    return this.operation('bounds', () => {
      const log = this.#logs.get(organisation);
      return log === undefined ? { oldest: 1, newest: 0 } : { oldest: oldestOf(log), newest: log.newest };
    });
  }

  subscribe(onAppended: (organisation: OrganisationId, newest: number) => void): () => void {
    const listener: typeof onAppended = (organisation, newest) => onAppended(organisation, newest);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  readCursor(owner: CursorOwner): Promise<Cursor | undefined> {
    return this.operation('readCursor', () => this.#cursors.get(keyOf(owner)));
  }

  moveCursor(cursor: Cursor): Promise<void> {
    return this.operation('moveCursor', () => {
      this.#move(cursor);
      const delayMs = this.#options.cursorFlushDelayMs ?? 0;
      if (delayMs === 0) this.flushCursors();
      else this.#flush ??= this.#options.clock.after(delayMs, () => this.flushCursors());
    });
  }

  moveCursorDurably(cursor: Cursor): Promise<void> {
    return this.operation('moveCursorDurably', () => {
      const moved = this.#move(cursor);
      this.#durableCursors.set(keyOf(cursor), moved);
    });
  }

  #move(cursor: Cursor): Cursor {
    const key = keyOf(cursor);
    const before = this.#cursors.get(key)?.sequence ?? 0;
    const moved = { ...cursor, sequence: Math.max(before, cursor.sequence) };
    this.#cursors.set(key, moved);
    return moved;
  }

  removeCursor(owner: CursorOwner): Promise<void> {
    return this.operation('removeCursor', () => {
      this.#cursors.delete(keyOf(owner));
      this.#durableCursors.delete(keyOf(owner));
    });
  }

  cursors(): Promise<readonly Cursor[]> {
    return this.operation('cursors', () => [...this.#cursors.values()]);
  }

  #logOf(organisation: OrganisationId): OrganisationLog {
    const found = this.#logs.get(organisation);
    if (found !== undefined) return found;
    const made: OrganisationLog = { newest: 0, entries: [] };
    this.#logs.set(organisation, made);
    return made;
  }
}

function oldestOf(log: OrganisationLog): number {
  return log.newest - log.entries.length + 1;
}

function keyOf(owner: CursorOwner): string {
  return JSON.stringify([owner.organisation, owner.zone, owner.node]);
}
