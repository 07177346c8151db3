import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { openMongoCatalog } from '../../src/stores/mongodb/mongo-catalog.js';
import { openPostgresCatalog } from '../../src/stores/postgres/postgres-catalog.js';
import { environment, mongoConfiguration, postgresConfiguration } from '../contract/catalog-fixtures.js';
import { temporaryFolder } from '../contract/fixture.js';
import { startMongo } from '../services/ferretdb.js';
import { startPostgres } from '../services/postgres.js';
import { redisPassword, startRedis } from '../services/redis.js';

const [postgres, mongo, redis] = [await startPostgres(), await startMongo(), await startRedis('standalone')];
afterAll(() => Promise.all([postgres?.stop(), mongo?.stop(), redis?.stop()]));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' };
  const collect = (name: 'out' | 'err') => ({
    isTerminal: false,
    columns: undefined,
    write: async (text: string) => {
      texts[name] += text;
    },
  });
  const code = await runCli(argv, {
    env: {},
    stdout: collect('out'),
    stderr: collect('err'),
    readStdin: async () => Buffer.alloc(0),
    onStopSignal: () => () => {},
    onSignal: () => () => {},
    isTerminalGone: () => false,
    outliveReaders: () => {},
    exit: (code) => {
      throw new Error(`exit ${code}`);
    },
  });
  return { code, ...texts };
}

describe.skipIf(redis === undefined)('causeway seed', () => {
  if (redis === undefined) return;
  const { configuration } = redis;
  const node = configuration.nodes[0];
  const redisUrl = `redis://:${configuration.password ?? ''}@${node?.host}:${node?.port}/${configuration.database}`;
  beforeEach(() => redis.flush());

  it.skipIf(postgres === undefined)('makes a control plane in PostgreSQL, once', async () => {
    const database = await postgres!.createDatabase();
    try {
      const first = await run('seed', '--postgres', database.url, '--redis', redisUrl, '--json');
      expect(first).toMatchObject({ code: exitCodes.ok, err: '' });
      const { organisation, api_key: apiKey } = JSON.parse(first.out) as Record<string, string>;
      const catalog = openPostgresCatalog(postgresConfiguration(database.url), environment());
      const state = await catalog.load(() => []);
      await catalog.stop(0);
      expect(state.quarantined).toEqual([]);
      expect(state.organisations.find(({ id }) => id === organisation)?.hybridEnabled).toBe(true);
      expect(state.users.find(({ accessKey }) => accessKey === apiKey)).toMatchObject({
        active: true,
        organisation,
      });
      expect(state.definitions.filter(({ oas }) => oas !== undefined)).not.toEqual([]);

      const second = await run('seed', '--postgres', database.url, '--redis', redisUrl);
      expect(second.code).toBe(exitCodes.usage);
      expect(second.err).toContain('Redis already holds gateway keys');
      await redis.flush();
      const third = await run('seed', '--postgres', database.url, '--redis', redisUrl);
      expect(third.err).toContain('the database already holds a control plane: tyk_organisations has rows');
      expect(third.err).not.toContain(redisPassword);
    } finally {
      await database.drop();
    }
  });

  it.skipIf(mongo === undefined)('makes the same in MongoDB', async () => {
    const url = `${mongo!.url}causeway_seed_${process.pid}`;
    const first = await run('seed', '--mongo', url, '--redis', redisUrl);
    expect(first).toMatchObject({ code: exitCodes.ok, err: '' });
    expect(first.out).toMatch(/seeded {8}3 organisations, 5 users, \d+ APIs, 6 policies, 4 keys/);
    const catalog = openMongoCatalog(mongoConfiguration(url), environment());
    const state = await catalog.load(() => []);
    await catalog.stop(0);
    expect(state.quarantined).toEqual([]);
    expect(state.definitions.filter(({ oas }) => oas !== undefined)).not.toEqual([]);
    await redis.flush();
    const second = await run('seed', '--mongo', url, '--redis', redisUrl);
    expect(second.err).toContain('already holds a control plane: tyk_organisations has documents');
  });

  it('says what is missing or wrong', async () => {
    expect((await run('seed', '--redis', redisUrl)).err).toContain('one of --postgres and --mongo');
    const wrong = await run('seed', '--postgres', 'postgres://u:hidden@127.0.0.1:1/x', '--redis', redisUrl);
    expect(wrong.code).toBe(exitCodes.store);
    expect(wrong.err).toContain('--postgres: nothing listens at 127.0.0.1:1');
    expect(wrong.err).not.toContain('hidden');
    const url = await run('seed', '--postgres', 'postgres://x', '--redis', 'http://secret@x');
    expect(url.err).toContain('--redis: expected a URL');
  });
});

describe('check-config --connect', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => folder.remove());

  async function check(file: unknown) {
    const path = join(folder.path, 'tyk_sink.conf');
    await writeFile(path, JSON.stringify(file));
    return run('check-config', '-c', path, '--connect');
  }
  const embedded = { storage: { type: 'embedded' } };

  it.skipIf(postgres === undefined)('says what is wrong with PostgreSQL, and when nothing is', async () => {
    const { url, drop } = await postgres!.createDatabase();
    const checked = (connection: string) =>
      check({ ...embedded, analytics: { type: 'postgres', connection_string: connection } });
    try {
      const missing = await checked(url);
      expect(missing.code).toBe(exitCodes.store);
      expect(missing.out).toMatch(
        /analytics\.connection_string: .*no table tyk_organisations or tyk_organizations/,
      );
      expect(missing.out).toContain('causeway.catalog_tables.organisations');

      const wrong = new URL(url);
      wrong.password = 'wrong-password';
      const refused = await checked(wrong.href);
      if (wrong.hostname === '127.0.0.1' && !process.env['POSTGRES_URL']) {
        expect(refused.out).toContain(
          'refuses the password of the user "postgres"; correct user and password',
        );
      }
      expect(refused.out).not.toContain('wrong-password');
      wrong.password = new URL(url).password;
      wrong.pathname = '/nowhere';
      expect((await checked(wrong.href)).out).toContain('there is no database "nowhere"');
      expect((await checked('host=127.0.0.1 port=1')).out).toContain('nothing listens at 127.0.0.1:1');
      expect((await checked('host=127.0.0.1 sslmode=never')).out).toContain('sslmode is one of');
      expect((await checked('mongodb://x')).out).toContain('for MongoDB set analytics.type to mongo');
    } finally {
      await drop();
    }
  });

  it.skipIf(mongo === undefined)('says what is wrong with MongoDB', async () => {
    const checked = (url: string) => check({ ...embedded, analytics: { type: 'mongo', mongo_url: url } });
    const missing = await checked(`${mongo!.url}nothing_here`);
    expect(missing.code).toBe(exitCodes.store);
    expect(missing.out).toMatch(/analytics\.mongo_url: there is no collection tyk_organisations/);
    const away = await checked('mongodb://u:hidden@127.0.0.1:1/x?serverSelectionTimeoutMS=300');
    expect(away.out).toContain('analytics.mongo_url: nothing listens at 127.0.0.1:1');
    expect(away.out).not.toContain('hidden');
    expect((await checked('postgres://x')).out).toContain('analytics.mongo_url is no URL of MongoDB');
    expect((await check({ ...embedded, analytics: { type: 'mongo' } })).out).toContain(
      'analytics.mongo_url is empty',
    );
  });
});
