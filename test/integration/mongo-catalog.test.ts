import { Binary, Long, ObjectId } from 'mongodb';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openMongoCatalog } from '../../src/stores/mongodb/mongo-catalog.js';
import {
  apiRow,
  Loader,
  named,
  newId,
  oasDocument,
  organisation,
  said,
  seedPeople,
} from '../contract/catalog.suite.js';
import { environment, mongoConfiguration, openMongoFixture } from '../contract/catalog-fixtures.js';
import { eventually } from '../contract/fixture.js';
import { RecordingLog } from '../memory/silent-log.js';
import { startMongo } from '../services/ferretdb.js';

const mongo = await startMongo();
const withTls = await startMongo({ tls: true });
afterAll(() => Promise.all([mongo?.stop(), withTls?.stop()]));

describe.skipIf(mongo === undefined)('the catalog in MongoDB', () => {
  let fixture: Awaited<ReturnType<typeof openMongoFixture>>;
  let loader: Loader;

  beforeEach(async () => {
    fixture = await openMongoFixture(mongo!);
    loader = new Loader(fixture.catalog);
    await seedPeople(fixture);
  });
  afterEach(() => fixture.dispose());

  it('reads documents as a dashboard writes them', async () => {
    const { _id: _, ...api } = apiRow('orders');
    const owner = new ObjectId();
    await fixture.database.collection('tyk_apis').insertOne({
      ...api,
      is_oas: true,
      jwt_identit_base_field: 'sub',
      expire_analytics_after: Long.fromString('9007199254740993'),
      user_owners: [owner],
      user_group_owners: [owner],
      hook_references: [],
      graphql: {
        last_schema_update: new Date('2024-05-06T07:08:09Z'),
        engine: { data_sources: [{ config: new Binary(Buffer.from('{"url":"x"}')) }] },
      },
      oas_doc: oasDocument('Orders'),
    });
    await fixture.database.collection('tyk_policies').insertOne({
      org_id: organisation,
      name: 'Gold',
      rate: 5,
      access_rights: {
        orders: {
          apiname: 'Orders',
          apiid: 'orders',
          versions: ['Default'],
          limit: { ratelimit: { rate: 3, per: 2 }, quotamax: Long.fromNumber(-1) },
        },
      },
    } as never);
    const state = await loader.load();
    expect(state.quarantined).toEqual([]);
    const { body, oas, visibility } = named(state, 'orders');
    expect(visibility).toMatchObject({
      ownerUsers: [owner.toHexString()],
      ownerGroups: [owner.toHexString()],
    });
    expect(said(body)).toMatchObject({
      jwt_identity_base_field: 'sub',
      expire_analytics_after: '9007199254740993',
      graphql: {
        last_schema_update: '2024-05-06T07:08:09Z',
        engine: { data_sources: [{ config: { url: 'x' } }] },
      },
    });
    expect(said(body)['id']).toMatch(/^[0-9a-f]{24}$/);
    expect(JSON.parse(String(oas))).toEqual(oasDocument('Orders'));
    const policy = state.definitions.find(({ kind }) => kind === 'policy');
    expect(policy?.id).toMatch(/^[0-9a-f]{24}$/);
    expect(said(policy?.body ?? Buffer.from('{}'))).toMatchObject({
      _id: policy?.id,
      access_rights: {
        orders: {
          api_name: 'Orders',
          api_id: 'orders',
          versions: ['Default'],
          limit: { rate: 3, per: 2, quota_max: -1 },
        },
      },
    });
  });

  it('quarantines a document that JSON cannot hold', async () => {
    const row = apiRow('orders');
    await fixture.put('apis', JSON.stringify(row));
    await loader.load();
    await fixture.database
      .collection('tyk_apis')
      .updateOne({ api_id: 'orders' }, { $set: { session_lifetime: Number.POSITIVE_INFINITY } })
      .catch(() => undefined);
    const stored = await fixture.database.collection('tyk_apis').findOne({ api_id: 'orders' });
    // Not every server takes it.
    if (stored?.['session_lifetime'] !== Number.POSITIVE_INFINITY) return;
    const state = await loader.load();
    expect(state.quarantined).toEqual([
      { source: `tyk_apis _id=${row._id}`, reason: 'session_lifetime: a number that JSON cannot hold' },
    ]);
    expect(named(state, 'orders').name).toBe('The orders');
  });

  it('undoes escaped dots where the option says so', async () => {
    const document = { ...oasDocument('Orders'), paths: { '/orders\\u002ejson': { get: {} } } };
    await fixture.put('apis', JSON.stringify(apiRow('orders', { is_oas: true, oas_doc: document })));
    expect(String(named(await loader.load(), 'orders').oas)).toContain('/orders\\\\u002ejson');
    const catalog = openMongoCatalog(mongoConfiguration(fixture.url, { escapeDots: true }), environment());
    expect(String(named(await catalog.load(() => []), 'orders').oas)).toContain('"/orders.json"');
    await catalog.stop(0);
  });

  it('says that a collection is missing, and takes later ones for empty until they were seen', async () => {
    await fixture.database
      .collection('tyk_client_idps')
      .drop()
      .catch(() => undefined);
    const catalog = openMongoCatalog(mongoConfiguration(fixture.url), environment());
    expect((await catalog.load(() => [])).organisations).toHaveLength(2);
    await fixture.put(
      'client_idps',
      JSON.stringify({ _id: newId(), client_idp_id: 'idp', org_id: organisation }),
    );
    expect((await catalog.load(() => [])).definitions).toHaveLength(1);
    await fixture.database.collection('tyk_client_idps').drop();
    await expect(catalog.load(() => [])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('causeway.catalog_tables.client_idps') as string,
    });
    await catalog.stop(0);
    const mistyped = openMongoCatalog(
      mongoConfiguration(fixture.url, { tables: { policies: 'tyk_polices' } }),
      environment(),
    );
    await expect(mistyped.load(() => [])).rejects.toThrow(
      /no collection tyk_polices in .*catalog_tables.policies/,
    );
    await mistyped.stop(0);
    await fixture.database.collection('tyk_organisations').drop();
    const other = openMongoCatalog(mongoConfiguration(fixture.url), environment());
    await expect(other.load(() => [])).rejects.toThrow(
      /no collection tyk_organisations or tyk_organizations in the database/,
    );
    await other.stop(0);
  });

  it('reads other collections and fields where the operator says so', async () => {
    await fixture.database.collection('people').insertOne({ orgid: organisation, apikey: 'k', active: true });
    await fixture.database.collection('api_blobs').insertOne({ blob: apiRow('orders') } as never);
    const settings = {
      tables: { users: 'people', apis: 'api_blobs' },
      columns: ['users.access_key=apikey', 'apis.definition=blob'],
    };
    const catalog = openMongoCatalog(mongoConfiguration(fixture.url, settings), environment());
    const state = await catalog.load(() => []);
    expect(state.quarantined).toEqual([]);
    expect(state.users).toMatchObject([{ accessKey: 'k', active: true }]);
    expect(named(state, 'orders').name).toBe('The orders');
    await catalog.stop(0);
  });

  it('is quiet about a server without change streams, and finds changes all the same', async () => {
    const log = new RecordingLog();
    const catalog = openMongoCatalog(mongoConfiguration(fixture.url), { ...environment(), log });
    await catalog.load(() => []);
    let told = 0;
    catalog.subscribe(() => {
      told += 1;
    });
    await fixture.put('apis', JSON.stringify(apiRow('added')));
    await eventually('the change to be told', () => (told > 0 ? true : undefined));
    await eventually('the follower to give up', () =>
      log.lines.find(({ message }) => message.includes('no change stream')),
    );
    expect(log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    await catalog.stop(0);
  });
});

describe.skipIf(withTls?.caFile === undefined)('MongoDB with TLS', () => {
  const tried = async (url: string, options: Record<string, unknown>): Promise<string> => {
    const configuration = mongoConfiguration(url);
    const { analytics } = configuration;
    const catalog = openMongoCatalog(
      { ...configuration, analytics: { ...analytics, mongo: { ...analytics.mongo, ...options } } },
      environment(),
    );
    const message = await catalog
      .load(() => [])
      .then(
        () => 'loaded',
        (thrown: unknown) => (thrown as Error).message,
      );
    await catalog.stop(0);
    return message;
  };

  it('connects with the options of the configuration', async () => {
    const url = `${withTls?.url.replace(/\?.*/, '')}empty?serverSelectionTimeoutMS=1000`;
    const connected = 'there is no collection';
    const sslCaFile = withTls?.caFile;
    expect(await tried(url, { useSsl: true, sslCaFile })).toContain(connected);
    expect(await tried(url, { useSsl: true, sslInsecureSkipVerify: true })).toContain(connected);
    expect(await tried(url.replace('?', '?tls=true&'), { sslCaFile })).toContain(connected);
    expect(await tried(url, { useSsl: true })).toMatch(
      /^analytics\.mongo_ssl_ca_file: .* name its authority there/,
    );
    expect(await tried(url, {})).toMatch(/analytics\.mongo_use_ssl/);
    expect(await tried(url, { useSsl: true, sslCaFile: '/nowhere.pem' })).toContain('a file cannot be read');
  });
});
