import type { Configuration } from '../config/configuration.js';
import { CausewayError } from '../errors/causeway-error.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { PrometheusMetrics } from '../telemetry/prometheus-metrics.js';
import { tlsFiles } from './hub-graph.js';

/**
 * Makes what a start makes, short of connecting and of the data folder, and lets go: reads the certificates of both
 * ports, the connection string and names of the catalog, the files for Redis. Resolves to what would end a start.
 */
export async function checkOpening(
  configuration: Configuration,
  clock: Clock,
  log: Log,
): Promise<readonly CausewayError[]> {
  const problems: CausewayError[] = [];
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (thrown) {
      if (!(thrown instanceof CausewayError)) throw thrown;
      problems.push(thrown);
    }
  };
  await attempt(() => tryCatalog(configuration, clock, log));
  await attempt(() => tryRedis(configuration, clock, log));
  const ports = [
    ['server_options', configuration.listener.tls],
    ['http_server_options', configuration.http.tls],
  ] as const;
  for (const [option, terms] of ports) {
    await attempt(async () => {
      const files = tlsFiles(terms, option, { clock, log, metrics: new PrometheusMetrics() });
      try {
        await files?.start();
      } finally {
        await files?.stop();
      }
    });
  }
  return problems;
}

async function tryCatalog(configuration: Configuration, clock: Clock, log: Log): Promise<void> {
  switch (configuration.analytics.type) {
    case 'embedded':
      return;
    case 'postgres': {
      const { openPostgresRows } = await import('../stores/postgres/postgres-catalog.js');
      return openPostgresRows(configuration, clock).close();
    }
    case 'mongo': {
      const { openMongoRows } = await import('../stores/mongodb/mongo-catalog.js');
      return openMongoRows(configuration, { clock, log, random: Math.random }).close();
    }
  }
}

async function tryRedis(configuration: Configuration, clock: Clock, log: Log): Promise<void> {
  if (configuration.storageType !== 'redis') return;
  const { RedisKeyStore } = await import('../stores/redis/redis-key-store.js');
  const options = { path: 'storage', clock, log, random: Math.random, markSuffix: 'check' } as const;
  await new RedisKeyStore(configuration.storage, options).close();
}
