import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KnownRows, RowSink } from '../../src/ports/catalog-rows.js';
import { Postgres } from '../../src/stores/postgres/open-postgres.js';
import { openPostgresCatalog, openPostgresRows } from '../../src/stores/postgres/postgres-catalog.js';
import { writeRows } from '../../src/stores/postgres/seed-postgres.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import {
  apiRow,
  Loader,
  named,
  newId,
  organisation,
  policyRow,
  said,
  seedPeople,
} from '../contract/catalog.suite.js';
import { environment, openPostgresFixture, postgresConfiguration } from '../contract/catalog-fixtures.js';
import { startPostgres } from '../services/postgres.js';

const postgres = await startPostgres();
afterAll(() => postgres?.stop());
const clock = new SystemClock();
const ours = process.env['POSTGRES_URL'] ? undefined : postgres;

describe.skipIf(postgres === undefined)('the catalog in PostgreSQL', () => {
  let fixture: Awaited<ReturnType<typeof openPostgresFixture>>;
  let loader: Loader;
  const put = (table: Parameters<typeof fixture.put>[0], row: unknown) =>
    fixture.put(table, JSON.stringify(row));
  const sql = (text: string) => fixture.direct.run((session) => session.query(text));

  beforeEach(async () => {
    fixture = await openPostgresFixture(postgres!);
    loader = new Loader(fixture.catalog);
    await seedPeople(fixture);
  });
  afterEach(() => fixture.dispose());

  async function failure(): Promise<{ code: string; message: string }> {
    return fixture.catalog.load(loader.lastGood).then(
      () => ({ code: 'none', message: '' }),
      (thrown: unknown) => thrown as { code: string; message: string },
    );
  }

  it('reads only rows whose version differs', async () => {
    for (let index = 0; index < 250; index++) await put('apis', apiRow(`api-${index}`));
    const edited = apiRow('edited');
    await put('apis', edited);
    const rows = openPostgresRows(postgresConfiguration(fixture.url), clock);
    const known = new Map<string, string>();
    const read: string[] = [];
    const knownRows: KnownRows = {
      versionOf: (table, key) => known.get(`${table}/${key}`),
      keysOf: (table) =>
        [...known.keys()].filter((key) => key.startsWith(table)).map((key) => key.slice(table.length + 1)),
    };
    const sink: RowSink = {
      put: ({ table, key, version }) => {
        known.set(`${table}/${key}`, version);
        read.push(key);
      },
      broken: () => {},
      remove: (table, key) => known.delete(`${table}/${key}`),
    };
    await rows.refresh(knownRows, sink);
    expect(read).toHaveLength(255);
    read.length = 0;
    await rows.refresh(knownRows, sink);
    expect(read).toEqual([]);
    await sql(`update tyk_apis set name = 'x' where api_id = 'edited'`);
    await rows.refresh(knownRows, sink);
    expect(read).toEqual([edited._id]);
    await rows.close();
  });

  it('follows a migration of the schema under way, with prepared plans and without', async () => {
    await put('apis', apiRow('orders'));
    const before = await loader.load();
    await sql(
      `alter table tyk_apis add column enable_jwt boolean not null default true, alter column name type varchar(99)`,
    );
    const after = await loader.load();
    expect(said(named(after, 'orders').body)['enable_jwt']).toBe(true);
    expect(after.users[0]).toBe(before.users[0]);
    await sql('alter table tyk_apis drop column enable_jwt');
    expect(said(named(await loader.load(), 'orders').body)).not.toHaveProperty('enable_jwt');
    // As migrations do that cannot be done in place.
    await sql('create table new_apis (like tyk_apis including all)');
    await sql('insert into new_apis select * from tyk_apis');
    await sql('drop table tyk_apis');
    expect(await failure()).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await sql('alter table new_apis rename to tyk_apis');
    expect(named(await loader.load(), 'orders').name).toBe('The orders');
  });

  it('takes a table that was there for missing, not for empty', async () => {
    await put('client_idps', { _id: newId(), client_idp_id: 'idp', org_id: organisation, issuer: 'x' });
    expect((await loader.load()).definitions).toHaveLength(1);
    await sql('drop table tyk_client_idps');
    expect(await failure()).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('causeway.catalog_tables.client_idps') as string,
    });
  });

  it('says which right is missing', async () => {
    const role = `reader_${process.pid}`;
    await sql(`drop role if exists ${role}`);
    await sql(`create role ${role} login password 'reader-secret'`);
    const url = new URL(fixture.url);
    url.username = role;
    url.password = 'reader-secret';
    const catalog = openPostgresCatalog(postgresConfiguration(url.href), environment());
    const error = await catalog.load(() => []).catch((thrown: unknown) => thrown as Error);
    expect(String(error)).toContain(
      `the user ${role} may not read tyk_organisations; run: grant select on tyk_organisations to ${role}`,
    );
    await sql(`grant select on all tables in schema public to ${role}`);
    expect((await catalog.load(() => [])).users).toHaveLength(2);
    await catalog.stop(0);
    await sql(`drop owned by ${role}`);
    await sql(`drop role ${role}`);
  });

  it('reads other tables and columns where the operator says so, views among them', async () => {
    await put('apis', apiRow('orders'));
    await put('policies', policyRow('Gold'));
    await sql('create schema control');
    await sql(
      'create view control.apis as select _id, api_id, org_id, name, to_json(t)::text as blob from tyk_apis t',
    );
    await sql('drop table tyk_analytics_users cascade');
    await sql('create table people (id serial primary key, orgid text, apikey text, active boolean)');
    await sql(`insert into people (orgid, apikey, active) values ('${organisation}', 'k', true)`);
    const settings = {
      tables: { apis: 'control.apis', users: 'people' },
      columns: ['users.access_key=apikey', 'apis.definition=blob'],
    };
    const catalog = openPostgresCatalog(postgresConfiguration(fixture.url, settings), environment());
    const state = await catalog.load(() => []);
    expect(state.quarantined).toEqual([]);
    expect(state.users).toMatchObject([{ id: '1', accessKey: 'k', active: true }]);
    expect(named(state, 'orders')).toMatchObject({ name: 'The orders' });
    await sql(`update tyk_apis set name = 'Edited below the view'`);
    expect(named(await catalog.load(() => []), 'orders').name).toBe('Edited below the view');
    await catalog.stop(0);
  });

  it('leaves out what is marked as deleted', async () => {
    await put('apis', apiRow('orders'));
    await sql('alter table tyk_apis add column deleted_at timestamptz');
    expect((await loader.load()).definitions).toHaveLength(1);
    await sql('update tyk_apis set deleted_at = now()');
    expect((await loader.load()).definitions).toHaveLength(0);
  });

  it('reads every kind of column', async () => {
    await put('apis', apiRow('orders'));
    await sql(`alter table tyk_apis
      add column big numeric default 12345678901234567890.50, add column ratio float8 default 0.1,
      add column moment timestamptz default '2024-05-06 07:08:09.5+02', add column local timestamp default '2024-05-06 07:08:09',
      add column list text[] default '{a,"b,c"}', add column raw bytea default '{"a":9007199254740993}',
      add column quoted text default '["x"]', add column plain text default '[x', add column nothing text`);
    expect(said(named(await loader.load(), 'orders').body)).toMatchObject({
      ...{ ratio: 0.1, moment: '2024-05-06T05:08:09.500000Z', local: '2024-05-06T07:08:09.000000Z' },
      ...{ list: ['a', 'b,c'], raw: { a: '9007199254740993' }, quoted: ['x'], plain: '[x' },
    });
    expect(String(named(await loader.load(), 'orders').body)).toContain('"big":12345678901234567890.50');
    expect(said(named(await loader.load(), 'orders').body)).not.toHaveProperty('nothing');
  });

  it('is flat in memory under an edit a second, and cheap', { timeout: 120_000 }, async () => {
    const rows = Array.from({ length: 500 }, (_, index) => {
      return Buffer.from(
        JSON.stringify(apiRow(`api-${index}`, { config_data: { filler: 'x'.repeat(4_000) } })),
      );
    });
    await fixture.direct.run((session) => writeRows(session, 'tyk_apis', rows));
    const first = await loader.load();
    const held = () => process.memoryUsage().arrayBuffers;
    const edit = async (round: number) => {
      await sql(`update tyk_apis set name = 'round ${round}' where api_id = 'api-7'`);
      const state = await loader.load();
      expect(named(state, 'api-7').name).toBe(`round ${round}`);
      expect(named(state, 'api-8')).toBe(named(first, 'api-8'));
    };
    for (let round = 0; round < 20; round++) await edit(round);
    const before = held();
    for (let round = 20; round < 220; round++) await edit(round);
    // 200 edits of 4 KB; a copy of everything each time would be 400 MB.
    expect(held() - before).toBeLessThan(20_000_000);
  });
});

describe.skipIf(ours === undefined)('connections to PostgreSQL', () => {
  const url = () => new URL(ours?.url ?? 'postgres://x');
  const open = (connectionString: string, preferSimpleProtocol = false) =>
    new Postgres({ connectionString, preferSimpleProtocol, connectionsMax: 2, clock });
  async function tried(connectionString: string): Promise<string> {
    const connections = open(connectionString);
    try {
      const [row] = await connections.run((session) =>
        session.list(
          `select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)::text`,
        ),
      );
      return `ssl ${row?.[0]}`;
    } catch (thrown) {
      return connections.explain(thrown).message;
    } finally {
      await connections.close();
    }
  }
  const keywords = (more: string) =>
    `host=127.0.0.1 port=${url().port} user=postgres password=${url().password} dbname=postgres ${more}`;

  it('speaks TLS as sslmode says', async () => {
    const ca = ours?.caFile ?? '';
    expect(await tried(keywords('sslmode=disable'))).toBe('ssl false');
    expect(await tried(keywords('sslmode=allow'))).toBe('ssl false');
    expect(await tried(keywords('sslmode=prefer'))).toBe('ssl true');
    expect(await tried(keywords('sslmode=require'))).toBe('ssl true');
    expect(await tried(keywords(`sslmode=verify-ca sslrootcert=${ca}`))).toBe('ssl true');
    expect(await tried(keywords('sslmode=verify-ca'))).toContain('name its authority in sslrootcert');
    expect(await tried(keywords('sslmode=require sslrootcert=/nowhere.pem'))).toContain(
      'the file of sslrootcert cannot be read',
    );
  });

  it('goes on to the next host, and to one that takes writes', async () => {
    const hosts = `postgres://postgres:${url().password}@127.0.0.1:1,127.0.0.1:${url().port}/postgres?sslmode=disable`;
    expect(await tried(hosts)).toBe('ssl false');
    expect(await tried(`${hosts}&target_session_attrs=read-write`)).toBe('ssl false');
    expect(
      await tried(`${hosts}&target_session_attrs=read-write&default_transaction_read_only=on`),
    ).toContain('nothing listens at 127.0.0.1:1');
  });

  it('quotes values in simple queries', async () => {
    const connections = open(url().href, true);
    const odd = `it's \\ "$1" ; --`;
    const [row] = await connections.run((session) =>
      session.list('select $1::text, $2::text[], $3::int, $4::text', [odd, [odd, 'b'], 7, null]),
    );
    expect(row?.[0]).toBe(odd);
    expect(row?.slice(2)).toEqual(['7', null]);
    await connections.close();
  });

  it('is replaced when the server was away', async () => {
    const connections = open(url().href);
    const ask = () => connections.run((session) => session.list('select 1'));
    await ask();
    await ours?.crash?.();
    await expect(ask()).rejects.toThrow();
    await expect(ask()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await ours?.restart?.();
    expect(await ask()).toEqual([['1']]);
    await connections.close();
  });
});
