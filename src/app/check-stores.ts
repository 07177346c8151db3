import type { Configuration } from '../config/configuration.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

interface Probe {
  probe(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Connects to every store that the configuration names, as a hub would, and lets go. Resolves to what is wrong, one
 * line for each store that names the option and the remedy; none: a hub can work with them. Writes nothing.
 */
export async function checkStores(
  configuration: Configuration,
  clock: Clock,
  log: Log,
): Promise<readonly string[]> {
  const problems = await Promise.all([
    checkDatabase(configuration, clock, log),
    checkKeyStore(configuration, clock),
  ]);
  return problems.flat();
}

async function checkDatabase(
  configuration: Configuration,
  clock: Clock,
  log: Log,
): Promise<readonly string[]> {
  const { type } = configuration.analytics;
  if (type === 'embedded') return [];
  let rows: Probe | undefined;
  try {
    if (type === 'postgres') {
      const { openPostgresRows } = await import('../stores/postgres/postgres-catalog.js');
      rows = openPostgresRows(configuration, clock);
    } else {
      const { openMongoRows } = await import('../stores/mongodb/mongo-catalog.js');
      rows = openMongoRows(configuration, { clock, log, random: Math.random });
    }
    await rows.probe();
    return [];
  } catch (thrown) {
    return [thrown instanceof CausewayError ? thrown.message : describeError(thrown)];
  } finally {
    await rows?.close();
  }
}

async function checkKeyStore(configuration: Configuration, clock: Clock): Promise<readonly string[]> {
  const { storageType, storage, enableSeparateAnalyticsStore, analyticsStorage } = configuration;
  const { checkRedis } = await import('../stores/redis/check-redis.js');
  const options = { clock, random: Math.random };
  const problems: string[] = [];
  if (storageType === 'redis') problems.push(...(await checkRedis(storage, { ...options, path: 'storage' })));
  if (enableSeparateAnalyticsStore) {
    problems.push(...(await checkRedis(analyticsStorage, { ...options, path: 'analytics_storage' })));
  }
  return problems;
}
