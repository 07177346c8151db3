import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { ControlPlaneSignal } from '../../src/ports/control-plane-signals.js';
import { KeyspaceSignals } from '../../src/stores/redis/keyspace-signals.js';
import type { RedisAccess } from '../../src/stores/redis/redis-access.js';
import { RedisKeyStore } from '../../src/stores/redis/redis-key-store.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { eventually } from '../contract/fixture.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { RecordingLog } from '../memory/silent-log.js';
import { describeWith } from '../services/describe-with.js';
import { redisPassword, startRedis } from '../services/redis.js';

const clock = new SystemClock();
const own = testCertificate('second');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function listen(access: RedisAccess) {
  const heard: ControlPlaneSignal[] = [];
  const log = new RecordingLog();
  const signals = new KeyspaceSignals(access, {
    ...{ path: 'storage', clock, log, random: Math.random, nodeSecret: '' },
  });
  closing.push(() => signals.close());
  signals.subscribe((signal) => heard.push(signal));
  const times = (count: number) =>
    eventually(
      `it listens for time ${count}`,
      () => {
        return heard.filter(({ type }) => type === 'listening').length >= count || undefined;
      },
      25_000,
    );
  return { heard, log, times };
}

const notification = (command: string, payload = '') => JSON.stringify({ command, payload });
const publishUntil = async (publisher: Redis | Cluster, text: string, heard: readonly unknown[]) => {
  const before = heard.length;
  await eventually('it is heard', async () => {
    await publisher.publish('tyk.cluster.notifications', text).catch(() => {});
    return heard.length > before || undefined;
  });
};

for (const kind of ['standalone', 'tls', 'sentinel', 'cluster'] as const) {
  const service = await startRedis(kind);
  afterAll(() => service?.stop());

  const ours = service?.crash === undefined ? undefined : service;
  describeWith(ours, `signals of redis, ${kind}`, ({ configuration, crash, restart }) => {
    const publisher = (): Redis | Cluster => {
      const password = redisPassword;
      const { tls, masterName, nodes, sentinelPassword = '' } = configuration;
      const made = configuration.enableCluster
        ? new Cluster([...nodes], { redisOptions: { password } })
        : masterName === undefined
          ? new Redis({
              ...nodes[0],
              password,
              ...(tls && { tls: { rejectUnauthorized: false, cert: own.certificate, key: own.key } }),
            })
          : new Redis({ sentinels: [...nodes], name: masterName, sentinelPassword, password });
      made.on('error', () => {});
      closing.push(() => made.disconnect());
      return made;
    };

    it('are heard, and heard again after the server was away', async () => {
      const { heard, log, times } = listen(configuration);
      await times(1);
      const first = publisher();
      await publishUntil(first, notification('ApiUpdated'), heard);
      expect(heard[1]).toEqual({ type: 'catalog', reason: 'ApiUpdated' });
      await crash!();
      if (kind !== 'sentinel') await restart!();
      // With a Cluster it may have been another node that went.
      if (kind !== 'cluster') await times(2);
      await publishUntil(publisher(), notification('KeySpaceUpdateNotification', 'ef13efcd'), heard);
      expect(heard[heard.length - 1]).toMatchObject({
        type: 'key',
        event: { key: 'ef13efcd', hashed: true },
      });
      expect(JSON.stringify(log.lines)).not.toContain(redisPassword);
      if (kind === 'sentinel') await restart!();
    });
  });

  describe.skipIf(kind !== 'standalone' || service === undefined)(
    'notifications of the server itself',
    () => {
      it('are heard where they are turned on', async () => {
        const control = new Redis({ ...service!.configuration.nodes[0], password: redisPassword });
        closing.push(() => control.disconnect());
        await control.config('SET', 'notify-keyspace-events', 'Egx$');
        const { heard, times } = listen(service!.configuration);
        await times(1);
        const store = new RedisKeyStore(service!.configuration, {
          ...{ path: 'storage', clock, log: new RecordingLog(), random: Math.random, markSuffix: 'x' },
        });
        closing.push(() => store.close());
        await store.put('apikey-ef13efcd', Buffer.from('{}'), undefined);
        await store.put('apikey-0123abcd', Buffer.from('{}'), 20);
        await store.increment('quota-x', undefined);
        await store.remove(['apikey-ef13efcd']);
        await eventually('the end of the short-lived key', async () => {
          await store.getMany(['apikey-0123abcd']);
          return heard.length >= 5 || undefined;
        });
        const keys = heard.flatMap((signal) =>
          signal.type === 'key' && 'key' in signal.event ? [`${signal.event.kind} ${signal.event.key}`] : [],
        );
        expect([...keys].sort()).toEqual([
          'key-changed 0123abcd',
          'key-changed ef13efcd',
          'key-removed 0123abcd',
          'key-removed ef13efcd',
        ]);
      });
    },
  );
}
