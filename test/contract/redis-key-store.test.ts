import { afterAll, describe } from 'vitest';
import { startRedis } from '../services/redis.js';
import { describeKeyStore } from './key-store.suite.js';
import { openRedisFixture } from './redis-fixtures.js';

for (const kind of ['standalone', 'cluster', 'sentinel', 'tls'] as const) {
  const service = await startRedis(kind);
  if (service === undefined) describe.skip(`key store: redis, ${kind}`);
  else {
    afterAll(() => service.stop());
    describeKeyStore(`redis, ${kind} (${service.version})`, () => openRedisFixture(service));
  }
}
