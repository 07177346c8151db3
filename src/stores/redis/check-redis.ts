import { Cluster } from 'ioredis';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { createSubscriber } from './create-client.js';
import { operationChannel } from './keyspace-operation.js';
import { notificationChannel } from './notification.js';
import type { RedisAccess, RedisOptionPath } from './redis-access.js';
import { RedisLink, within } from './redis-link.js';
import { explainRedisTrouble } from './redis-trouble.js';

const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silent };
function ignore(): void {}

/**
 * Tries what a hub will do: connect, read, listen. Writes nothing. Resolves to what is wrong, one line for each
 * that names the option and the remedy; none: a hub can work with it.
 */
export async function checkRedis(
  access: RedisAccess,
  options: { readonly path: RedisOptionPath; readonly clock: Clock; readonly random: () => number },
): Promise<readonly string[]> {
  const { path, clock } = options;
  let link: RedisLink;
  try {
    link = new RedisLink(access, { ...options, log: silent });
  } catch (error) {
    // A certificate that cannot be read.
    if (error instanceof CausewayError) return [error.message];
    throw error;
  }
  const subscriber = createSubscriber(access, { ...options, connectionName: 'causeway-check' }, 0);
  subscriber.on('error', ignore);
  try {
    await link.open(access.timeoutMs);
    await link.run(async (client) => {
      await client.get('causeway-probe');
      if (client instanceof Cluster) return;
      // A node of a cluster answers for some keys; that it is one shows only here.
      const about = await client.info('cluster').catch(() => '');
      if (about.includes('cluster_enabled:1')) throw new Error('MOVED 0 elsewhere');
    });
    await within(clock, access.timeoutMs, subscriber.connect());
    await within(clock, access.timeoutMs, subscriber.subscribe(notificationChannel, operationChannel));
    return [];
  } catch (error) {
    if (error instanceof CausewayError) return [error.detail ?? error.message];
    return [`${explainRedisTrouble(error, path, access)} (while subscribing)`];
  } finally {
    link.close();
    subscriber.disconnect();
  }
}
