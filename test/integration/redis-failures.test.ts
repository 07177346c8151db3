import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CausewayError } from '../../src/errors/causeway-error.js';
import { checkRedis } from '../../src/stores/redis/check-redis.js';
import type { RedisAccess } from '../../src/stores/redis/redis-access.js';
import type { RedisKeyStore } from '../../src/stores/redis/redis-key-store.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { eventually } from '../contract/fixture.js';
import { type OpenedRedis, openRedis } from '../contract/redis-fixtures.js';
import { describeWith } from '../services/describe-with.js';
import { freePort } from '../services/free-port.js';
import { redisPassword, sentinelPassword, startRedis } from '../services/redis.js';

const opened: OpenedRedis[] = [];
const open = async (access: RedisAccess): Promise<OpenedRedis> => {
  const one = await openRedis(access);
  opened.push(one);
  return one;
};
afterEach(async () => {
  for (const { store } of opened.splice(0)) await store.close();
});

const value = Buffer.from('{"org_id":"a"}');
const read = async (store: RedisKeyStore, name = 'apikey-1') => (await store.getMany([name]))[0]?.value;
const failure = (work: Promise<unknown>): Promise<CausewayError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => (error instanceof CausewayError ? error : expect.fail(String(error))),
  );
/** Polls a read until it answers; a key that is there must never be told to be missing. */
const untilRead = (store: RedisKeyStore, name = 'apikey-1') =>
  eventually(
    'the store answers again',
    async () => {
      const answer = await store.getMany([name]).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
      });
      if (answer === undefined) return undefined;
      expect(answer[0]?.value).toEqual(value);
      return answer[0];
    },
    90_000,
  );

const standalone = await startRedis('standalone');
const tls = await startRedis('tls');
const cluster = await startRedis('cluster');
const sentinel = await startRedis('sentinel');
afterAll(async () => {
  await Promise.all([standalone, tls, cluster, sentinel].map((service) => service?.stop()));
});

const ours = standalone?.crash === undefined ? undefined : standalone;

describeWith(ours, 'redis that fails', ({ configuration, crash, restart, freeze, thaw }) => {
  it('is away at the start, and found when it comes', async () => {
    await crash!();
    const { store, log } = await open(configuration);
    const startedMs = performance.now();
    for (const work of [read(store), store.put('k', value, undefined), store.remove(['k'])]) {
      expect(await failure(work)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    }
    expect(performance.now() - startedMs).toBeLessThan(configuration.timeoutMs);
    expect(store.trouble()).toMatch(/^storage\.addrs: 127\.0\.0\.1:\d+: nothing listens there$/);
    await restart!();
    await eventually('it is connected', () => store.trouble() === undefined || undefined);
    await store.put('apikey-1', value, undefined);
    expect(await read(store)).toEqual(value);
    // One line for the reason and one for the end of it, however many attempts there were.
    expect(log.lines.map(({ message }) => message)).toEqual(['redis is away, trying again', 'redis is back']);
  });

  it('dies later: errors, never "not found", and it comes back by itself', async () => {
    const { store } = await open(configuration);
    await store.put('apikey-1', value, undefined);
    await crash!();
    expect(await failure(read(store))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(store.scan('', 10)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    expect(await failure(store.increment('c', 1_000))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await failure(store.addToWindow('w', 1_000, 1))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await restart!();
    await eventually('it is connected', () => store.trouble() === undefined || undefined);
    expect(await read(store)).toBeUndefined();
  });

  it('hangs: calls fail within the timeout', async () => {
    const { store } = await open({ ...configuration, timeoutMs: 300 });
    await store.put('apikey-1', value, undefined);
    freeze!();
    const startedMs = performance.now();
    expect(await failure(read(store))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    await eventually('it is noticed', () => store.trouble());
    thaw!();
    await untilRead(store);
  });

  it('refuses to work when the settings are wrong, and says which option it is', async () => {
    const elsewhere = { host: '127.0.0.1', port: await freePort() };
    const wrong: readonly [RedisAccess, RegExp][] = [
      [{ ...configuration, password: 'wrong-secret' }, /^storage\.password: .* refuses the user name or/],
      [{ ...configuration, username: 'x', password: 'wrong-secret' }, /^storage\.password: .* refuses/],
      [{ ...configuration, password: undefined }, /^storage\.password: .* wants a password$/],
      [{ ...configuration, database: 99 }, /^storage\.database: .* no database of that number$/],
      [{ ...configuration, enableCluster: true }, /^storage\.enable_cluster: .* not part of a Redis Cluster/],
      [{ ...configuration, masterName: 'm' }, /^storage\.master_name: .* not a Sentinel|NOAUTH|password/],
      [{ ...configuration, nodes: [elsewhere] }, /^storage\.addrs: .* nothing listens there$/],
      [
        { ...configuration, nodes: [{ host: 'no-such-host.invalid', port: 6379 }] },
        /^storage\.addrs: .* host name is not known$/,
      ],
      [
        { ...configuration, tls: tls!.configuration.tls, timeoutMs: 300 },
        /answer in time; if it speaks no TLS, turn off storage\.use_ssl$/,
      ],
    ];
    for (const [access, expected] of wrong) {
      const { store, log } = await open({ ...access, timeoutMs: Math.min(access.timeoutMs, 700) });
      const { detail } = await failure(store.put('apikey-1', value, undefined));
      expect(detail).toMatch(expected);
      expect(store.trouble()).toMatch(expected);
      const said = JSON.stringify([log.lines, detail, store.trouble()]);
      expect(said).not.toContain('wrong-secret');
      expect(said).not.toContain(redisPassword);
    }
  });
});

describe.skipIf(standalone?.crash === undefined)('a user with no more rights than are needed', () => {
  it('is enough for a hub, and one with fewer is told so', async () => {
    const { configuration } = standalone!;
    const control = new Redis({ ...configuration.nodes[0], password: redisPassword });
    const commands =
      '+get +mget +pttl +set +unlink +scan +incr +zremrangebyscore +zcard +zadd +pexpire +multi +exec +ping +info +subscribe';
    const keys = [
      '~apikey-*',
      '~orgkey.*',
      '~cert-raw-*',
      '~oauth-data.*',
      '~quota-*',
      '~rate-limit-*',
      '~causeway-*',
    ];
    const channels = ['&tyk.cluster.*', '&__keyevent@*'];
    const rights = ['on', '>hub-secret', 'resetchannels', ...keys, ...channels, ...commands.split(' ')];
    await control.call('ACL', 'SETUSER', 'hub', ...rights);
    await control.call(
      'ACL',
      'SETUSER',
      'less',
      'on',
      '>hub-secret',
      '~*',
      '+@connection',
      '+info',
      '+get',
      '+mget',
    );
    const access = { ...configuration, username: 'hub', password: 'hub-secret' };
    const { store } = await open(access);
    await store.put('apikey-1', value, 60_000);
    const [stored] = await store.getMany(['apikey-1', 'apikey-2']);
    expect(stored).toEqual({ value, remainingTtlMs: expect.any(Number) });
    const pages: (readonly string[])[] = [];
    for await (const page of store.scan('apikey-', 10)) pages.push(page);
    expect(pages).toEqual([['apikey-1']]);
    expect(await store.increment('quota-x', 1_000)).toBe(1);
    expect(await store.addToWindow('rate-limit-x', 1_000, Date.now())).toBe(0);
    expect(await store.remove(['apikey-1'])).toBe(1);
    const options = { path: 'storage', clock: new SystemClock(), random: Math.random } as const;
    expect(await checkRedis(access, options)).toEqual([]);

    const less = { ...access, username: 'less' };
    const refused = /^storage\.username: .* may not run a command that the hub needs/;
    const { store: limited } = await open(less);
    expect((await failure(limited.put('apikey-1', value, undefined))).detail).toMatch(refused);
    expect(await checkRedis(less, options)).toEqual([expect.stringMatching(refused)]);
    control.disconnect();
  });
});

describe.skipIf(standalone === undefined || cluster === undefined)('a check of the settings', () => {
  const options = { path: 'storage', clock: new SystemClock(), random: Math.random } as const;

  it('finds nothing where all is well', async () => {
    for (const service of [standalone, tls, cluster, sentinel]) {
      expect(await checkRedis(service!.configuration, options)).toEqual([]);
    }
  });

  it('names the option, in one line', async () => {
    const good = standalone!.configuration;
    const wrong: readonly [RedisAccess, RegExp][] = [
      [{ ...good, password: 'wrong-secret' }, /^storage\.password: /],
      [{ ...good, database: 99 }, /^storage\.database: /],
      [{ ...good, enableCluster: true }, /^storage\.enable_cluster: .* turn the option off/],
      [
        { ...cluster!.configuration, enableCluster: false },
        /^storage\.enable_cluster: .* turn the option on/,
      ],
      [
        { ...tls!.configuration, tls: { ...tls!.configuration.tls!, keyFile: '/no/such.pem' } },
        /^storage\.key_file: /,
      ],
    ];
    for (const [access, expected] of wrong) {
      const problems = await checkRedis({ ...access, timeoutMs: 700 }, options);
      expect(problems).toEqual([expect.stringMatching(expected)]);
      expect(problems.join()).not.toMatch(/wrong-secret|\n/);
    }
  });
});

describe.skipIf(tls === undefined)('redis with TLS', () => {
  it('says what is wrong with the certificates', async () => {
    const good = tls!.configuration.tls!;
    const wrong: readonly [RedisAccess['tls'], RegExp][] = [
      [{ ...good, caFile: '' }, /^storage\.ca_file: /],
      [
        { ...good, certFile: '', keyFile: '' },
        /^storage\.cert_file: |if it wants a client certificate, set storage\.cert_file$/,
      ],
      [undefined, /^storage: .* closed the connection; if it takes TLS only, turn on storage\.use_ssl$/],
    ];
    for (const [given, expected] of wrong) {
      const { store } = await open({ ...tls!.configuration, tls: given });
      expect((await failure(read(store))).detail).toMatch(expected);
    }
    await expect(
      openRedis({ ...tls!.configuration, tls: { ...good, caFile: '/no/such.pem' } }),
    ).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringContaining('storage.ca_file'),
    });
  });

  it('may skip the check of the server', async () => {
    const skipping = { ...tls!.configuration.tls!, caFile: '', insecureSkipVerify: true };
    const { store } = await open({ ...tls!.configuration, tls: skipping });
    await store.put('apikey-1', value, undefined);
    expect(await read(store)).toEqual(value);
  });
});

describe.skipIf(cluster === undefined)('redis cluster', () => {
  it('is not mistaken for a single server', async () => {
    const { store } = await open({ ...cluster!.configuration, enableCluster: false });
    const reasons = new Set<string | undefined>();
    for (let key = 0; key < 20; key += 1) {
      const detail = await store.put(`k${key}`, value, undefined).then(
        () => undefined,
        (error: CausewayError) => error.detail,
      );
      if (detail !== undefined) reasons.add(detail.replace(/^(\S+): .*: /, '$1: '));
    }
    expect([...reasons]).toEqual([
      'storage.enable_cluster: the server is part of a Redis Cluster; turn the option on',
    ]);
  });

  it('goes on without one of its nodes, and takes it back', async () => {
    const { store } = await open({ ...cluster!.configuration, timeoutMs: 1_000 });
    const names = Array.from({ length: 60 }, (_, index) => `apikey-${index}`);
    await Promise.all(names.map((name) => store.put(name, value, undefined)));
    await cluster!.crash!();
    const found = await Promise.all(
      names.map((name) =>
        store.getMany([name]).then(
          ([one]) => one?.value.equals(value),
          (error: CausewayError) => error.code,
        ),
      ),
    );
    expect(new Set(found)).toEqual(new Set([true, 'STORE_UNAVAILABLE']));
    await cluster!.restart!();
    await eventually('every node answers', () =>
      store.getMany(names).then(
        () => true,
        () => undefined,
      ),
    );
  });
});

describe.skipIf(sentinel === undefined)('redis under Sentinels', () => {
  let store: RedisKeyStore;
  beforeAll(async () => {
    await sentinel!.flush();
  });

  // Sentinels whose first election found no majority wait before the next: on a busy machine that takes a while.
  it('follows a failover; nothing that is there is ever told to be missing', {
    timeout: 120_000,
    retry: 2,
  }, async () => {
    ({ store } = await open(sentinel!.configuration));
    await store.put('apikey-1', value, undefined);
    // The replica has it when it is at the offset of the primary: one more read of the primary's own view.
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    await sentinel!.crash!();
    await untilRead(store);
    await eventually('it takes writes', () =>
      store.put('apikey-2', value, undefined).then(
        () => true,
        () => undefined,
      ),
    );
    expect(await read(store, 'apikey-2')).toEqual(value);
    await sentinel!.restart!();
  });

  it('says when the Sentinels want another password, or do not know the name', async () => {
    const wrong: readonly [Partial<RedisAccess>, RegExp][] = [
      [{ sentinelPassword: 'wrong-secret' }, /^storage\.sentinel_password: /],
      [{ sentinelPassword: undefined }, /^storage\.sentinel_password: /],
      [{ masterName: 'other' }, /^storage\.master_name: .* no Sentinel knows a master of that name$/],
    ];
    for (const [given, expected] of wrong) {
      const { store: other, log } = await open({ ...sentinel!.configuration, timeoutMs: 700, ...given });
      expect((await failure(read(other))).detail).toMatch(expected);
      expect(JSON.stringify(log.lines)).not.toMatch(`wrong-secret|${sentinelPassword}`);
    }
  });
});
