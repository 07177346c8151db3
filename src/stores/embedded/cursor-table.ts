import { nodeId, organisationId, zoneId } from '../../domain/identifiers.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Cursor, CursorOwner } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { LoopProgress } from '../../ports/progress.js';
import { byteKey } from './byte-key.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

export interface CursorTableOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly progress?: LoopProgress | undefined;
}

/**
 * Cursors in memory, written behind: every acknowledgement moves one, and a move that a crash forgets only
 * makes the hub repeat what the worker already has.
 *
 * Table `cursors`: (organisation, zone, node) → JSON [organisation, zone, node, sequence, atMs].
 */
export class CursorTable {
  readonly #environment: LmdbEnvironment;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #table: LmdbTable;
  readonly #cursors = new Map<string, Cursor>();
  /** Moved or removed since the last write, by the same names as the cursors. */
  #changed = new Map<string, CursorOwner>();
  #timer: Timer | undefined;
  readonly #progress: LoopProgress | undefined;
  #failing = false;
  #closed = false;

  constructor(environment: LmdbEnvironment, options: CursorTableOptions) {
    this.#environment = environment;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#progress = options.progress;
    this.#table = environment.table('cursors');
    for (const { value } of this.#table.getRange({ start: firstKey })) {
      const cursor = value === undefined ? undefined : decode(value);
      if (cursor === undefined) {
        this.#log.error('cursor cannot be read, its owner starts anew', { code: 'STORE_ITEM_UNREADABLE' });
      } else this.#cursors.set(nameOf(cursor), cursor);
    }
  }

  get(owner: CursorOwner): Cursor | undefined {
    return this.#cursors.get(nameOf(owner));
  }

  all(): readonly Cursor[] {
    return [...this.#cursors.values()];
  }

  move(cursor: Cursor): void {
    if (this.#closed) throw new CausewayError('STORE_UNAVAILABLE', 'the embedded store is closed');
    const name = nameOf(cursor);
    const before = this.#cursors.get(name)?.sequence ?? 0;
    const { organisation, zone, node, atMs } = cursor;
    const moved = { organisation, zone, node, atMs, sequence: Math.max(before, cursor.sequence) };
    this.#cursors.set(name, moved);
    this.#changed.set(name, moved);
    this.#writeSoon();
  }

  /** Resolves when the move is on disk. */
  async moveDurably(cursor: Cursor): Promise<void> {
    this.move(cursor);
    await this.#write();
  }

  async remove(owner: CursorOwner): Promise<void> {
    const name = nameOf(owner);
    this.#cursors.delete(name);
    this.#changed.set(name, owner);
    await this.#write();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#write();
  }

  #writeSoon(delayMs = writeDelayMs): void {
    if (this.#closed) return;
    this.#timer ??= this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#write().catch((error: unknown) => {
        if (!this.#failing) {
          this.#log.warn('cursors could not be written, trying again', { reason: describeError(error) });
        }
        this.#failing = true;
        this.#writeSoon(rewriteDelayMs);
      });
    });
  }

  /** Takes the state at the moment of writing, so that of two writes the later has the later state. */
  async #write(): Promise<void> {
    if (this.#changed.size === 0) return;
    const changed = this.#changed;
    this.#changed = new Map();
    this.#progress?.hasWork();
    try {
      await this.#environment.transact(() => {
        for (const [name, { organisation, zone, node }] of changed) {
          const cursor = this.#cursors.get(name);
          const key = byteKey(organisation, zone, node);
          if (cursor === undefined) this.#table.remove(key);
          else this.#table.put(key, encode(cursor));
        }
      });
      this.#progress?.madeProgress();
      if (this.#failing) this.#log.info('cursors are written again');
      this.#failing = false;
    } catch (error) {
      for (const [name, owner] of changed) this.#changed.set(name, owner);
      throw error;
    }
  }
}

const writeDelayMs = 100;
/** After a failure. */
const rewriteDelayMs = 1_000;
const firstKey = Buffer.from([0]);

/** In memory; every acknowledgement makes one. The lengths keep apart what hangs together otherwise. */
function nameOf({ organisation, zone, node }: CursorOwner): string {
  return `${organisation.length} ${zone.length} ${organisation}${zone}${node}`;
}

function encode({ organisation, zone, node, sequence, atMs }: Cursor): Buffer {
  return Buffer.from(JSON.stringify([organisation, zone, node, sequence, atMs]), 'utf8');
}

function decode(value: Buffer): Cursor | undefined {
  try {
    const parts: unknown = JSON.parse(value.toString('utf8'));
    if (!Array.isArray(parts)) return undefined;
    const [organisation, zone, node, sequence, atMs]: unknown[] = parts;
    if (typeof organisation !== 'string' || typeof zone !== 'string' || typeof node !== 'string')
      return undefined;
    if (typeof sequence !== 'number' || typeof atMs !== 'number') return undefined;
    return {
      organisation: organisationId(organisation),
      zone: zoneId(zone),
      node: nodeId(node),
      sequence,
      atMs,
    };
  } catch {
    return undefined;
  }
}
