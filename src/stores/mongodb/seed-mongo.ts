import type { Db } from 'mongodb';
import { catalogTables } from '../../domain/catalog-row.js';
import { knownTableNames } from '../../domain/catalog-tables.js';
import type { ControlPlaneSeed } from '../../domain/control-plane-seed.js';
import { CausewayError } from '../../errors/causeway-error.js';
import { type BsonNames, bsonNames } from './bson-names.js';
import { Mongo } from './open-mongo.js';

type Driver = typeof import('mongodb');

/**
 * Writes a control plane into the database, under the names that documents have there. Rejects with REQUEST_INVALID
 * when one of the collections has documents already, and with STORE_UNAVAILABLE when the database is away.
 */
export async function seedMongo(connectionString: string, seed: ControlPlaneSeed): Promise<void> {
  const mongo = new Mongo({
    connectionString,
    useSsl: false,
    sslInsecureSkipVerify: false,
    sslAllowInvalidHostnames: false,
    sslCaFile: '',
    sslPemKeyFile: '',
    sessionConsistency: 'Strong',
    directConnection: false,
  });
  try {
    const driver = await import('mongodb');
    const database = await mongo.database();
    await requireEmpty(database);
    for (const table of catalogTables) {
      const name = knownTableNames[table][0] ?? table;
      const documents = seed[table].map((text) => {
        const value = JSON.parse(text.toString('utf8')) as Readonly<Record<string, unknown>>;
        const document = toBson(driver, value, table === 'client_idps' ? {} : bsonNames[table]) as Record<
          string,
          unknown
        >;
        return { ...document, _id: toId(driver, value['_id']) };
      });
      if (documents.length > 0) await database.collection(name).insertMany(documents as never[]);
    }
  } catch (thrown) {
    throw mongo.explain(thrown);
  } finally {
    await mongo.close();
  }
}

async function requireEmpty(database: Db): Promise<void> {
  for (const name of catalogTables.flatMap((table) => knownTableNames[table])) {
    if ((await database.collection(name).findOne({})) === null) continue;
    throw new CausewayError(
      'REQUEST_INVALID',
      `the database ${database.databaseName} already holds a control plane: ${name} has documents; seed only fills empty stores`,
    );
  }
}

function toId(driver: Driver, id: unknown): unknown {
  return typeof id === 'string' && driver.ObjectId.isValid(id) && id.length === 24
    ? new driver.ObjectId(id)
    : id;
}

/** Whole numbers stay whole: the driver would make doubles of those beyond 32 bits. */
function toBson(driver: Driver, value: unknown, names: BsonNames): unknown {
  if (typeof value === 'number' && Number.isInteger(value)) {
    return value === (value | 0) ? new driver.Int32(value) : driver.Long.fromNumber(value);
  }
  if (Array.isArray(value)) return value.map((item) => toBson(driver, item, names.each ?? {}));
  if (typeof value !== 'object' || value === null) return value;
  const stored = new Map(Object.entries(names.names ?? {}).map(([bson, json]) => [json, bson]));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      stored.get(name) ?? name,
      toBson(driver, inner, names.members?.[name] ?? names.each ?? {}),
    ]),
  );
}
