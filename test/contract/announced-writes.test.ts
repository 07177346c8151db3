import { afterAll } from 'vitest';
import { startRedis } from '../services/redis.js';
import { describeAnnouncedWrites } from './announced-writes.suite.js';
import { openIntended, openOneCommit } from './announced-writes-fixtures.js';
import { openRedisFixture } from './redis-fixtures.js';

describeAnnouncedWrites('lmdb, in one commit', openOneCommit);
describeAnnouncedWrites('keys in memory, intentions in lmdb', () => openIntended());

const service = await startRedis('standalone');
if (service !== undefined) {
  afterAll(() => service.stop());
  describeAnnouncedWrites('keys in redis, intentions in lmdb', () =>
    openIntended(() => openRedisFixture(service)),
  );
}
