import { randomUUID } from 'node:crypto';
import type { Change, NewChange } from '../../domain/change.js';
import { decodeChangeContent, encodeChangeContent } from '../../domain/change-record.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { ChangeIntentions, Intention } from '../../ports/change-intentions.js';
import type { ChangeLog, Cursor, CursorOwner, LogBounds } from '../../ports/change-log.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { LoopProgress } from '../../ports/progress.js';
import { byteKey, lastNumberPart, numberPart, readNumberPart } from './byte-key.js';
import { CursorTable } from './cursor-table.js';
import { IntentionTable } from './intention-table.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

export interface LmdbChangeLogOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the writing of cursors. */
  readonly progress?: LoopProgress | undefined;
  /** Entries kept per organisation. Default `limits.changeLogEntriesMax`. */
  readonly entriesMax?: number;
  /** See ChangeLog. */
  readonly replaced?: boolean;
}

/**
 * Tables:
 *   changes       (organisation, sequence) → content of the change
 *   change-heads  (organisation)           → oldest, newest (8 bytes each)
 *   change-epoch  (`epoch`)                → text
 *   cursors       see CursorTable
 *   intentions    see IntentionTable
 *
 * Numbers are given inside the write transaction, so that a failed commit leaves no gap.
 */
export class LmdbChangeLog implements ChangeLog, ChangeIntentions {
  readonly epoch: string;
  readonly replaced: boolean;
  readonly #environment: LmdbEnvironment;
  readonly #log: Log;
  readonly #entriesMax: number;
  readonly #changes: LmdbTable;
  readonly #heads: LmdbTable;
  readonly #cursors: CursorTable;
  readonly #intentions: IntentionTable;
  readonly #listeners = new Set<(organisation: OrganisationId, newest: number) => void>();

  private constructor(environment: LmdbEnvironment, epoch: string, options: LmdbChangeLogOptions) {
    this.#environment = environment;
    this.epoch = epoch;
    this.replaced = options.replaced ?? false;
    this.#log = options.log;
    this.#entriesMax = Math.max(1, options.entriesMax ?? limits.changeLogEntriesMax);
    this.#changes = environment.table('changes');
    this.#heads = environment.table('change-heads');
    this.#cursors = new CursorTable(environment, options);
    this.#intentions = new IntentionTable(environment, options.log);
  }

  static async open(environment: LmdbEnvironment, options: LmdbChangeLogOptions): Promise<LmdbChangeLog> {
    const table = environment.table('change-epoch');
    const key = byteKey('epoch');
    if (!isReadable(environment)) {
      options.log.error('the change log is damaged; it starts anew, and workers get snapshots', {
        code: 'STORE_ITEM_UNREADABLE',
      });
      await forgetHistory(environment);
    }
    const kept = environment.read(() => table.get(key));
    const epoch = kept?.toString('utf8') ?? randomUUID();
    if (kept === undefined) await environment.transact(() => table.put(key, Buffer.from(epoch, 'utf8')));
    return new LmdbChangeLog(environment, epoch, options);
  }

  /** Writes the cursor moves still in memory. */
  close(): Promise<void> {
    return this.#cursors.close();
  }

  async append(changes: readonly NewChange[]): Promise<readonly Change[]> {
    return changes.length === 0 ? [] : this.appendWith(changes, () => {});
  }

  /** Together with what `write` writes to other tables of the same environment: both or neither. */
  async appendWith(changes: readonly NewChange[], write: () => void): Promise<readonly Change[]> {
    const contents = changes.map((change) => encodeChangeContent(change));
    const numbered = await this.#environment.transactWhole(() => {
      write();
      return this.#write(changes, contents);
    });
    const newestBy = new Map(numbered.map((change) => [change.organisation, change.sequence]));
    for (const [organisation, newest] of newestBy) this.#notify(organisation, newest);
    return numbered;
  }

  async read(organisation: OrganisationId, afterSequence: number, limit: number): Promise<readonly Change[]> {
    const { oldest, newest } = this.#bounds(organisation);
    if (afterSequence >= newest || limit <= 0) return [];
    if (afterSequence + 1 < oldest) throw trimmed(afterSequence + 1, oldest);
    return this.#environment.read(() => {
      const found: Change[] = [];
      const range = this.#changes.getRange({
        start: byteKey(organisation, afterSequence + 1),
        end: byteKey(organisation, newest + 1),
        limit,
      });
      for (const { key, value } of range) {
        const sequence = lastNumberPart(key);
        const content = value === undefined ? undefined : decodeChangeContent(value);
        // An entry that cannot be read counts as no longer kept: the worker then gets a snapshot, which
        // heals what the entry would have said. Leaving it out would lose a revocation without a word.
        if (content === undefined || sequence !== afterSequence + 1 + found.length) {
          this.#log.error('change log entry cannot be read', {
            code: 'STORE_ITEM_UNREADABLE',
            organisation,
            sequence,
          });
          if (found.length > 0) return found;
          throw trimmed(afterSequence + 1, sequence + 1);
        }
        found.push({ organisation, sequence, ...content });
      }
      return found;
    });
  }

  async bounds(organisation: OrganisationId): Promise<LogBounds> {
    return this.#bounds(organisation);
  }

  subscribe(onAppended: (organisation: OrganisationId, newest: number) => void): () => void {
    const listener: typeof onAppended = (organisation, newest) => onAppended(organisation, newest);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async readCursor(owner: CursorOwner): Promise<Cursor | undefined> {
    return this.#environment.read(() => this.#cursors.get(owner));
  }

  async moveCursor(cursor: Cursor): Promise<void> {
    this.#environment.read(() => this.#cursors.move(cursor));
  }

  moveCursorDurably(cursor: Cursor): Promise<void> {
    return this.#environment.read(() => this.#cursors.moveDurably(cursor));
  }

  removeCursor(owner: CursorOwner): Promise<void> {
    return this.#cursors.remove(owner);
  }

  async cursors(): Promise<readonly Cursor[]> {
    return this.#environment.read(() => this.#cursors.all());
  }

  intend(name: string, changes: readonly NewChange[]): Promise<Intention> {
    return this.#environment.transact(() => this.#intentions.add(name, changes));
  }

  settle({ id }: Intention, changes: readonly NewChange[]): Promise<readonly Change[]> {
    return this.appendWith(changes, () => this.#intentions.remove(id));
  }

  async intentions(): Promise<readonly Intention[]> {
    return this.#environment.read(() => this.#intentions.all());
  }

  #write(changes: readonly NewChange[], contents: readonly Buffer[]): readonly Change[] {
    const heads = new Map<OrganisationId, { oldest: number; newest: number }>();
    const numbered = changes.map((change, index) => {
      const { organisation } = change;
      const head = heads.get(organisation) ?? { ...this.#bounds(organisation) };
      heads.set(organisation, head);
      head.newest += 1;
      this.#changes.put(byteKey(organisation, head.newest), contents[index] ?? Buffer.alloc(0));
      return { ...change, sequence: head.newest };
    });
    for (const [organisation, head] of heads) {
      // A lowered bound is worked off over several appends, so that none of them stalls the hub.
      const excess = head.newest - head.oldest + 1 - this.#entriesMax;
      const removals = Math.min(excess, changes.length + trimmedPerAppendMax);
      for (let count = 0; count < removals; count += 1) {
        this.#changes.remove(byteKey(organisation, head.oldest));
        head.oldest += 1;
      }
      this.#heads.put(byteKey(organisation), Buffer.concat([byteKey(head.oldest), byteKey(head.newest)]));
    }
    return numbered;
  }

  #bounds(organisation: OrganisationId): LogBounds {
    const head = this.#environment.read(() => this.#heads.get(byteKey(organisation)));
    if (head === undefined) return { oldest: 1, newest: 0 };
    return { oldest: readNumberPart(head, 0), newest: readNumberPart(head, 8) };
  }

  #notify(organisation: OrganisationId, newest: number): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(organisation, newest);
      } catch (error) {
        this.#log.error('a subscriber of the change log failed', { reason: describeError(error) });
      }
    }
  }
}

/** Without its epoch or a head it cannot be told what has been said. */
function isReadable(environment: LmdbEnvironment): boolean {
  return (['change-epoch', 'change-heads'] as const).every((name) => {
    for (const { value } of environment.table(name).getRange({ start: firstKey })) {
      if (value === undefined) return false;
    }
    return true;
  });
}

/** The log that opens next is a new one: its epoch tells workers that their positions are of another. */
export async function forgetHistory(environment: LmdbEnvironment): Promise<void> {
  await environment.transact(() => clearHistory(environment));
}

/** The same, in a transaction. */
export function clearHistory(environment: LmdbEnvironment): void {
  for (const name of historyTables) {
    const table = environment.table(name);
    for (const key of [...table.getKeys({ start: firstKey })]) table.remove(key);
  }
}

/** In a transaction; of entries that were lost, and those before them: from then on the log has no hole. */
export function trimDamaged(environment: LmdbEnvironment): void {
  const changes = environment.table('changes');
  const heads = environment.table('change-heads');
  for (const { key: organisation, value } of [...heads.getRange({ start: firstKey })]) {
    if (value === undefined) continue;
    const newest = readNumberPart(value, 8);
    let oldest = newest + 1;
    const at = (sequence: number) => Buffer.concat([organisation, numberPart(sequence)]);
    while (oldest > readNumberPart(value, 0) && changes.has(at(oldest - 1))) oldest -= 1;
    for (const key of [...changes.getKeys({ start: at(0), end: at(oldest) })]) changes.remove(key);
    heads.put(organisation, Buffer.concat([numberPart(oldest), numberPart(newest)]));
  }
}

const historyTables = ['change-epoch', 'changes', 'change-heads', 'cursors', 'intentions'] as const;
const firstKey = Buffer.from([0]);
const trimmedPerAppendMax = 1_000;

function trimmed(wanted: number, oldest: number): CausewayError {
  return new CausewayError(
    'CHANGE_LOG_TRIMMED',
    `the change log starts at ${oldest}, entry ${wanted} is no longer kept`,
  );
}
