import { type CatalogTable, catalogTables } from '../../domain/catalog-row.js';
import { type CatalogNames, candidateNames, renamedColumns } from '../../domain/catalog-tables.js';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { CatalogRow, CatalogRows, KnownRows, RowSink } from '../../ports/catalog-rows.js';
import { type Column, jsonOf, planTable, quoteIdentifier, type TablePlan } from './column-plan.js';
import type { Postgres, PostgresSession } from './open-postgres.js';
import { mayHeal } from './postgres-errors.js';

/** Rows in one answer: few enough that it is small beside what is kept of it. */
const rowsPerRead = 100;

/** Without these there is no control plane. */
const requiredTables: ReadonlySet<CatalogTable> = new Set(['organisations', 'users', 'apis', 'policies']);

/** A table as it was found. */
interface FoundTable {
  readonly table: CatalogTable;
  /** As it is written in a statement. */
  readonly sqlName: string;
  readonly name: string;
  /** SQL for what tells rows apart, and what it is called. */
  readonly key: string;
  readonly keyName: string;
  /** SQL for a text that differs when the row differs. */
  readonly version: string;
  readonly plan: TablePlan;
}

interface Shape {
  /** Differs when any table or column is another one. */
  readonly signature: string;
  readonly tables: readonly FoundTable[];
}

/**
 * The catalog's tables in PostgreSQL.
 *
 * A row's version is the transaction that wrote it (`xmin`), which the server keeps with every row anyway; of views,
 * and of engines without it, it is a hash of the row. A check is one digest of all versions, computed by the server:
 * only when it differs are versions listed, and only rows with another version are read. All of that happens in one
 * snapshot of the database.
 *
 * Tables and columns are looked up by the same check, so that a migration of the schema under way is followed.
 */
export class PostgresCatalogRows implements CatalogRows {
  readonly name = 'PostgreSQL catalog';
  readonly #postgres: Postgres;
  readonly #names: CatalogNames;
  readonly #renamed: ReadonlyMap<CatalogTable, ReadonlyMap<string, string>>;
  #shape: Shape | undefined;
  /** Tables once seen: they are missed when they are gone. */
  readonly #seen = new Set<CatalogTable>();
  /** Of all that was handed over completely. */
  #digest: string | undefined;

  /** Throws CONFIG_INVALID when the names cannot be read. */
  constructor(postgres: Postgres, names: CatalogNames) {
    const renamed = renamedColumns(names);
    if (typeof renamed === 'string') {
      throw new CausewayError('CONFIG_INVALID', `causeway.catalog_columns: ${renamed}`);
    }
    this.#postgres = postgres;
    this.#names = names;
    this.#renamed = renamed;
  }

  async refresh(known: KnownRows, sink: RowSink): Promise<void> {
    try {
      await this.#refreshOnce(known, sink);
    } catch (thrown) {
      if (!mayHeal(thrown)) throw this.#postgres.explain(thrown);
      // Another connection has no stale plan and finds the server that serves now.
      this.#shape = undefined;
      this.#postgres.refresh();
      await this.#refreshOnce(known, sink).catch((again: unknown) => {
        throw this.#postgres.explain(again);
      });
    }
  }

  /** Does what a refresh does short of handing over rows. Rejects like it. */
  async probe(): Promise<void> {
    try {
      await this.#postgres.run(async (session) => {
        await session.query('begin isolation level repeatable read read only');
        await digestOf(session, await this.#currentShape(session));
        await session.query('rollback');
      });
    } catch (thrown) {
      throw this.#postgres.explain(thrown);
    }
  }

  async wallClockMs(): Promise<number> {
    try {
      const [row] = await this.#postgres.run((session) =>
        session.list('select extract(epoch from clock_timestamp()) * 1000'),
      );
      return Number(row?.[0]);
    } catch (thrown) {
      throw this.#postgres.explain(thrown);
    }
  }

  close(): Promise<void> {
    return this.#postgres.close();
  }

  async #refreshOnce(known: KnownRows, sink: RowSink): Promise<void> {
    await this.#postgres.run(async (session) => {
      await session.query('begin isolation level repeatable read read only');
      try {
        await this.#read(session, known, sink);
        await session.query('commit');
      } catch (thrown) {
        this.#digest = undefined;
        await session.query('rollback').catch(() => undefined);
        throw thrown;
      }
    });
  }

  async #read(session: PostgresSession, known: KnownRows, sink: RowSink): Promise<void> {
    const shape = await this.#currentShape(session);
    const digest = await digestOf(session, shape);
    if (digest === this.#digest) return;
    for (const found of shape.tables) await readTable(session, shape, found, known, sink);
    for (const table of catalogTables) {
      if (shape.tables.some((found) => found.table === table)) continue;
      for (const key of [...known.keysOf(table)]) sink.remove(table, key);
    }
    this.#digest = digest;
  }

  async #currentShape(session: PostgresSession): Promise<Shape> {
    const candidates = catalogTables.flatMap((table) => candidateNames(this.#names, table));
    const [row] = await session.list(shapeSignature, [candidates.map(nameForLookup)]);
    const signature = row?.[0] ?? '';
    if (this.#shape?.signature === signature) return this.#shape;
    const tables: FoundTable[] = [];
    for (const table of catalogTables) {
      const found = await this.#findTable(session, table);
      if (found !== undefined) tables.push(found);
    }
    for (const { table } of tables) this.#seen.add(table);
    this.#shape = { signature, tables };
    return this.#shape;
  }

  async #findTable(session: PostgresSession, table: CatalogTable): Promise<FoundTable | undefined> {
    const candidates = candidateNames(this.#names, table);
    for (const candidate of candidates) {
      const [row] = await session.list(tableFacts, [nameForLookup(candidate)]);
      if (row === undefined) continue;
      const [oid = '', sqlName = '', kind = '', readable] = row as string[];
      const name = sqlName.replaceAll('"', '');
      if (readable !== 't') throw this.#noRight(name, sqlName);
      const columns = (await session.list(columnFacts, [oid])).map(
        ([column, type, category]): Column => ({
          name: column ?? '',
          type: type ?? '',
          category: category ?? '',
        }),
      );
      const renamed = this.#renamed.get(table) ?? new Map<string, string>();
      for (const [column, field] of renamed) {
        if (columns.some((one) => one.name === column)) continue;
        throw this.#unfit(`${table}.${field}=${column}`, name, columns);
      }
      const plan = planTable(table, columns, renamed);
      if (typeof plan === 'string') throw this.#unavailable(`the table ${name} ${plan}`);
      const version = await versionOf(session, sqlName, kind);
      return { table, sqlName, name, version, plan, ...(await keyOf(session, oid, columns)) };
    }
    if (!requiredTables.has(table) && !this.#seen.has(table) && this.#names.tables[table] === '')
      return undefined;
    const [place] = await session.list('select current_database(), current_user');
    const [database, user] = place ?? [];
    throw this.#unavailable(
      `the user ${user} finds no table ${candidates.join(' or ')} in the database ${database}; ` +
        `correct dbname or search_path, or name the table in causeway.catalog_tables.${table}`,
    );
  }

  /** A name that matches nothing would be ignored, and the field be missing without a word. */
  #unfit(entry: string, table: string, columns: readonly Column[]): CausewayError {
    const names = columns.map(({ name }) => name).slice(0, 40);
    return new CausewayError(
      'STORE_UNAVAILABLE',
      `causeway.catalog_columns: ${entry}: the table ${table} has no such column; it has ${names.join(', ')}`,
    );
  }

  #noRight(name: string, sqlName: string): CausewayError {
    const user = this.#postgres.address.user ?? 'this user';
    return this.#unavailable(
      `the user ${user} may not read ${name}; run: grant select on ${sqlName} to ${user}`,
    );
  }

  #unavailable(text: string): CausewayError {
    return new CausewayError('STORE_UNAVAILABLE', `analytics.connection_string: ${text}`);
  }
}

/** `schema.table` is taken apart; anything else is one name as it is written. */
function nameForLookup(name: string): string {
  return name
    .split('.')
    .map((part) => quoteIdentifier(part))
    .join('.');
}

const shapeSignature = `
  select md5(string_agg(coalesce(r.oid::text, '-') || ':' || coalesce(a.columns, ''), ',' order by n.position))
  from unnest($1::text[]) with ordinality as n(name, position)
  left join lateral (select to_regclass(n.name)::oid as oid) r on true
  left join lateral (
    select string_agg(attnum || ' ' || attname || ' ' || atttypid, ',' order by attnum) as columns
    from pg_catalog.pg_attribute where attrelid = r.oid and attnum > 0 and not attisdropped
  ) a on true`;

const tableFacts = `
  select c.oid::text, c.oid::regclass::text, c.relkind::text,
    case when has_table_privilege(c.oid, 'select') or has_any_column_privilege(c.oid, 'select') then 't' else 'f' end
  from pg_catalog.pg_class c where c.oid = to_regclass($1)`;

const columnFacts = `
  select a.attname::text, y.typname::text, y.typcategory::text
  from pg_catalog.pg_attribute a join pg_catalog.pg_type y on y.oid = a.atttypid
  where a.attrelid = $1::text::oid and a.attnum > 0 and not a.attisdropped order by a.attnum`;

const primaryKey = `
  select a.attname::text from pg_catalog.pg_index i
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
  where i.indrelid = $1::text::oid and i.indisprimary order by a.attnum`;

async function keyOf(
  session: PostgresSession,
  oid: string,
  columns: readonly Column[],
): Promise<{ readonly key: string; readonly keyName: string }> {
  const names = (await session.list(primaryKey, [oid])).map(([name]) => name ?? '');
  const usual = ['_id', 'id'].find((name) => columns.some((column) => column.name === name));
  const chosen = names.length > 0 ? names : usual === undefined ? [] : [usual];
  if (chosen.length === 0) return { key: 'md5(t::text)', keyName: 'row' };
  const parts = chosen.map((name) => {
    const bytes = columns.find((column) => column.name === name)?.type === 'bytea';
    const column = `t.${quoteIdentifier(name)}`;
    return bytes ? `encode(${column}, 'hex')` : `${column}::text`;
  });
  const [only] = parts;
  // A plain column can use its index.
  if (names.length === 1 && only !== undefined) return { key: only, keyName: names[0] ?? '' };
  // Rows without a value in a column that is no primary key would all be one.
  return { key: `coalesce(concat_ws('/', ${parts.join(', ')}), md5(t::text))`, keyName: chosen.join('/') };
}

/** Tables have `xmin`; views, foreign tables and some engines that speak the protocol do not. */
async function versionOf(session: PostgresSession, sqlName: string, kind: string): Promise<string> {
  const hash = 'md5(t::text)';
  if (kind !== 'r' && kind !== 'p') return hash;
  await session.query('savepoint version');
  try {
    await session.query(`select t.xmin::text from ${sqlName} t limit 0`);
    return 't.xmin::text';
  } catch (thrown) {
    await session.query('rollback to savepoint version');
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : '';
    if (code === '42703' || code === '0A000') return hash;
    throw thrown;
  }
}

/** One line for all tables: as many rows, in these versions. */
async function digestOf(session: PostgresSession, shape: Shape): Promise<string> {
  const parts = shape.tables.map(
    ({ sqlName, key, version }) =>
      `(select count(*) || ':' || coalesce(sum(hashtextextended(${key} || ' ' || ${version}, 0)), 0) from ${sqlName} t)`,
  );
  const [row] = await session.list(`select concat_ws(',', ${parts.join(', ')})`);
  return `${shape.signature},${row?.[0] ?? ''}`;
}

async function readTable(
  session: PostgresSession,
  shape: Shape,
  found: FoundTable,
  known: KnownRows,
  sink: RowSink,
): Promise<void> {
  const { table, sqlName, key, version } = found;
  const present = new Set<string>();
  const changed: string[] = [];
  for (const [rowKey, rowVersion] of await session.list(`select ${key}, ${version} from ${sqlName} t`)) {
    if (rowKey === null || rowKey === undefined) continue;
    present.add(rowKey);
    if (known.versionOf(table, rowKey) !== fullVersion(shape, rowVersion)) changed.push(rowKey);
  }
  for (let at = 0; at < changed.length; at += rowsPerRead) {
    await readRows(session, shape, found, changed.slice(at, at + rowsPerRead), sink);
  }
  for (const rowKey of [...known.keysOf(table)]) if (!present.has(rowKey)) sink.remove(table, rowKey);
}

async function readRows(
  session: PostgresSession,
  shape: Shape,
  found: FoundTable,
  keys: readonly string[],
  sink: RowSink,
): Promise<void> {
  const { table, sqlName, key, version, plan } = found;
  const selections = plan.document === undefined ? plan.selections : [...plan.selections, plan.document];
  // A row may be a gigabyte, and the driver hands it over whole: of one that is too large only the size is read.
  const cellNames = selections.map((_, index) => `c${index}`);
  const inner = selections.map(({ expression }, index) => `${expression} as c${index}`);
  const size = cellNames.map((name) => `coalesce(octet_length(${name}::text), 0)`).join(' + ') || '0';
  const bounded = cellNames.map((name) => `case when s <= ${limits.catalogFileBytesMax} then ${name} end`);
  const rows = `select ${[`${key} as k`, `${version} as v`, ...inner].join(', ')} from ${sqlName} t where ${key} = any($1::text[])`;
  const sized = `select *, ${size} as s from (${rows}) rows offset 0`;
  const text = `select ${['k', 'v', 's::text', ...bounded].join(', ')} from (${sized}) sized`;
  for (const values of await session.list(text, [keys])) {
    const [rowKey = '', rowVersion, rowBytes, ...cells] = values;
    const row = {
      table,
      key: rowKey ?? '',
      version: fullVersion(shape, rowVersion),
      source: `${found.name} ${found.keyName}=${rowKey}`,
    };
    if (Number(rowBytes) > limits.catalogFileBytesMax) {
      sink.broken(
        row,
        `${rowBytes} bytes are more than the limit of ${limits.catalogFileBytesMax} (catalogFileBytesMax)`,
      );
      continue;
    }
    const members = plan.selections.flatMap((selection, index) => {
      const json = jsonOf(selection, cells[index] ?? null);
      return json === undefined ? [] : [`${JSON.stringify(selection.field)}:${json}`];
    });
    const fields = Buffer.from(`{${members.join(',')}}`);
    if (plan.document === undefined) {
      sink.put({ ...row, fields, document: undefined });
      continue;
    }
    const document = documentOf(plan.document.reading, cells[plan.selections.length] ?? null);
    if (document === undefined) sink.broken(row, 'there is no definition in it');
    else sink.put({ ...row, fields, document } satisfies CatalogRow);
  }
}

function documentOf(reading: string, cell: string | null): Buffer | undefined {
  if (cell === null || cell === '' || cell === 'null') return undefined;
  return reading === 'bytes' ? Buffer.from(cell, 'hex') : Buffer.from(cell);
}

/** After a change of the columns every row is another one. */
function fullVersion(shape: Shape, version: string | null | undefined): string {
  return `${shape.signature} ${version}`;
}
