import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControlPlaneSeed } from '../domain/control-plane-seed.js';
import { toDatabaseForm } from '../domain/definition-form.js';
import { membersOf, rootOf } from '../domain/json-members.js';
import { hashKey } from '../domain/key-hash.js';
import { sessionName } from '../domain/key-names.js';
import { CausewayError, toCausewayError } from '../errors/causeway-error.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { RedisKeyStore } from '../stores/redis/redis-key-store.js';
import { parseRedisUrl } from './redis-url.js';

export interface SeedOptions {
  /** Connection strings, secret. One of the two databases. */
  readonly database: { readonly type: 'postgres' | 'mongo'; readonly url: string };
  readonly redisUrl: string;
  /** As the option `hash_keys` of the hub and the gateways: keys are named by their hashes. */
  readonly hashKeys: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SeededControlPlane {
  readonly organisation: string;
  /** Secret. What a worker of that organisation logs in with. */
  readonly apiKey: string;
  readonly counts: Readonly<Record<'organisations' | 'users' | 'apis' | 'policies' | 'keys', number>>;
}

const examplesPath = fileURLToPath(new URL('../../examples/control-plane', import.meta.url));
const redisWaitMs = 3_000;

/**
 * Makes the control plane of the examples in empty stores, as an installation has it: definitions and people in the
 * database, keys in Redis. Rejects with REQUEST_INVALID when there is something in them already, and then has changed
 * nothing; with STORE_UNAVAILABLE when one is away.
 */
export async function seedControlPlane(options: SeedOptions): Promise<SeededControlPlane> {
  const access = parseRedisUrl(options.redisUrl);
  const [{ seedFirstStart }, { RedisKeyStore: KeyStore }] = await Promise.all([
    import('../stores/folder/first-start.js'),
    import('../stores/redis/redis-key-store.js'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'causeway-seed-'));
  const keyStore = new KeyStore(access, {
    ...({ path: 'storage', clock: options.clock, log: options.log, random: Math.random } as const),
    markSuffix: 'seed',
  });
  try {
    await keyStore.open(redisWaitMs);
    await requireNoKeys(keyStore);
    const catalogPath = join(folder, 'catalog');
    const seeded = await seedFirstStart({ examplesPath, catalogPath, random: randomBytes });
    if (seeded === undefined) throw new Error('a new folder is not empty');
    await seeded.commit();
    const seed = await readSeed(catalogPath);
    const keys = seeded.keys.map(({ key, ...rest }) => {
      return { ...rest, name: sessionName(options.hashKeys ? hashKey(key) : key) };
    });
    for (const { name, value, ttlMs } of keys) await keyStore.put(name, value, ttlMs);
    try {
      await writeDatabase(options, seed);
    } catch (thrown) {
      await keyStore.remove(keys.map(({ name }) => name)).catch(() => 0);
      throw thrown;
    }
    return {
      organisation: seeded.organisation,
      apiKey: seeded.apiKey,
      counts: {
        ...{ organisations: seed.organisations.length, users: seed.users.length, apis: seed.apis.length },
        ...{ policies: seed.policies.length, keys: seeded.keys.length },
      },
    };
  } catch (thrown) {
    throw inTheWordsOfTheCommand(toCausewayError(thrown));
  } finally {
    await keyStore.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeDatabase({ database, clock }: SeedOptions, seed: ControlPlaneSeed): Promise<void> {
  if (database.type === 'postgres') {
    const { seedPostgres } = await import('../stores/postgres/seed-postgres.js');
    await seedPostgres(database.url, seed, clock);
  } else {
    const { seedMongo } = await import('../stores/mongodb/seed-mongo.js');
    await seedMongo(database.url, seed);
  }
}

async function requireNoKeys(keyStore: RedisKeyStore): Promise<void> {
  for await (const names of keyStore.scan('apikey-', 10)) {
    if (names.length === 0) continue;
    throw new CausewayError(
      'REQUEST_INVALID',
      'Redis already holds gateway keys (apikey-...); seed only fills empty stores',
    );
  }
}

/** The stores name options of the configuration file. */
function inTheWordsOfTheCommand(error: CausewayError): CausewayError {
  const message = error.message
    .replaceAll('analytics.connection_string', '--postgres')
    .replaceAll('analytics.mongo_url', '--mongo')
    .replaceAll(/\bstorage(?:\.[a-z_]+)?:/g, '--redis:');
  return new CausewayError(error.code, message, {
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    cause: error,
  });
}

/** The files of a catalog folder, in the spelling of a database. */
async function readSeed(catalogPath: string): Promise<ControlPlaneSeed> {
  const read = async (folder: string) => {
    const names = (await readdir(join(catalogPath, folder))).sort();
    return Promise.all(
      names.map(async (name) => ({ name, text: await readFile(join(catalogPath, folder, name)) })),
    );
  };
  const apis = await read('apis');
  const documents = new Map(apis.map(({ name, text }) => [name, text]));
  const texts = async (folder: string) => (await read(folder)).map(({ text }) => text);
  return {
    organisations: (await texts('organisations')).map((text) => rewritten(text, { id: '_id' })),
    users: (await texts('users')).map((text) => rewritten(text, userNames)),
    user_groups: [],
    apis: apis
      .filter(({ name }) => !name.endsWith('-oas.json'))
      .map(({ name, text }) => {
        const oas = documents.get(name.replace(/\.json$/, '-oas.json'));
        return rewritten(toDatabaseForm(text), { id: '_id' }, oas === undefined ? {} : { oas_doc: oas });
      }),
    policies: await texts('policies'),
    client_idps: (await texts('client-idps')).map((text) => {
      return rewritten(text, {}, { _id: Buffer.from(JSON.stringify(randomBytes(12).toString('hex'))) });
    }),
  };
}

const userNames: Readonly<Record<string, string>> = {
  ...{ id: '_id', org_id: 'orgid', email_address: 'emailaddress', access_key: 'accesskey' },
  ...{ first_name: 'firstname', last_name: 'lastname' },
};

/** The object with other names and more members; every value as it is written. */
function rewritten(
  text: Buffer,
  names: Readonly<Record<string, string>>,
  more: Readonly<Record<string, Buffer>> = {},
): Buffer {
  const members = membersOf(text, rootOf(text)).map(({ name, value }) => {
    return `${JSON.stringify(names[name] ?? name)}:${text.toString('utf8', value.start, value.end)}`;
  });
  const added = Object.entries(more).map(
    ([name, value]) => `${JSON.stringify(name)}:${value.toString('utf8')}`,
  );
  return Buffer.from(`{${[...members, ...added].join(',')}}`);
}
