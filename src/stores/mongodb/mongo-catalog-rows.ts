import { createHash } from 'node:crypto';
import type { Collection, Db, Document, Filter } from 'mongodb';
import { type CatalogTable, catalogTables } from '../../domain/catalog-row.js';
import {
  type CatalogNames,
  candidateNames,
  knownTableNames,
  renamedColumns,
} from '../../domain/catalog-tables.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { CatalogRows, KnownRows, RowSink } from '../../ports/catalog-rows.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { bsonToJson, topLevelText, UnwritableDocument } from './bson-json.js';
import { type BsonNames, bsonNames } from './bson-names.js';
import { ChangeFollower, type StreamedChange } from './change-stream.js';
import { serverCodeOf } from './mongo-errors.js';
import type { Mongo } from './open-mongo.js';

export interface MongoCatalogEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Documents in one answer: few enough that it is small beside what is kept of it. */
const documentsPerBatch = 100;
/** Beyond so many in one collection, all of it is compared instead. */
const namedDocumentsMax = 10_000;
/** While a change stream tells of every change, everything is compared this often all the same. */
const fullComparePeriodMs = 60_000;

/** Without these nobody could log in. Other collections come into being with their first document. */
const requiredTables: ReadonlySet<CatalogTable> = new Set(['organisations', 'users']);

interface FoundCollection {
  readonly table: CatalogTable;
  readonly name: string;
}

/**
 * The catalog's collections in MongoDB, or in a database that speaks its protocol.
 *
 * A document's version is a hash of its bytes: there is no other mark of a change on which all writers agree. So a
 * check reads all documents, batch by batch, and keeps nothing of those that it knows. Where the server has a change
 * stream, a check reads what the stream named, and everything only now and then.
 */
export class MongoCatalogRows implements CatalogRows {
  readonly name = 'MongoDB catalog';
  readonly #mongo: Mongo;
  readonly #environment: MongoCatalogEnvironment;
  readonly #names: CatalogNames;
  readonly #fieldNames: ReadonlyMap<CatalogTable, BsonNames>;
  readonly #seen = new Set<CatalogTable>();
  #follower: ChangeFollower | undefined;
  /** Named by the stream since the last refresh: ids by collection. */
  #dirty = new Map<string, unknown[]>();
  #fullSinceMs: number | undefined;

  /** Throws CONFIG_INVALID when the names cannot be read. */
  constructor(mongo: Mongo, names: CatalogNames, environment: MongoCatalogEnvironment) {
    const renamed = renamedColumns(names);
    if (typeof renamed === 'string') {
      throw new CausewayError('CONFIG_INVALID', `causeway.catalog_columns: ${renamed}`);
    }
    this.#mongo = mongo;
    this.#environment = environment;
    this.#names = names;
    this.#fieldNames = new Map(
      catalogTables.map((table) => [table, withOperatorsNames(bsonNames[table], renamed.get(table))]),
    );
  }

  watch(onChange: () => void): () => void {
    const follower = new ChangeFollower({
      ...this.#environment,
      mongo: this.#mongo,
      collections: catalogTables.flatMap((table) => candidateNames(this.#names, table)),
      onChange: (change) => {
        this.#note(change);
        onChange();
      },
    });
    this.#follower = follower;
    return () => {
      follower.stop();
      if (this.#follower === follower) this.#follower = undefined;
    };
  }

  async refresh(known: KnownRows, sink: RowSink, thorough: boolean): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = new Map();
    const startedMs = this.#environment.clock.monotonicMs();
    const full =
      this.#fullSinceMs === undefined || this.#follower?.live !== true || this.#isDue(thorough, startedMs);
    try {
      const database = await this.#mongo.database();
      const collections = await this.#find(database);
      for (const found of collections) {
        if (full) await this.#compare(database, found, known, sink);
        else await this.#reread(database, found, dirty.get(found.name) ?? [], known, sink);
      }
      for (const table of catalogTables) {
        if (collections.some((found) => found.table === table)) continue;
        for (const key of [...known.keysOf(table)]) sink.remove(table, key);
      }
      // An event that came meanwhile may have asked for everything again.
      if (full && !this.#dirty.has('*')) this.#fullSinceMs = startedMs;
      this.#dirty.delete('*');
    } catch (thrown) {
      this.#fullSinceMs = undefined;
      throw this.#mongo.explain(thrown);
    }
  }

  /** Connects, looks for the collections and reads one document of each. Rejects like a refresh. */
  async probe(): Promise<void> {
    try {
      const database = await this.#mongo.database();
      for (const { name } of await this.#find(database)) {
        await database.collection(name).findOne({}, { projection: { _id: 1 } });
      }
    } catch (thrown) {
      throw this.#mongo.explain(thrown);
    }
  }

  async wallClockMs(): Promise<number> {
    try {
      const { localTime } = await (await this.#mongo.database()).command({ hello: 1 });
      return localTime instanceof Date ? localTime.getTime() : Number.NaN;
    } catch (thrown) {
      throw this.#mongo.explain(thrown);
    }
  }

  async close(): Promise<void> {
    this.#follower?.stop();
    await this.#mongo.close();
  }

  #isDue(thorough: boolean, nowMs: number): boolean {
    return thorough && nowMs - (this.#fullSinceMs ?? 0) >= fullComparePeriodMs;
  }

  #note(change: StreamedChange): void {
    if (change === 'everything') {
      this.#fullSinceMs = undefined;
      this.#dirty.set('*', []);
      return;
    }
    const ids = this.#dirty.get(change.collection);
    if (ids === undefined) this.#dirty.set(change.collection, [change.id]);
    else if (ids.length < namedDocumentsMax) ids.push(change.id);
    else this.#note('everything');
  }

  /** A collection that is not there reads as an empty one, which must not be taken for it. */
  async #find(database: Db): Promise<FoundCollection[]> {
    const present = await collectionNames(database);
    const found: FoundCollection[] = [];
    for (const table of catalogTables) {
      const candidates = candidateNames(this.#names, table);
      const name = candidates.find((candidate) => present.has(candidate));
      if (name !== undefined) {
        found.push({ table, name });
        this.#seen.add(table);
      } else if (requiredTables.has(table) || this.#seen.has(table) || this.#isOwnName(table)) {
        throw new CausewayError(
          'STORE_UNAVAILABLE',
          `analytics.mongo_url: there is no collection ${candidates.join(' or ')} in the database ${database.databaseName}; ` +
            `correct the database in the URL, or name the collection in causeway.catalog_tables.${table}`,
        );
      }
    }
    return found;
  }

  /** A name of the field comes into being with its first document; one that only the operator knows is mistyped. */
  #isOwnName(table: CatalogTable): boolean {
    const name = this.#names.tables[table];
    return name !== '' && !knownTableNames[table].includes(name);
  }

  async #compare(
    database: Db,
    { table, name }: FoundCollection,
    known: KnownRows,
    sink: RowSink,
  ): Promise<void> {
    const present = new Set<string>();
    for await (const bson of documentsOf(database.collection(name), {})) {
      this.#handOver(bson, table, name, known, sink, present);
    }
    for (const key of [...known.keysOf(table)]) if (!present.has(key)) sink.remove(table, key);
  }

  async #reread(
    database: Db,
    { table, name }: FoundCollection,
    ids: readonly unknown[],
    known: KnownRows,
    sink: RowSink,
  ): Promise<void> {
    if (ids.length === 0) return;
    const { BSON } = await import('mongodb');
    const present = new Set<string>();
    const filter = { _id: { $in: [...ids] } } as unknown as Filter<Document>;
    for await (const bson of documentsOf(database.collection(name), filter)) {
      this.#handOver(bson, table, name, known, sink, present);
    }
    for (const id of ids) {
      const key = topLevelText(Buffer.from(BSON.serialize({ _id: id })), '_id');
      if (key !== undefined && !present.has(key)) sink.remove(table, key);
    }
  }

  #handOver(
    bson: Buffer,
    table: CatalogTable,
    name: string,
    known: KnownRows,
    sink: RowSink,
    present: Set<string>,
  ): void {
    const key = topLevelText(bson, '_id');
    if (key === undefined) return;
    present.add(key);
    const version = createHash('sha1').update(bson).digest('base64');
    if (known.versionOf(table, key) === version) return;
    const row = { table, key, version, source: `${name} _id=${key}` };
    let fields: Buffer;
    try {
      fields = bsonToJson(bson, this.#fieldNames.get(table) ?? {});
    } catch (thrown) {
      if (!(thrown instanceof UnwritableDocument)) throw thrown;
      sink.broken(row, thrown.message);
      return;
    }
    sink.put({ ...row, fields, document: undefined });
  }
}

/** The bytes of each document as the server sent them. While some are looked at, the next ones are on their way. */
async function* documentsOf(collection: Collection, filter: Filter<Document>): AsyncGenerator<Buffer> {
  const cursor = collection.find(filter, { raw: true, batchSize: documentsPerBatch });
  try {
    for (let more = cursor.hasNext(); await more; ) {
      const documents = cursor.readBufferedDocuments();
      more = cursor.hasNext();
      // It is awaited when these are done with; until then its failure is nobody's.
      more.catch(() => undefined);
      for (const document of documents) {
        const bytes = document as unknown as Uint8Array;
        yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      }
    }
  } finally {
    await cursor.close().catch(() => undefined);
  }
}

async function collectionNames(database: Db): Promise<ReadonlySet<string>> {
  const list = async (options: { authorizedCollections?: boolean }) =>
    (await database.listCollections({}, { nameOnly: true, ...options }).toArray()).map(({ name }) => name);
  try {
    // With it a user who may read but not list is answered too.
    return new Set(await list({ authorizedCollections: true }));
  } catch (thrown) {
    const code = serverCodeOf(thrown);
    // Servers that only speak the protocol may not know the option.
    if (code === 9 || code === 40415 || code === 238) return new Set(await list({}));
    throw thrown;
  }
}

function withOperatorsNames(names: BsonNames, renamed: ReadonlyMap<string, string> | undefined): BsonNames {
  if (renamed === undefined || renamed.size === 0) return names;
  const own = [...renamed].map(([column, field]) => [
    column,
    field === 'definition' ? 'api_definition' : field,
  ]);
  return { ...names, names: { ...names.names, ...Object.fromEntries(own) } };
}
