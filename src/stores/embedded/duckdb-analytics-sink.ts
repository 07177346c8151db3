import { chmod, rename, rm, stat } from 'node:fs/promises';
import type { DuckDBAppender, DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type AnalyticsColumnKind, analyticsColumns } from '../../domain/analytics-columns.js';
import { type AnalyticsRow, emptyAnalyticsRow, readAnalyticsRecords } from '../../domain/analytics-record.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { RefusedRecord } from '../../ports/analytics-quarantine.js';
import type { AnalyticsSink, SetAside, SinkResult } from '../../ports/analytics-sink.js';
import type { SpooledBatch } from '../../ports/analytics-spool.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import { yieldTurn } from '../../std/yield-turn.js';

export interface DuckdbAnalyticsSinkOptions {
  readonly file: string;
  readonly log: Log;
  /**
   * Whose file it is. One of another data folder is not written to, because its spool position would hide batches,
   * unless it is to be adopted. Undefined: nobody asks.
   */
  readonly owner?: { readonly id: string; readonly adopt: boolean };
  /** There was one: if it is missing or empty now, analytics were lost, and that is said. */
  readonly expected?: boolean;
  /** Called each time the file has been opened. */
  readonly onOpened?: () => Promise<void>;
}

interface Opened {
  readonly module: typeof import('@duckdb/node-api');
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
}

/**
 * Analytics in a DuckDB file: table `tyk_analytics` with the columns of the field,
 * `tyk_analytics_aggregate_payloads` with what pumps have summed up, as they sent it, and
 * `causeway_spool_position`, which holds the position of the last batch stored, and `causeway_identity`, the data
 * folder that it belongs to.
 *
 * The engine takes a fifth of a second to load, so that it opens behind the start of the hub: until then
 * `notReady` says so and batches wait in the spool. An open that fails, for example because somebody looks at
 * the file with another program, is tried again by the next call.
 */
export class DuckdbAnalyticsSink implements AnalyticsSink, Component {
  readonly name = 'analytics-sink';
  readonly #options: DuckdbAnalyticsSinkOptions;
  #opening: Promise<Opened> | undefined;
  #trouble: string | undefined = 'the analytics store is opening';
  #stopped = false;
  #saidMissing = false;
  /** One transaction at a time: they share a connection. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: DuckdbAnalyticsSinkOptions) {
    this.#options = options;
  }

  /** Resolves at once; the file opens in the background. */
  async start(): Promise<void> {
    this.#open().catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Whoever stores has had the time to finish: what is under way is taken back, and stored after the next start.
    (await this.#opening?.catch(() => undefined))?.connection.interrupt();
    await this.#last.catch(() => {});
    await this.#discard();
    this.#trouble = 'the analytics store is closed';
  }

  notReady(): string | undefined {
    return this.#trouble;
  }

  store(batches: readonly SpooledBatch[], setAside: SetAside = async () => {}): Promise<SinkResult> {
    return this.#oneByOne(async (opened) => {
      const result = await inTransaction(opened.connection, 'COMMIT', () =>
        this.#append(opened, batches, setAside),
      );
      await this.#keepPrivate();
      return result;
    });
  }

  check(): Promise<number> {
    return this.#oneByOne(async ({ connection, module }) => {
      await inTransaction(connection, 'ROLLBACK', async () => {
        const appender = await connection.createAppender('tyk_analytics');
        try {
          appendRow(module, appender, emptyAnalyticsRow);
        } finally {
          appender.closeSync();
        }
      });
      return inTransaction(connection, 'COMMIT', async () => {
        const position = await readPosition(connection);
        await writePosition(connection, position);
        return position;
      });
    });
  }

  count(): Promise<number> {
    return this.#oneByOne(async ({ connection }) =>
      firstNumber(connection, 'SELECT count(*) FROM tyk_analytics'),
    );
  }

  async #append(opened: Opened, batches: readonly SpooledBatch[], setAside: SetAside): Promise<SinkResult> {
    const { connection, module } = opened;
    const stored = await readPosition(connection);
    const fresh = batches.filter((batch) => batch.position > stored);
    const newest = fresh.at(-1);
    if (newest === undefined) return { stored: 0, dropped: {} };
    for (const batch of fresh) if (batch.kind !== undefined) await insertAggregate(connection, batch);
    const appender = await connection.createAppender('tyk_analytics');
    const dropped: Record<string, number> = {};
    const refused: RefusedRecord[] = [];
    let rows = 0;
    let records = 0;
    try {
      for (const { kind, payload, position, organisation, records: announced } of fresh) {
        if (kind !== undefined) continue;
        let index = -1;
        for (const result of readAnalyticsRecords(payload, announced)) {
          index += 1;
          records += 1;
          // Parsing and appending is work of this thread: workers must not wait for a large batch.
          if (records % recordsPerTurn === 0) await yieldTurn();
          if (this.#stopped) throw new CausewayError('STORE_UNAVAILABLE', 'the analytics store is closing');
          if ('row' in result) {
            appendRow(module, appender, result.row);
            rows += 1;
            continue;
          }
          const { dropped: reason, element: text } = result;
          dropped[reason] = (dropped[reason] ?? 0) + 1;
          if (text === undefined || reason === 'null') continue;
          if (refused.length >= limits.analyticsQuarantinedAtOnceMax) continue;
          refused.push({ organisation, position, index, reason, text });
        }
      }
    } finally {
      appender.closeSync();
    }
    await writePosition(connection, newest.position);
    if (refused.length > 0) await setAside(refused);
    return { stored: rows, dropped };
  }

  async #oneByOne<Result>(run: (opened: Opened) => Promise<Result>): Promise<Result> {
    const turn = this.#last
      .catch(() => {})
      .then(async () => {
        const opened = await this.#open().catch((error: unknown) => {
          throw storeFault(error);
        });
        try {
          return await run(opened);
        } catch (error) {
          if (error instanceof CausewayError) throw error;
          const fault = faultOf(error);
          // After some failures, a full disk among them, the engine refuses everything until it is opened anew.
          if (fault !== 'item') await this.#discard();
          if (fault === 'unknown') throw error;
          throw fault === 'store' ? storeFault(error) : itemFault(error);
        }
      });
    this.#last = turn;
    return turn;
  }

  async #discard(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    opened?.connection.closeSync();
    opened?.instance.closeSync();
  }

  #open(): Promise<Opened> {
    if (this.#stopped) {
      return Promise.reject(new CausewayError('STORE_UNAVAILABLE', 'the analytics store is closed'));
    }
    this.#opening ??= this.#openFile().then(
      (opened) => {
        this.#trouble = undefined;
        return opened;
      },
      (error: unknown) => {
        this.#opening = undefined;
        this.#trouble = `the analytics store cannot be opened: ${firstLine(describeError(error))}`;
        this.#options.log.warn('the analytics store cannot be opened, batches wait in the spool', {
          reason: describeError(error),
        });
        throw error;
      },
    );
    return this.#opening;
  }

  async #openFile(): Promise<Opened> {
    const module = await import('@duckdb/node-api');
    const isNew = await isMissingOrEmpty(this.#options.file);
    if (isNew) await makeRoom(this.#options.file);
    const instance = await module.DuckDBInstance.create(this.#options.file, engineOptions);
    try {
      const connection = await instance.connect();
      await connection.run(createTables);
      await this.#claim(connection);
      await this.#keepPrivate();
      if (isNew && this.#options.expected === true && !this.#saidMissing) {
        this.#saidMissing = true;
        this.#options.log.error(
          'the analytics file was missing or empty: earlier analytics are lost, a new file was begun',
          {
            code: 'DATA_FOLDER_LOST',
            file: this.#options.file,
          },
        );
      }
      await this.#options.onOpened?.();
      return { module, instance, connection };
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  async #claim(connection: DuckDBConnection): Promise<void> {
    const { owner, file } = this.#options;
    if (owner === undefined) return;
    const known = await firstText(connection, 'SELECT id FROM causeway_identity');
    if (known === owner.id) return;
    if (known !== undefined && !owner.adopt) {
      throw new CausewayError(
        'STORE_UNAVAILABLE',
        `${file} belongs to another data folder; put the right file back, move it away, or start once with --accept-data-loss`,
      );
    }
    await connection.run('BEGIN TRANSACTION');
    // Positions count for the spool that gave them.
    if (known !== undefined) await connection.run('DELETE FROM causeway_spool_position');
    await connection.run('DELETE FROM causeway_identity');
    await connection.run('INSERT INTO causeway_identity VALUES ($1)', [owner.id]);
    await connection.run('COMMIT');
  }

  /** The engine has no option for the mode of its files, and makes its write-ahead log anew now and then. */
  async #keepPrivate(): Promise<void> {
    const { file } = this.#options;
    await Promise.all([file, `${file}.wal`].map((name) => chmod(name, 0o600).catch(() => {})));
  }
}

/** A guest in the process of the hub: little memory, one thread, and nothing fetched from the network. */
const engineOptions = {
  memory_limit: '256MB',
  threads: '1',
  autoinstall_known_extensions: 'false',
};

const recordsPerTurn = 200;

const columnTypes: Readonly<Record<AnalyticsColumnKind, string>> = {
  text: 'VARCHAR',
  integer: 'BIGINT',
  real: 'DOUBLE',
  boolean: 'BOOLEAN',
  time: 'TIMESTAMPTZ',
  list: 'VARCHAR',
  map: 'VARCHAR',
};

const createTables = `
CREATE TABLE IF NOT EXISTS tyk_analytics (
  ${analyticsColumns.map((column) => `"${column.name}" ${columnTypes[column.kind]}`).join(', ')}
);
CREATE TABLE IF NOT EXISTS tyk_analytics_aggregate_payloads (
  received_at TIMESTAMPTZ, organisation VARCHAR, kind VARCHAR, payload VARCHAR
);
CREATE TABLE IF NOT EXISTS causeway_spool_position (position BIGINT);
CREATE TABLE IF NOT EXISTS causeway_identity (id VARCHAR);`;

async function insertAggregate(connection: DuckDBConnection, batch: SpooledBatch): Promise<void> {
  await connection.run(
    `INSERT INTO tyk_analytics_aggregate_payloads VALUES (to_timestamp($1 / 1000), $2, $3, $4)`,
    [batch.receivedAtMs, batch.organisation, batch.kind ?? '', batch.payload.toString('utf8')],
  );
}

function appendRow(module: Opened['module'], appender: DuckDBAppender, row: AnalyticsRow): void {
  row.forEach((value, index) => {
    switch (analyticsColumns[index]?.kind) {
      case 'integer':
        appender.appendBigInt(BigInt(value));
        break;
      case 'real':
        appender.appendDouble(Number(value));
        break;
      case 'boolean':
        appender.appendBoolean(value === true);
        break;
      case 'time':
        appender.appendTimestampTZ(new module.DuckDBTimestampTZValue(BigInt(value)));
        break;
      default:
        appender.appendVarchar(String(value));
    }
  });
  appender.endRow();
}

async function inTransaction<Result>(
  connection: DuckDBConnection,
  end: 'COMMIT' | 'ROLLBACK',
  run: () => Promise<Result>,
): Promise<Result> {
  await connection.run('BEGIN TRANSACTION');
  try {
    const result = await run();
    await connection.run(end);
    return result;
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

function readPosition(connection: DuckDBConnection): Promise<number> {
  return firstNumber(connection, 'SELECT coalesce(max(position), 0) FROM causeway_spool_position');
}

async function writePosition(connection: DuckDBConnection, position: number): Promise<void> {
  await connection.run('DELETE FROM causeway_spool_position');
  await connection.run(`INSERT INTO causeway_spool_position VALUES (${position})`);
}

/**
 * Where a failure of the engine lies, by the words it begins with or holds.
 *
 * item: a value it does not take. amount: more at once than its memory holds; fewer may do. store: disk, file or
 * lock. Whatever else (a defect of ours, of the engine) is left to whoever can try both ways.
 */
function faultOf(error: unknown): 'item' | 'amount' | 'store' | 'unknown' {
  const said = describeError(error);
  // Before what may stand anywhere: such a message may repeat the value.
  if (/^(?:Conversion|Out of Range|Invalid Input|Mismatch Type|Constraint) Error/.test(said)) return 'item';
  if (/IO Error|No space left|\b(?:ENOSPC|EDQUOT|EIO|EROFS)\b|Connection Error|Could not set lock/.test(said))
    return 'store';
  if (/Out of Memory|failed to (?:pin|allocate)|could not allocate/i.test(said)) return 'amount';
  return 'unknown';
}

function storeFault(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  return new CausewayError('STORE_UNAVAILABLE', 'the analytics store cannot be used', {
    detail: describeError(error),
    cause: error,
  });
}

function itemFault(error: unknown): CausewayError {
  return new CausewayError('ANALYTICS_REFUSED', 'the analytics store does not take these records', {
    detail: firstLine(describeError(error)),
    cause: error,
  });
}

async function firstNumber(connection: DuckDBConnection, sql: string): Promise<number> {
  const reader = await connection.runAndReadAll(sql);
  return Number(reader.getRows()[0]?.[0] ?? 0);
}

async function firstText(connection: DuckDBConnection, sql: string): Promise<string | undefined> {
  const reader = await connection.runAndReadAll(sql);
  const value = reader.getRows()[0]?.[0];
  return typeof value === 'string' ? value : undefined;
}

async function isMissingOrEmpty(file: string): Promise<boolean> {
  try {
    return (await stat(file)).size === 0;
  } catch {
    return true;
  }
}

/** The engine takes neither an empty file nor the write-ahead log of another. */
async function makeRoom(file: string): Promise<void> {
  await rm(file, { force: true });
  await rename(`${file}.wal`, `${file}.wal.orphaned`).catch(() => {});
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
