import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as mongodb from 'mongodb';
import { type CatalogTable, catalogTables, decodeRow } from '../../src/domain/catalog-row.js';
import { knownTableNames } from '../../src/domain/catalog-tables.js';
import type { Definition } from '../../src/domain/definition.js';
import type { Clock } from '../../src/ports/clock.js';
import { FolderCatalog } from '../../src/stores/folder/folder-catalog.js';
import { openMongoCatalog } from '../../src/stores/mongodb/mongo-catalog.js';
import { documentOf } from '../../src/stores/mongodb/seed-mongo.js';
import { Postgres } from '../../src/stores/postgres/open-postgres.js';
import { openPostgresCatalog } from '../../src/stores/postgres/postgres-catalog.js';
import { writeRows } from '../../src/stores/postgres/seed-postgres.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { MemoryCatalog } from '../memory/memory-catalog.js';
import { RecordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';
import type { MongoService } from '../services/ferretdb.js';
import type { PostgresService } from '../services/postgres.js';
import type { CatalogFixture } from './catalog.suite.js';
import { temporaryFolder } from './fixture.js';
import { openSeverableProxy } from './severable-proxy.js';

const clock: Clock = new SystemClock();
export const tableOf = (table: CatalogTable) => knownTableNames[table][0] ?? table;

export const noNames = {
  tables: { organisations: '', users: '', user_groups: '', apis: '', policies: '', client_idps: '' },
  columns: [],
};

/** The environment of a catalog under test. */
export const environment = () => ({
  clock,
  log: silentLog,
  metrics: new RecordingMetrics(),
  random: Math.random,
});

export interface CatalogSettings {
  readonly checkSeconds?: number;
  readonly simple?: boolean;
  readonly escapeDots?: boolean;
  readonly tables?: Partial<Record<CatalogTable, string>>;
  readonly columns?: readonly string[];
}

export function postgresConfiguration(connectionString: string, settings: CatalogSettings = {}) {
  return {
    analytics: { connectionString, postgres: { preferSimpleProtocol: settings.simple ?? false } },
    causeway: {
      catalogCheckSeconds: settings.checkSeconds ?? 0.05,
      catalogTables: { ...noNames.tables, ...settings.tables },
      catalogColumns: settings.columns ?? [],
    },
    escapeDotsInOasPaths: settings.escapeDots ?? false,
  };
}

export function mongoConfiguration(connectionString: string, settings: CatalogSettings = {}) {
  return {
    ...postgresConfiguration(connectionString, settings),
    analytics: {
      connectionString,
      mongo: {
        ...{ useSsl: false, sslInsecureSkipVerify: false, sslAllowInvalidHostnames: false },
        ...({
          sslCaFile: '',
          sslPemKeyFile: '',
          sessionConsistency: 'Strong',
          directConnection: true,
        } as const),
      },
    },
  };
}

/** One column per field, as it is seeded; `documents`: definitions whole, in one column of JSON. */
export async function openPostgresFixture(
  service: PostgresService,
  settings: CatalogSettings & { readonly documents?: boolean } = {},
): Promise<CatalogFixture & { readonly direct: Postgres; readonly url: string }> {
  const database = await service.createDatabase();
  const url = new URL(database.url);
  const proxy = await openSeverableProxy({ host: url.hostname, port: Number(url.port) || 5_432 });
  url.port = String(proxy.port);
  url.searchParams.set('sslmode', 'disable');
  const direct = new Postgres({
    ...{
      connectionString: `${database.url}?sslmode=disable`,
      preferSimpleProtocol: false,
      connectionsMax: 1,
      clock,
    },
  });
  const catalog = openPostgresCatalog(postgresConfiguration(url.href, settings), environment());
  await direct.run(async (session) => {
    for (const table of catalogTables) {
      await session.query(`create table ${tableOf(table)} (_id text primary key)`);
    }
    await session.query('alter table tyk_analytics_users add column accesskey text');
    if (settings.documents) {
      await session.query(
        'alter table tyk_apis add column api_id text, add column org_id text, add column name text, add column api_definition text, add column oas_doc text, add column user_owners jsonb, add column user_group_owners jsonb',
      );
      await session.query('alter table tyk_policies add column org_id text, add column definition json');
    } else {
      await session.query('alter table tyk_apis add column proxy jsonb');
      await session.query('alter table tyk_policies add column access_rights jsonb');
    }
    await session.query('alter table tyk_client_idps add column issuer text');
  });
  return {
    catalog,
    direct,
    url: url.href,
    form: 'database',
    put: (table, row) =>
      direct.run(async (session) => {
        const { _id: id } = JSON.parse(row) as { _id: string };
        await session.query('begin');
        await session.query(`delete from ${tableOf(table)} where _id = $1`, [id]);
        const whole = settings.documents ? wholeRow(table, row) : undefined;
        if (whole === undefined) await writeRows(session, tableOf(table), [Buffer.from(row)]);
        else await session.query(whole.text, whole.values);
        await session.query('commit');
      }),
    remove: (table, id) =>
      direct.run(async (session) => {
        await session.query(`delete from ${tableOf(table)} where _id = $1`, [id]);
      }),
    spoilApi: (id) =>
      direct.run(async (session) => {
        const spoil = settings.documents
          ? `api_definition = jsonb_set(api_definition::jsonb, '{proxy}', '"text"')::text`
          : `proxy = '"text"'`;
        await session.query(`update tyk_apis set ${spoil} where _id = $1`, [id]);
      }),
    cut: async () => proxy.cut(),
    heal: async () => proxy.heal(),
    dispose: async () => {
      await catalog.stop(0);
      await direct.close();
      await proxy.close();
      await database.drop();
    },
  };
}

/** A row as databases have it that keep definitions whole. */
function wholeRow(table: CatalogTable, row: string) {
  if (table !== 'apis' && table !== 'policies') return undefined;
  const { oas_doc, user_owners, user_group_owners, ...rest } = JSON.parse(row) as Record<string, unknown>;
  const { _id, api_id, org_id, name } = rest as Record<string, string>;
  if (table === 'policies') {
    return {
      text: 'insert into tyk_policies (_id, org_id, definition) values ($1, $2, $3::text::json)',
      values: [_id ?? '', org_id ?? '', row],
    };
  }
  const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  // The text as it was written: parsed and written again it would lose digits.
  const definition = oas_doc === undefined && user_owners === undefined ? row : JSON.stringify(rest);
  return {
    text: 'insert into tyk_apis values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb)',
    values: [
      ...[_id ?? '', api_id ?? '', org_id ?? '', name ?? '', definition],
      ...[json(oas_doc), json(user_owners), json(user_group_owners)],
    ],
  };
}

let databases = 0;

export async function openMongoFixture(
  service: MongoService,
  settings: CatalogSettings = {},
): Promise<CatalogFixture & { readonly database: mongodb.Db; readonly url: string }> {
  const url = new URL(service.url.replace(/^mongodb:/, 'http:'));
  const proxy = await openSeverableProxy({ host: url.hostname, port: Number(url.port) || 27_017 });
  const client = new mongodb.MongoClient(service.url);
  databases += 1;
  const name = `causeway_test_${process.pid}_${databases}`;
  const database = client.db(name);
  const proxied = `mongodb://127.0.0.1:${proxy.port}/${name}?serverSelectionTimeoutMS=500`;
  const catalog = openMongoCatalog(mongoConfiguration(proxied, settings), environment());
  for (const table of catalogTables) await database.createCollection(tableOf(table));
  const idOf = (id: string) =>
    ({ _id: mongodb.ObjectId.isValid(id) ? new mongodb.ObjectId(id) : id }) as never;
  return {
    catalog,
    database,
    url: proxied,
    form: 'database',
    put: async (table, row) => {
      const document = documentOf(mongodb, table, Buffer.from(row));
      await database
        .collection(tableOf(table))
        .replaceOne({ _id: document['_id'] }, document, { upsert: true });
    },
    remove: async (table, id) => {
      await database.collection(tableOf(table)).deleteOne(idOf(id));
    },
    spoilApi: async (id) => {
      await database.collection('tyk_apis').updateOne(idOf(id), { $set: { proxy: 'text' } });
    },
    cut: async () => proxy.cut(),
    heal: async () => proxy.heal(),
    dispose: async () => {
      await catalog.stop(0);
      await database.dropDatabase();
      await client.close();
      await proxy.close();
    },
  };
}

const folders: Readonly<Record<CatalogTable, string>> = {
  ...{ organisations: 'organisations', users: 'users', user_groups: 'user-groups', apis: 'apis' },
  ...{ policies: 'policies', client_idps: 'client-idps' },
};

export async function openFolderFixture(): Promise<CatalogFixture> {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'catalog');
  for (const name of Object.values(folders)) await mkdir(join(path, name), { recursive: true });
  const file = (table: CatalogTable, id: string, suffix = '') =>
    join(path, folders[table], `${id}${suffix}.json`);
  return {
    catalog: new FolderCatalog({ path, ...environment() }),
    form: 'plain',
    put: async (table, row) => {
      const { _id: id, oas_doc: oas } = JSON.parse(row) as { _id: string; oas_doc?: unknown };
      // The document first: a definition without it would be one that waits for it.
      if (oas !== undefined) await writeFile(file(table, id, '-oas'), JSON.stringify(oas));
      const text =
        oas === undefined ? row : JSON.stringify({ ...(JSON.parse(row) as object), oas_doc: undefined });
      await writeFile(file(table, id), inTheFilesSpelling(table, text));
    },
    remove: (table, id) => rm(file(table, id)),
    spoilApi: (id) =>
      writeFile(file('apis', id), JSON.stringify({ api_id: 'orders', org_id: 'x', proxy: 'text' })),
    cut: async () => {
      const { rename } = await import('node:fs/promises');
      await rename(path, `${path}-away`);
    },
    heal: async () => {
      const { rename } = await import('node:fs/promises');
      await rename(`${path}-away`, path);
    },
    dispose: folder.remove,
  };
}

function inTheFilesSpelling(table: CatalogTable, row: string): string {
  const own = table === 'policies' ? row : row.replace('"_id"', '"id"');
  return own
    .replace('"orgid"', '"org_id"')
    .replace('"emailaddress"', '"email_address"')
    .replace('"accesskey"', '"access_key"');
}

/** The fake that the hub is tested with, fed with rows. */
export async function openMemoryFixture(): Promise<CatalogFixture> {
  const catalog = new MemoryCatalog();
  const organisations = new Map<string, (typeof catalog.organisations)[number]>();
  const users = new Map<string, (typeof catalog.users)[number]>();
  const definitions = new Map<string, { readonly row: string; readonly definition: Definition }>();
  const refuse = (id: string, reason: string) => {
    const rest = catalog.quarantined.filter(({ source }) => source !== `memory ${id}`);
    catalog.quarantined = reason === '' ? rest : [...rest, { source: `memory ${id}`, reason }];
  };
  return {
    catalog,
    form: 'database',
    put: async (table, row) => {
      const { _id: id } = JSON.parse(row) as { _id: string };
      const known = definitions.get(id);
      if (known?.row === row) return;
      const text = { table, source: `memory ${id}`, fields: Buffer.from(row), document: undefined };
      const item = decodeRow(text, { unescapeDots: false });
      if (item.type === 'organisation') organisations.set(id, item.organisation);
      if (item.type === 'user') users.set(id, item.user);
      catalog.organisations = [...organisations.values()];
      catalog.users = [...users.values()];
      if (item.type !== 'definition') return;
      const { definition } = item;
      refuse(id, '');
      const taken = [...definitions.values()].some(
        (other) => other.definition.id === definition.id && other.definition.source !== definition.source,
      );
      if (taken) refuse(id, 'the api id is already that of another');
      else if (catalog.organisations.some((one) => one.id === definition.organisation)) {
        definitions.set(id, { row, definition });
        catalog.put(definition);
      }
    },
    remove: async (_table, id) => {
      const known = definitions.get(id);
      if (known !== undefined) catalog.remove(known.definition);
      definitions.delete(id);
    },
    spoilApi: async (id) => refuse(id, 'proxy: expected object, received string'),
    cut: async () => catalog.failAlways(),
    heal: async () => catalog.recover(),
    dispose: async () => {},
  };
}
