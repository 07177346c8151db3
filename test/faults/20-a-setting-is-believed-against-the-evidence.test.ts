import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningHub, runHub } from '../../src/app/run-hub.js';
import { surveySettings } from '../../src/app/settings-survey.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { hashKey } from '../../src/domain/key-hash.js';
import { limits } from '../../src/domain/limits.js';
import { doubtsOf, type SettingEvidence } from '../../src/domain/setting-evidence.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import type { Clock } from '../../src/ports/clock.js';
import { seedFirstStart } from '../../src/stores/folder/first-start.js';
import { KeyspaceSignals } from '../../src/stores/redis/keyspace-signals.js';
import { RedisKeyStore } from '../../src/stores/redis/redis-key-store.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { runCli } from '../integration/built-cli.js';
import { GorpcClient } from '../integration/gorpc-client.js';
import { groupLogin, groupPoll } from '../integration/gorpc-hub.js';
import { silentLog } from '../memory/silent-log.js';
import { describeWith } from '../services/describe-with.js';
import { startPostgres } from '../services/postgres.js';
import { redisPassword, startRedis } from '../services/redis.js';

const examplesPath = fileURLToPath(new URL('../../examples/control-plane', import.meta.url));
const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/vectors/encrypted-private-keys.golden.json', import.meta.url), 'utf8'),
) as Record<string, { encrypted: string }>;

const service = await startRedis('standalone');
const postgres = await startPostgres();
afterAll(() => Promise.all([service?.stop(), postgres?.stop()]));

const own = service?.crash === undefined ? undefined : service;
describeWith(own, 'a hub whose settings do not fit what Redis holds', (service) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let control: Redis;
  let organisation: string;
  let apiKey: string;
  const hubs: RunningHub[] = [];
  const clients: GorpcClient[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder();
    await service.flush();
    const [node] = service.configuration.nodes;
    control = new Redis({ ...node, password: redisPassword });
    control.on('error', () => {});
    const seeded = await seedFirstStart({
      examplesPath,
      catalogPath: join(folder.path, 'catalog'),
      random: randomBytes,
    });
    if (seeded === undefined) throw new Error('no examples');
    ({ organisation, apiKey } = seeded);
    await seeded.commit();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const hub of hubs.splice(0)) await hub.stop('test');
    control.disconnect();
    await folder.remove();
  });

  const fileOf = (more: Record<string, unknown> = {}) => {
    const [node] = service.configuration.nodes;
    return {
      ...{ listen_port: 0, http_port: 0, log_level: 'error' },
      storage: { type: 'redis', host: node!.host, port: node!.port, password: redisPassword, timeout: 2 },
      analytics: { type: 'embedded' },
      healthcheck: { cache_renewal_period: 1 },
      causeway: {
        ...{ listen_address: '127.0.0.1', http_address: '127.0.0.1' },
        ...{ data_path: join(folder.path, 'data'), catalog_path: join(folder.path, 'catalog') },
      },
      ...more,
    };
  };

  async function start(more: Record<string, unknown> = {}): Promise<RunningHub> {
    const parsed = parseConfiguration({
      file: { path: 'test.conf', text: JSON.stringify(fileOf(more)) },
      env: {},
    });
    expect(parsed.problems).toEqual([]);
    const hub = await runHub({ parsed, embedded: false });
    hubs.push(hub);
    return hub;
  }

  async function readiness(hub: RunningHub) {
    const answer = await fetch(`http://127.0.0.1:${hub.http.port}/readiness`);
    const body = (await answer.json()) as { components: { status: string; reason?: string }[] };
    const failed = body.components.filter(({ status }) => status !== 'pass');
    return { status: answer.status, reasons: failed.map(({ reason }) => reason ?? '').join('; ') };
  }

  async function check(more: Record<string, unknown> = {}) {
    const path = join(folder.path, 'tyk_sink.conf');
    await writeFile(path, JSON.stringify(fileOf(more)));
    const { exitCode, out } = await runCli(['check-config', '-c', path, '--connect']);
    return { exitCode, out };
  }

  const session = () => JSON.stringify({ org_id: organisation, rate: 1 });
  const fill = async (nameOf: (number: number) => string, count = 50) => {
    for (let number = 0; number < count; number += 1) await control.set(nameOf(number), session());
  };
  // The hash leaves out the last bytes that are no four.
  const keyOf = (number: number) => `${number}`.padStart(8, 'k');
  const hashed = (number: number) => `apikey-${hashKey(keyOf(number))}`;
  const raw = (number: number) => `apikey-${organisation}${number.toString(16).padStart(32, 'abc')}`;

  it('is not ready with hash_keys off beside hashed names, and says which option', async () => {
    await fill(hashed);
    const hub = await start();
    expect(await readiness(hub)).toEqual({
      status: 503,
      reasons:
        'hash_keys: it is off, and 50 of 50 sessions stand under the hash of their key; set it to true, as the gateways of the control plane have it',
    });
    const checked = await check();
    expect(checked.exitCode).toBe(exitCodes.store);
    expect(checked.out).toContain('hash_keys: it is off, and 50 of 50 sessions');
    for (const one of hubs.splice(0)) await one.stop('test');
    expect(await readiness(await start({ hash_keys: true }))).toMatchObject({ status: 200 });
    expect(await check({ hash_keys: true })).toMatchObject({ exitCode: exitCodes.ok });
  }, 30_000);

  it('is not ready with hash_keys on beside raw names', async () => {
    await fill(raw);
    expect(await readiness(await start({ hash_keys: true }))).toMatchObject({
      status: 503,
      reasons: expect.stringContaining(
        'hash_keys: it is on, and 50 of 50 sessions stand under their raw key',
      ),
    });
    for (const one of hubs.splice(0)) await one.stop('test');
    expect(await readiness(await start())).toMatchObject({ status: 200 });
  }, 30_000);

  it('spells a revocation as the store has the name all the same', async () => {
    await fill(hashed);
    await control.config('SET', 'notify-keyspace-events', 'Egx$');
    const hub = await start();
    const client = await GorpcClient.open({ port: hub.listen.port });
    clients.push(client);
    await client.call('LoginWithGroup', groupLogin('zone-a', {}, apiKey));
    await client.call('GetKey', hashed(7));
    await client.call('GetGroupKeySpaceUpdate', groupPoll('zone-a', organisation));
    await control.del(hashed(7));
    const name = hashKey(keyOf(7));
    await eventually('the revocation is heard', async () => {
      const outcome = await client.call('GetGroupKeySpaceUpdate', groupPoll('zone-a', organisation));
      const heard = 'value' in outcome && Array.isArray(outcome.value) ? outcome.value.map(String) : [];
      expect(heard).not.toContain(name);
      return heard.includes(`${name}:hashed`) ? true : undefined;
    });
  }, 30_000);

  it('is not ready with a secret that opens no private key, and warns without one', async () => {
    await control.set(`cert-raw-${organisation}${'ab'.repeat(32)}`, vectors['pkcs1']!.encrypted);
    await fill(raw, 1);
    const security = (secret: string) => ({ security: { private_certificate_encoding_secret: secret } });
    expect(await readiness(await start(security('wrong')))).toMatchObject({
      status: 503,
      reasons: expect.stringContaining(
        'security.private_certificate_encoding_secret: it opens 0 of 1 private keys',
      ),
    });
    const none = await check();
    expect(none.exitCode).toBe(exitCodes.ok);
    expect(none.out).toMatch(
      /warning .*private_certificate_encoding_secret: it is not set, and 1 private keys/,
    );
    const right = await check(security('test-secret'));
    expect(right.out).not.toContain('private keys');
  }, 30_000);

  it('is asked about an empty database beside a full one, and about names that begin otherwise', async () => {
    await fill(raw);
    const elsewhere = (await check({ storage: { ...fileOf().storage, database: 1 } })).out;
    expect(elsewhere).toContain('storage.database: database 1 is empty, while database 0 holds 50');
    await control.flushdb();
    await fill((number) => `tenant:${raw(number)}`);
    const renamed = await check();
    expect(renamed.exitCode).toBe(exitCodes.store);
    expect(renamed.out).toContain('names of sessions begin with "tenant:" there');
  }, 30_000);

  it('is asked about sessions of organisations that the catalog does not have', async () => {
    for (let number = 0; number < 5; number += 1) {
      await control.set(raw(number), JSON.stringify({ org_id: 'f'.repeat(24) }));
    }
    const hub = await start();
    const answer = await readiness(hub);
    expect(answer.status).toBe(200);
    const checked = await check();
    expect(checked.exitCode).toBe(exitCodes.ok);
    expect(checked.out).toContain('causeway.catalog_path: none of 5 sessions that were looked at is of');
    const store = new RedisKeyStore(service.configuration, redisOptions);
    try {
      const { configuration } = parseConfiguration({
        file: { path: 'test.conf', text: JSON.stringify(fileOf()) },
        env: {},
      });
      const look = (known: string) =>
        surveySettings(
          configuration,
          {
            keyStore: store,
            keyStoreFacts: () => store.facts(),
            organisations: () => [{ id: known as never, name: '', hybridEnabled: false }],
          },
          redisOptions.clock,
        );
      expect((await look(organisation)).map(({ option }) => option)).toEqual([
        'hybrid_enabled',
        'causeway.catalog_path',
      ]);
      expect((await look('f'.repeat(24))).map(({ option }) => option)).toEqual(['hybrid_enabled']);
    } finally {
      await store.close();
    }
  }, 30_000);

  it('is looked at again as soon as a Redis that was away is back', async () => {
    service.freeze!();
    const hub = await start();
    try {
      expect(await readiness(hub)).toMatchObject({ status: 503 });
    } finally {
      service.thaw!();
    }
    await fill(hashed);
    await eventually('the setting is refused', async () => {
      return (await readiness(hub)).reasons.includes('hash_keys: it is off') || undefined;
    });
  }, 30_000);

  it('names a secret that no notification is signed with', async () => {
    const signals = new KeyspaceSignals(service.configuration, {
      ...redisOptions,
      nodeSecret: 'not-theirs',
    });
    try {
      let listening = false;
      signals.subscribe(({ type }) => {
        listening ||= type === 'listening';
      });
      await eventually('it listens', () => listening || undefined);
      expect(signals.signatures()).toEqual({ refused: 0, accepted: 0 });
      const payload = { command: 'ApiUpdated', payload: '{}', signature: 'of-somebody-else' };
      for (let count = 0; count < 3; count += 1) {
        await control.publish('tyk.cluster.notifications', JSON.stringify(payload));
      }
      await eventually('they are refused', () => signals.signatures()?.refused === 3 || undefined);
    } finally {
      signals.close();
    }
  }, 30_000);

  it('is told how far its clock is from that of Redis', async () => {
    await fill(raw);
    const system = new SystemClock();
    const ahead: Clock = {
      nowMs: () => system.nowMs() + 90_000,
      monotonicMs: () => system.monotonicMs(),
      after: (delayMs, run) => system.after(delayMs, run),
    };
    const store = new RedisKeyStore(service.configuration, { ...redisOptions, clock: ahead });
    try {
      const { configuration } = parseConfiguration({
        file: { path: 'test.conf', text: JSON.stringify(fileOf()) },
        env: {},
      });
      const stores = { keyStore: store, keyStoreFacts: () => store.facts(), organisations: () => undefined };
      expect(await surveySettings(configuration, stores, ahead)).toEqual([
        {
          option: 'clock',
          refuses: false,
          text: expect.stringContaining("clock: the clock of redis is 90 s behind the hub's"),
        },
      ]);
    } finally {
      await store.close();
    }
  });

  it('does not load a large Redis: a sample, in a bounded number of steps', async () => {
    const pipeline = control.pipeline();
    for (let number = 0; number < 60_000; number += 1) pipeline.set(`other-${number}`, '');
    for (let number = 0; number < 5_000; number += 1) pipeline.set(hashed(number), session());
    await pipeline.exec();
    const store = new RedisKeyStore(service.configuration, redisOptions);
    try {
      const before = await calls();
      const facts = await store.facts();
      expect(facts.sessionNames.length).toBeGreaterThan(100);
      expect(facts.sessionNames.length).toBeLessThanOrEqual(limits.evidenceNamesMax);
      expect((await calls()) - before).toBeLessThanOrEqual(3 * limits.evidenceScansMax + 10);
      expect(Math.abs(facts.clockAheadMs ?? Number.NaN)).toBeLessThan(1_000);
    } finally {
      await store.close();
    }
  }, 30_000);

  const redisOptions = {
    path: 'storage',
    clock: new SystemClock(),
    log: silentLog,
    random: Math.random,
    markSuffix: 'test',
  } as const;

  async function calls(): Promise<number> {
    return Number(/total_commands_processed:(\d+)/.exec(await control.info('stats'))?.[1]);
  }
});

describeWith(
  own && postgres && { service: own, postgres },
  'a column that is named and not there',
  ({ service, postgres }) => {
    it('is an error that names the entry and what there is', async () => {
      const { url, drop } = await postgres.createDatabase();
      const folder = await temporaryFolder();
      try {
        await service.flush();
        const [node] = service.configuration.nodes;
        const redis = `redis://:${redisPassword}@${node!.host}:${node!.port}/0`;
        const seeded = await runCli(['seed', '--postgres', url, '--redis', redis]);
        const path = join(folder.path, 'tyk_sink.conf');
        const checked = async (columns: readonly string[], tables: Record<string, string> = {}) => {
          const causeway = { catalog_columns: columns, catalog_tables: tables };
          const analytics = { type: 'postgres', connection_string: url };
          await writeFile(path, JSON.stringify({ storage: { type: 'embedded' }, analytics, causeway }));
          return runCli(['check-config', '-c', path, '--connect']);
        };
        expect(seeded.err).toBe('');
        expect((await checked([])).exitCode).toBe(exitCodes.ok);
        const wrong = await checked(['apis.tags=labels']);
        expect(wrong.exitCode).toBe(exitCodes.store);
        expect(wrong.out).toContain(
          'causeway.catalog_columns: apis.tags=labels: the table tyk_apis has no such column; it has ',
        );
        const table = await checked([], { apis: 'tyk_apsi' });
        expect(table.exitCode).toBe(exitCodes.store);
        expect(table.out).toContain('finds no table tyk_apsi');
        expect(table.out).toContain('causeway.catalog_tables.apis');
      } finally {
        await drop();
        await folder.remove();
      }
    }, 60_000);
  },
);

describe('what evidence says', () => {
  const settings = {
    ...{ hashKeys: false, hasCertificateSecret: false, keyDatabase: 0 },
    catalogOption: 'analytics.connection_string',
  };
  const nothing: SettingEvidence = {
    ...{ sessionNames: [], privateKeys: { encrypted: 0, opened: 0 }, clocks: [], owners: 0 },
  };
  const doubted = (evidence: Partial<SettingEvidence>, more: Partial<typeof settings> = {}) =>
    doubtsOf({ ...settings, ...more }, { ...nothing, ...evidence }).map(
      ({ option, refuses }) => `${option}${refuses ? '!' : ''}`,
    );
  const catalog = { organisations: 1, hybridEnabled: 1, ownersKnown: 1 };
  const uuids = Array.from({ length: 9 }, () => `apikey-${randomUUID().replaceAll('-', '')}`);

  it.each<[string, readonly string[], readonly string[]]>([
    [
      'an empty database',
      doubted({ otherNames: [], catalog: { ...catalog, organisations: 0 } }),
      ['analytics.connection_string'],
    ],
    [
      'an empty folder',
      doubted({ catalog: { ...catalog, organisations: 0 } }, { catalogOption: 'causeway.catalog_path' }),
      [],
    ],
    ['keys that are bare UUIDs', doubted({ otherNames: [], sessionNames: uuids }), []],
    ['bare UUIDs beside hashing', doubted({ otherNames: [], sessionNames: uuids }, { hashKeys: true }), []],
    ['one key by hand in a store of our own', doubted({ sessionNames: ['apikey-0123abcd'] }), ['hash_keys']],
    [
      'one hashed key of a control plane',
      doubted({ otherNames: [], sessionNames: ['apikey-0123abcd'] }),
      ['hash_keys!'],
    ],
    [
      'names that begin otherwise',
      doubted({ otherNames: ['t:apikey-a', 't:apikey-b', 't:apikey-c'] }),
      ['storage!'],
    ],
    ['a name of somebody else beside a gateway', doubted({ otherNames: ['my:apikey-a', 'tyk-x'] }), []],
    ['raw keys', doubted({ sessionNames: ['apikey-5e9d9544a1dcd60001d0ed20abc'] }), []],
    [
      'a hash among raw keys',
      doubted({ sessionNames: ['apikey-0123abcd', 'apikey-a', 'apikey-b'] }),
      ['hash_keys'],
    ],
    [
      'a raw key among hashes',
      doubted({ sessionNames: ['apikey-0123abcd', 'apikey-a'] }, { hashKeys: true }),
      ['hash_keys'],
    ],
    [
      'hashes of any function',
      doubted({ sessionNames: [8, 16, 32, 64].map((n) => `apikey-${'a'.repeat(n)}`) }),
      ['hash_keys!'],
    ],
    [
      'no catalog for many sessions',
      doubted({ owners: 9, catalog: { ...catalog, organisations: 0 } }),
      ['analytics.connection_string!'],
    ],
    ['a catalog not read yet', doubted({ owners: 9 }), []],
    ['one session left over', doubted({ owners: 1, catalog: { ...catalog, ownersKnown: 0 } }), []],
    ['a clock that is right', doubted({ clocks: [{ store: 'redis', aheadMs: 900 }] }), []],
    ['a clock that is behind', doubted({ clocks: [{ store: 'redis', aheadMs: -90_000 }] }), ['clock']],
    [
      'signatures of somebody else',
      doubted({ notifications: { refused: 3, accepted: 0 } }),
      ['causeway.node_secret!'],
    ],
    ['one bad signature among good ones', doubted({ notifications: { refused: 3, accepted: 9 } }), []],
    ['keys of somebody else', doubted({ otherNames: ['sess:1', 'sess:2'] }), ['storage.database']],
    ['a control plane that only has certificates', doubted({ otherNames: ['cert-raw-x', 'sess:2'] }), []],
    [
      'a secret that opens some',
      doubted({ privateKeys: { encrypted: 2, opened: 1 } }, { hasCertificateSecret: true }),
      ['security.private_certificate_encoding_secret'],
    ],
  ])('%s', (_name, found, expected) => {
    expect(found).toEqual(expected);
  });
});
