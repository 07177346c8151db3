import type { Db, Document } from 'mongodb';
import { type CatalogTable, catalogTables } from '../../domain/catalog-row.js';
import { knownTableNames } from '../../domain/catalog-tables.js';
import type { ControlPlaneSeed } from '../../domain/control-plane-seed.js';
import {
  elementsOf,
  isString,
  type JsonRange,
  membersOf,
  rootOf,
  textOf,
} from '../../domain/json-members.js';
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
      const documents = seed[table].map((text) => documentOf(driver, table, text));
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

/** The document for one row, with the names that its table has in BSON. */
export function documentOf(driver: Driver, table: CatalogTable, text: Buffer): Document {
  // The names of client identity providers in BSON are not public; those of JSON are taken too.
  const names = table === 'client_idps' ? {} : bsonNames[table];
  const document = toBson(driver, text, rootOf(text), names) as Document;
  const id: unknown = document['_id'];
  const isObjectId = typeof id === 'string' && /^[0-9a-f]{24}$/i.test(id);
  return isObjectId ? { ...document, _id: new driver.ObjectId(id) } : document;
}

/** Whole numbers stay whole and keep their digits: parsed as JSON they would be doubles. */
function toBson(driver: Driver, text: Buffer, range: JsonRange, names: BsonNames): unknown {
  const first = text[range.start];
  if (first === openBrace) {
    const stored = new Map(Object.entries(names.names ?? {}).map(([bson, json]) => [json, bson]));
    return Object.fromEntries(
      membersOf(text, range).map(({ name, value }) => [
        stored.get(name) ?? name,
        toBson(driver, text, value, names.members?.[name] ?? names.each ?? {}),
      ]),
    );
  }
  if (first === openBracket) {
    return elementsOf(text, range).map((item) => toBson(driver, text, item, names.each ?? {}));
  }
  if (isString(text, range)) return textOf(text, range);
  const json = text.toString('utf8', range.start, range.end);
  if (!/^-?\d+$/.test(json))
    return typeof JSON.parse(json) === 'number' ? new driver.Double(Number(json)) : JSON.parse(json);
  const whole = BigInt(json);
  return BigInt.asIntN(32, whole) === whole ? new driver.Int32(Number(whole)) : driver.Long.fromBigInt(whole);
}

const openBrace = 0x7b;
const openBracket = 0x5b;
