import { chmodSync, closeSync, openSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import { LmdbTable, type OnDamage } from './lmdb-table.js';
import type { TableName } from './table-names.js';

/**
 * One LMDB file with several tables.
 *
 * All writes go through `transact`: the callback runs on this thread inside a write transaction, sees its own
 * writes, and may decide on what it reads. Callbacks that arrive while a commit is under way share the next
 * one, so that many small writes cost one flush to disk.
 */
export class LmdbEnvironment {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #onDamage: OnDamage;
  readonly #tables = new Map<TableName, LmdbTable>();
  #open = true;

  /**
   * The file has to be whole, or new: the engine ends the process over a page that makes no sense, see mend-store.ts.
   * Throws DATA_FOLDER_UNUSABLE for one of a later version, and the errors of the file system.
   */
  constructor(file: string, onDamage: OnDamage = () => {}) {
    this.#onDamage = onDamage;
    // LMDB has no option for the mode of its files, and takes an empty one as new.
    for (const name of [file, `${file}-lock`]) {
      closeSync(openSync(name, 'a', 0o600));
      chmodSync(name, 0o600);
    }
    this.#root = open<Buffer, Buffer>({
      path: file,
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: 32,
      // A commit is on disk when it resolves. The overlapping kind answers before it is.
      overlappingSync: false,
      // With it, a failed commit also rejects a promise inside the library that nobody can catch.
      eventTurnBatching: false,
    });
    try {
      this.#root.transactionSync(() => this.#settleFormat(file));
    } catch (error) {
      void this.#root.close();
      throw error;
    }
  }

  table(name: TableName): LmdbTable {
    let table = this.#tables.get(name);
    if (table === undefined) {
      const options = { name, encoding: 'binary', keyEncoding: 'binary' } as const;
      table = new LmdbTable(name, this.#root.openDB<Buffer, Buffer>(options), this.#onDamage);
      this.#tables.set(name, table);
    }
    return table;
  }

  /** Of those that were ever opened. */
  tableNames(): readonly TableName[] {
    const keys = [...this.#root.getKeys({ start: firstKey })];
    return keys.map((key) => key.toString('utf8').replace(/\0$/, '') as TableName);
  }

  /** Records of the version before this one have no checksum: all get one, in one transaction. */
  #settleFormat(file: string): void {
    const unusable = (why: string) =>
      new CausewayError('DATA_FOLDER_UNUSABLE', `${file} cannot be opened: ${why}`);
    const names = this.tableNames();
    const format = this.table(formatTable);
    if (names.includes(formatTable)) {
      const [known] = format.getRange({ start: formatKey, limit: 1 });
      if (known?.value === undefined) throw unusable('its format cannot be read');
      if (known.value[0] !== sealedFormat) throw unusable('it was written by a later version of this hub');
      return;
    }
    for (const name of names) {
      if (!this.table(name).sealAll()) throw unusable('it is damaged: its format is missing');
    }
    format.put(formatKey, Buffer.from([sealedFormat]));
  }

  /** Nothing was ever written. */
  isBlank(): boolean {
    return this.tableNames().every(
      (name) =>
        name === formatTable || [...this.table(name).getKeys({ start: firstKey, limit: 1 })].length === 0,
    );
  }

  /**
   * Runs `change` in a write transaction; durable when it resolves. What `change` throws comes back as it
   * is, but what it wrote until then is committed: check first, then write. A failed commit is STORE_UNAVAILABLE.
   */
  transact<Result>(change: () => Result): Promise<Result> {
    return this.#run('transaction', change);
  }

  /** As `transact`, and of a `change` that throws nothing is written: for what must be whole or not at all. */
  transactWhole<Result>(change: () => Result): Promise<Result> {
    return this.#run('childTransaction', change);
  }

  async #run<Result>(kind: 'transaction' | 'childTransaction', change: () => Result): Promise<Result> {
    this.#checkOpen();
    let thrown: { readonly error: unknown } | undefined;
    try {
      return await this.#root[kind](() => {
        try {
          return change();
        } catch (error) {
          thrown = { error };
          throw error;
        }
      });
    } catch (error) {
      if (thrown !== undefined) throw thrown.error;
      throw unavailable(await commitFailure(error));
    }
  }

  /** Runs reads that must not touch a closed environment. Synchronous: it is memory, not a server. */
  read<Result>(run: () => Result): Result {
    this.#checkOpen();
    return run();
  }

  /** Waits for what was begun. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#root.close();
  }

  #checkOpen(): void {
    if (!this.#open) throw new CausewayError('STORE_UNAVAILABLE', 'the embedded store is closed');
  }
}

const formatTable = 'format';
const formatKey = Buffer.from('format');
/** One byte: every record begins with a checksum. */
const sealedFormat = 1;
const firstKey = Buffer.from([0]);

function unavailable(error: unknown): CausewayError {
  const { code } = error as { readonly code?: unknown };
  const why = noRoomCodes.has(code) ? ': the disk of causeway.data_path is full, or fails' : '';
  return new CausewayError('STORE_UNAVAILABLE', `the embedded store cannot be written${why}`, {
    detail: describeError(error),
    cause: error,
  });
}

/** ENOSPC, EDQUOT, EFBIG, MDB_MAP_FULL; and EIO, which LMDB makes of a write that came half way. */
const noRoomCodes: ReadonlySet<unknown> = new Set([28, 122, 27, -30_792, 5]);

/** The library hides the reason in a promise, which also has to be caught. */
async function commitFailure(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  );
}
