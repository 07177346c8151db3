import type { RedisAccess } from '../../src/stores/redis/redis-access.js';
import { RedisKeyStore } from '../../src/stores/redis/redis-key-store.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { RecordingLog } from '../memory/silent-log.js';
import type { RedisService } from '../services/redis.js';
import type { StoreFixture } from './fixture.js';

export interface OpenedRedis {
  readonly store: RedisKeyStore;
  readonly log: RecordingLog;
}

/** Resolves when it is connected, or after trying for a while. */
export async function openRedis(access: RedisAccess): Promise<OpenedRedis> {
  const log = new RecordingLog();
  const store = new RedisKeyStore(access, {
    path: 'storage',
    clock: new SystemClock(),
    log,
    random: Math.random,
    markSuffix: 'test',
  });
  await store.open(Math.min(access.timeoutMs, 1_000));
  return { store, log };
}

/** One service serves a whole file; each fixture finds it empty. */
export async function openRedisFixture(service: RedisService): Promise<StoreFixture<RedisKeyStore>> {
  await service.flush();
  let { store } = await openRedis(service.configuration);
  return {
    store,
    passTime: (ms) => service.age(ms),
    reopen: async () => {
      await store.close();
      ({ store } = await openRedis(service.configuration));
      return store;
    },
    dispose: async () => {
      await store.close();
      await service.flush();
    },
  };
}
