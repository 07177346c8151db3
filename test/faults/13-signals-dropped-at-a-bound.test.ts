import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningHub, runHub } from '../../src/app/run-hub.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { organisationId } from '../../src/domain/identifiers.js';
import { hashKey } from '../../src/domain/key-hash.js';
import { hearDifferences } from '../../src/hub/keyspace/key-differences.js';
import { KeyOwners } from '../../src/hub/keyspace/key-owners.js';
import { KeySignals } from '../../src/hub/keyspace/key-signals.js';
import { LookThrough } from '../../src/hub/keyspace/look-through.js';
import type { ControlPlaneSignal } from '../../src/ports/control-plane-signals.js';
import { openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { seedFirstStart } from '../../src/stores/folder/first-start.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { openRedis } from '../contract/redis-fixtures.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';
import { redisPassword, startRedis } from '../services/redis.js';
import { PollingGateway } from './polling-gateway.js';

const examplesPath = fileURLToPath(new URL('../../examples/control-plane', import.meta.url));
const service = await startRedis('standalone');
afterAll(() => service?.stop());

describe.skipIf(service?.crash === undefined)('signals that were dropped or not heard', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let control: Redis;
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder();
    await service!.flush();
    const [node] = service!.configuration.nodes;
    control = new Redis({ ...node, password: redisPassword });
    control.on('error', () => {});
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    control.disconnect();
    await folder.remove();
  });

  async function startHub() {
    const catalogPath = join(folder.path, 'catalog');
    const seeded = await seedFirstStart({ examplesPath, catalogPath, random: randomBytes });
    await seeded?.commit();
    const [node] = service!.configuration.nodes;
    const text = JSON.stringify({
      ...{ listen_port: 0, http_port: 0, hash_keys: true, log_level: 'error' },
      storage: { type: 'redis', host: node!.host, port: node!.port, password: redisPassword, timeout: 2 },
      analytics: { type: 'embedded' },
      security: { secret: 'secret-of-the-test', enable_http_secure_endpoints: true },
      causeway: {
        ...{ listen_address: '127.0.0.1', http_address: '127.0.0.1', catalog_path: catalogPath },
        data_path: join(folder.path, 'data'),
      },
    });
    const parsed = parseConfiguration({ file: { path: 'test.conf', text }, env: {} });
    const start = async (): Promise<RunningHub> => {
      const hub = await runHub({ parsed, embedded: false });
      stops.push(() => hub.stop('test'));
      return hub;
    };
    return { start, organisation: seeded?.organisation ?? '', apiKey: seeded?.apiKey ?? '' };
  }

  it('a revocation in a gap of the connection reaches the workers', { timeout: 60_000 }, async () => {
    const { start, organisation, apiKey } = await startHub();
    const hub = await start();
    const gateway = new PollingGateway({ listenPort: hub.listen.port, apiKey, organisation }, 'zone-a');
    gateway.start();
    stops.push(() => gateway.stop());
    await eventually('the gateway has logged in', () => gateway.loggedIn || undefined);
    const ids = ['stays-it', 'goes-now', 'is-new-1'].map((key) => hashKey(key));
    const [stays = '', goes = ''] = ids;
    const session = (rate: number) => JSON.stringify({ org_id: organisation, rate });
    const tell = (id: string) =>
      control.publish(
        'tyk.cluster.notifications',
        JSON.stringify({ command: 'KeySpaceUpdateNotification', payload: `${id}:hashed` }),
      );
    for (const id of [stays, goes]) {
      await control.set(`apikey-${id}`, session(1));
      await eventually('the gateway holds the key', async () => {
        await tell(id);
        await new Promise((resolve) => {
          setTimeout(resolve, 200);
        });
        return gateway.keys.get(`apikey-${id}`);
      });
    }
    // In one step: nothing of it can be heard.
    await control
      .multi()
      .call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      .del(`apikey-${goes}`)
      .publish(
        'tyk.cluster.notifications',
        JSON.stringify({ command: 'KeySpaceUpdateNotification', payload: goes }),
      )
      .set(`apikey-${stays}`, session(2))
      .exec();
    await eventually(
      'the gateway is level with the store',
      () => {
        const level =
          gateway.keys.get(`apikey-${stays}`) === session(2) && !gateway.keys.has(`apikey-${goes}`);
        return level || undefined;
      },
      20_000,
    );
  });

  it('a revocation beyond the bound reaches the log, also over a restart', { timeout: 60_000 }, async () => {
    const clock = new SystemClock();
    const orgA = organisationId('5e9d9544a1dcd60001d0ed20');
    const ids = Array.from({ length: 200 }, (_, index) => hashKey(`key-${String(index).padStart(4, '0')}`));
    const pipeline = control.pipeline();
    for (const id of ids) pipeline.set(`apikey-${id}`, JSON.stringify({ org_id: orgA }));
    await pipeline.exec();

    async function life() {
      const log = new RecordingLog();
      const metrics = recordingMetrics();
      const parts = { clock, log, metrics, random: Math.random };
      const embedded = await openEmbeddedStores({ folder: join(folder.path, 'data'), clock, log });
      const { store } = await openRedis(service!.configuration);
      const owners = new KeyOwners({ ...parts, store });
      const { changeLog } = embedded;
      let hear = (_signal: ControlPlaneSignal): void => {};
      const lookThrough: LookThrough = new LookThrough({
        ...{ ...parts, changeLog, organisations: () => [orgA] },
        look: (marked, isStopped) =>
          hearDifferences(
            {
              ...{ changeLog, store, owners, clock, hashKeys: true },
              hear: (event, organisation) => signals.hear(event, organisation),
              waiting: () => signals.waiting,
              settled: (isEnded) => signals.settled(isEnded),
            },
            marked,
            isStopped,
          ),
      });
      const signals: KeySignals = new KeySignals(
        {
          ...{ ...parts, store, changeLog, owners, hashKeys: true },
          signals: {
            subscribe: (onSignal) => {
              hear = onSignal;
              return () => {};
            },
          },
          organisations: () => [{ id: orgA, name: 'A', hybridEnabled: true }],
          ownerOfApi: () => undefined,
          ownerOfUserKey: () => undefined,
          reloadCatalog: () => {},
          mark: (organisation, depth, reason) => lookThrough.mark(organisation, depth, reason),
          invalidate: () => {},
        },
        150,
      );
      for (const one of [owners, signals, lookThrough]) await one.start();
      const removed = async () => {
        const { oldest, newest } = await changeLog.bounds(orgA);
        const entries = await changeLog.read(orgA, oldest - 1, newest + 1);
        return new Set(
          entries.flatMap(({ body }) =>
            body.type === 'key' && body.event.kind === 'key-removed' ? [body.event.key] : [],
          ),
        );
      };
      const end = async () => {
        for (const one of [lookThrough, signals, owners]) await one.stop();
        await store.close();
        await embedded.close();
      };
      return { hear: (signal: ControlPlaneSignal) => hear(signal), lookThrough, metrics, removed, end, log };
    }

    let one = await life();
    stops.push(() => one.end());
    const event = (key: string) => ({ kind: 'key-changed', key, hashed: true }) as const;
    const tell = (of: readonly string[]) => {
      for (const id of of) one.hear({ type: 'key', event: event(id), organisation: orgA });
    };
    tell(ids.slice(0, 100));
    await eventually(
      'the first are told',
      () => one.metrics.value('causeway_changes_total', { type: 'key' }) === 100 || undefined,
    );
    tell(ids.slice(100));
    await eventually(
      'all are told',
      () => one.metrics.value('causeway_changes_total', { type: 'key' }) === 200 || undefined,
    );
    await control.del(...ids.map((id) => `apikey-${id}`));
    tell(ids);
    expect(one.metrics.value('causeway_limit_hits_total', { limit: 'keySignalsMax' })).toBe(50);
    expect(one.lookThrough.marked()).toMatchObject([
      { organisation: orgA, reason: expect.stringContaining('keySignalsMax') },
    ]);
    expect(one.log.lines.some(({ fields }) => fields['limit'] === 'keySignalsMax')).toBe(true);
    await one.end();

    one = await life();
    expect(one.lookThrough.marked()).toMatchObject([{ organisation: orgA, depth: 'everything' }]);
    await eventually('every revocation is told', async () => {
      return (await one.removed()).size === ids.length || undefined;
    });
    await eventually('the mark is gone', () => one.lookThrough.marked().length === 0 || undefined);
  });
});
