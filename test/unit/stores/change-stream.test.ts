import { BSON, ObjectId } from 'mongodb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RowCatalog } from '../../../src/hub/distribution/row-catalog.js';
import { MongoCatalogRows } from '../../../src/stores/mongodb/mongo-catalog-rows.js';
import type { Mongo } from '../../../src/stores/mongodb/open-mongo.js';
import { noNames } from '../../contract/catalog-fixtures.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { RecordingMetrics } from '../../memory/recording-metrics.js';
import { silentLog } from '../../memory/silent-log.js';

type Event = Readonly<Record<string, unknown>>;

/** As much of a replica set as the catalog uses: the test servers at hand have no change streams. */
class FakeReplicaSet {
  readonly collections = new Map<string, Map<string, BSON.Document>>();
  /** Collections and how many documents were asked for: `all`, or so many by id. */
  readonly finds: string[] = [];
  streams = 0;
  pipeline = '';
  #deliver: ((event: Event | Error) => void) | undefined;

  put(collection: string, document: BSON.Document): void {
    const documents = this.collections.get(collection) ?? new Map<string, BSON.Document>();
    this.collections.set(collection, documents);
    documents.set(String(document['_id']), document);
    this.tell({ operationType: 'replace', ns: { coll: collection }, documentKey: { _id: document['_id'] } });
  }

  remove(collection: string, id: unknown): void {
    this.collections.get(collection)?.delete(String(id));
    this.tell({ operationType: 'delete', ns: { coll: collection }, documentKey: { _id: id } });
  }

  tell(event: Event | Error): void {
    this.#deliver?.(event);
  }

  database() {
    return {
      databaseName: 'fake',
      admin: () => ({ command: async () => ({ setName: 'rs' }) }),
      listCollections: () => ({
        toArray: async () => [...this.collections.keys()].map((name) => ({ name })),
      }),
      watch: (pipeline: readonly unknown[]) => {
        this.pipeline = JSON.stringify(pipeline);
        return this.#watch();
      },
      collection: (name: string) => ({
        find: (filter: { readonly _id?: { readonly $in: readonly unknown[] } }) => {
          const wanted = filter._id?.$in.map(String);
          this.finds.push(`${name} ${wanted?.length ?? 'all'}`);
          let left: Uint8Array[] = [...(this.collections.get(name) ?? [])]
            .filter(([id]) => wanted === undefined || wanted.includes(id))
            .map(([, document]) => BSON.serialize(document));
          return {
            hasNext: async () => left.length > 0,
            readBufferedDocuments: () => {
              const taken = left;
              left = [];
              return taken;
            },
            close: async () => {},
          };
        },
      }),
    };
  }

  #watch() {
    this.streams += 1;
    const waiting: (Event | Error)[] = [];
    let wake = () => {};
    let closed = false;
    this.#deliver = (event) => {
      waiting.push(event);
      wake();
    };
    return {
      tryNext: async () => null,
      close: async () => {
        closed = true;
        wake();
      },
      async *[Symbol.asyncIterator]() {
        while (!closed) {
          const event = waiting.shift();
          if (event instanceof Error) throw event;
          if (event !== undefined) yield event;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      },
    };
  }
}

const organisation = new ObjectId();
const api = (id: string, name = id) => ({
  _id: new ObjectId(),
  api_id: id,
  org_id: String(organisation),
  name,
  proxy: {},
});

let clock: FakeClock;
let server: FakeReplicaSet;
let catalog: RowCatalog;
let told: number;

beforeEach(async () => {
  clock = new FakeClock();
  server = new FakeReplicaSet();
  told = 0;
  const mongo = {
    database: async () => server.database(),
    explain: (thrown: unknown) => thrown,
    close: async () => {},
  } as unknown as Mongo;
  const environment = { clock, log: silentLog, random: () => 0 };
  catalog = new RowCatalog(
    {
      ...environment,
      metrics: new RecordingMetrics(),
      rows: new MongoCatalogRows(mongo, noNames, environment),
    },
    { checkPeriodMs: 5_000, unescapeDots: false, random: () => 0 },
  );
  server.put('tyk_organisations', { _id: organisation, owner_name: 'Main', hybrid_enabled: true });
  server.put('tyk_analytics_users', {
    _id: new ObjectId(),
    orgid: String(organisation),
    accesskey: 'k',
    active: true,
  });
  catalog.subscribe(() => {
    told += 1;
  });
  await catalog.load(() => []);
  await clock.advanceAsync(100);
  await catalog.load(() => []);
});
afterEach(() => catalog.stop(clock.monotonicMs() + 1_000));

const names = async () => (await catalog.load(() => [])).definitions.map(({ name }) => name);

it('reads what the stream names, and nothing else', async () => {
  const orders = api('orders');
  server.put('tyk_apis', orders);
  await clock.advanceAsync(100);
  expect(await names()).toEqual(['orders']);
  server.finds.length = 0;
  told = 0;

  server.put('tyk_apis', { ...orders, name: 'Edited' });
  server.put('tyk_apis', api('added'));
  await clock.advanceAsync(100);
  expect(told).toBeGreaterThan(0);
  expect(await names()).toEqual(['Edited', 'added']);
  expect(server.finds.every((find) => /^tyk_apis [12]$/.test(find))).toBe(true);

  server.remove('tyk_apis', orders._id);
  await clock.advanceAsync(100);
  expect(await names()).toEqual(['added']);
});

it('compares everything now and then all the same', async () => {
  server.finds.length = 0;
  await clock.advanceAsync(50_000);
  expect(server.finds).toEqual([]);
  await clock.advanceAsync(30_000);
  expect(server.finds).toEqual(['tyk_organisations all', 'tyk_analytics_users all']);
});

it('compares everything after a stream that broke, as what happened meanwhile went unseen', async () => {
  server.tell(new Error('the primary stepped down'));
  await clock.advanceAsync(100);
  server.collections.set('tyk_apis', new Map([['x', api('unseen')]]));
  server.finds.length = 0;
  await clock.advanceAsync(1_000);
  expect(server.streams).toBe(2);
  expect(server.finds).toContain('tyk_apis all');
  expect(await names()).toEqual(['unseen']);
});

it('compares everything when a collection was dropped or renamed', async () => {
  server.finds.length = 0;
  server.tell({ operationType: 'rename', ns: { coll: 'tyk_policies' } });
  await clock.advanceAsync(100);
  expect(server.finds).toContain('tyk_organisations all');
});

it('asks for nothing of the collections that hold analytics', () => {
  expect(server.pipeline).toContain('tyk_apis');
  expect(server.pipeline.indexOf('$match')).toBeLessThan(server.pipeline.indexOf('$project'));
});
