import { catalogTables } from '../../domain/catalog-row.js';
import { knownTableNames } from '../../domain/catalog-tables.js';
import type { ControlPlaneSeed } from '../../domain/control-plane-seed.js';
import { membersOf, rootOf, textOf } from '../../domain/json-members.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import { quoteIdentifier } from './column-plan.js';
import { Postgres, type PostgresSession } from './open-postgres.js';

/** Rows of one table: for each column its type, and for each row its values as text. */
interface SeedTable {
  readonly types: ReadonlyMap<string, ColumnType>;
  readonly rows: readonly ReadonlyMap<string, string>[];
}

type ColumnType = 'text' | 'boolean' | 'bigint' | 'double precision' | 'jsonb';

/**
 * Writes a control plane into the database, one column per field, in one transaction. Rejects with
 * REQUEST_INVALID when one of the tables has rows already, and with STORE_UNAVAILABLE when the database is away.
 */
export async function seedPostgres(
  connectionString: string,
  seed: ControlPlaneSeed,
  clock: Clock,
): Promise<void> {
  const postgres = new Postgres({ connectionString, preferSimpleProtocol: false, connectionsMax: 1, clock });
  try {
    await postgres.run(async (session) => {
      await session.query('begin');
      await requireEmpty(session);
      for (const table of catalogTables) {
        await writeRows(session, knownTableNames[table][0] ?? table, seed[table]);
      }
      await session.query('commit');
    });
  } catch (thrown) {
    throw postgres.explain(thrown);
  } finally {
    await postgres.close();
  }
}

async function requireEmpty(session: PostgresSession): Promise<void> {
  for (const name of catalogTables.flatMap((table) => knownTableNames[table])) {
    const [exists] = await session.list('select to_regclass($1)::text', [name]);
    if (exists?.[0] === null || exists?.[0] === undefined) continue;
    const [row] = await session.list(`select 1 from ${exists[0]} limit 1`);
    if (row === undefined) continue;
    throw new CausewayError(
      'REQUEST_INVALID',
      `the database already holds a control plane: ${name} has rows; seed only fills empty stores`,
    );
  }
}

/** Writes JSON objects as rows, a column for each member; table and columns are made where they are missing. */
export async function writeRows(
  session: PostgresSession,
  name: string,
  texts: readonly Buffer[],
): Promise<void> {
  const table = describeTable(texts);
  const target = quoteIdentifier(name);
  await session.query(`create table if not exists ${target} (_id text primary key)`);
  for (const [column, type] of table.types) {
    await session.query(`alter table ${target} add column if not exists ${quoteIdentifier(column)} ${type}`);
  }
  const columns = [...table.types];
  if (columns.length === 0) return;
  const names = columns.map(([column]) => quoteIdentifier(column)).join(', ');
  const values = columns.map(([, type], index) => `$${index + 1}::text::${type}`).join(', ');
  for (const row of table.rows) {
    await session.query(
      `insert into ${target} (${names}) values (${values})`,
      columns.map(([column]) => row.get(column) ?? null),
    );
  }
}

function describeTable(texts: readonly Buffer[]): SeedTable {
  const types = new Map<string, ColumnType>();
  const rows = texts.map((text) => {
    const row = new Map<string, string>();
    for (const { name, value } of membersOf(text, rootOf(text))) {
      const json = text.toString('utf8', value.start, value.end);
      if (json === 'null') continue;
      const column = name.toLowerCase();
      const type = typeOf(json);
      const former = types.get(column);
      types.set(column, former === undefined || former === type ? type : wider(former, type));
      row.set(column, type === 'text' ? textOf(text, value) : json);
    }
    return row;
  });
  return { types, rows };
}

function typeOf(json: string): ColumnType {
  if (json.startsWith('"')) return 'text';
  if (json === 'true' || json === 'false') return 'boolean';
  if (/^-?\d+$/.test(json)) return 'bigint';
  return /^[[{]/.test(json) ? 'jsonb' : 'double precision';
}

function wider(a: ColumnType, b: ColumnType): ColumnType {
  const numbers: readonly ColumnType[] = ['bigint', 'double precision'];
  if (numbers.includes(a) && numbers.includes(b)) return 'double precision';
  throw new Error(`a column cannot hold both ${a} and ${b}`);
}
