import { Cluster, type Redis } from 'ioredis';
import { sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStoreFacts } from '../../ports/key-store-facts.js';
import type { RedisLink } from './redis-link.js';

/** Slots looked through in one SCAN. */
const scanCount = 500;
const certificateNamesMax = 50;

/**
 * Looks into a Redis without loading it: a cursor walks through the key space in an order that is as good as random, so
 * its first steps are a sample. At most `evidenceScansMax` steps for each kind of name, whatever the size of the store;
 * of a Cluster, one primary stands for all.
 */
export async function readRedisFacts(
  link: RedisLink,
  database: number,
  clock: Clock,
): Promise<KeyStoreFacts> {
  const server = await link.run(async (client) => {
    if (!(client instanceof Cluster)) return client as Redis;
    await client.get('causeway-probe');
    return client.nodes('master')[0];
  });
  if (server === undefined) return { sessionNames: [], certificateNames: [] };
  const clockAheadMs = await readClock(link, server, clock);
  const otherNames = await sample(link, server, '*', limits.evidenceNamesMax);
  const sessions = otherNames.filter((name) => name.startsWith(sessionPrefix));
  const isSampleOfAll = otherNames.length >= limits.evidenceNamesMax;
  return {
    sessionNames:
      sessions.length > 0 && !isSampleOfAll
        ? sessions
        : await sample(link, server, `${sessionPrefix}*`, limits.evidenceNamesMax),
    certificateNames: await sample(link, server, 'cert-raw-*', certificateNamesMax),
    otherNames,
    databases: await readDatabases(link, server, database),
    clockAheadMs,
  };
}

async function sample(
  link: RedisLink,
  server: Redis,
  pattern: string,
  namesMax: number,
): Promise<readonly string[]> {
  const names = new Set<string>();
  let cursor = '0';
  for (let step = 0; step < limits.evidenceScansMax && names.size < namesMax; step += 1) {
    const [next, found] = await link.run(() => server.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount));
    for (const name of found) names.add(name);
    cursor = next;
    if (cursor === '0') break;
  }
  return [...names].slice(0, namesMax);
}

/** Undefined: this user may not ask. */
async function readClock(link: RedisLink, server: Redis, clock: Clock): Promise<number | undefined> {
  const askedMs = clock.nowMs();
  const told = await link.run(() => server.time()).catch(() => undefined);
  if (told === undefined) return undefined;
  const [seconds, microseconds] = told;
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000 - (askedMs + clock.nowMs()) / 2;
}

/** Undefined: the server does not say, or this user may not ask. */
async function readDatabases(
  link: RedisLink,
  server: Redis,
  database: number,
): Promise<KeyStoreFacts['databases']> {
  const about = await link.run(() => server.info('keyspace')).catch(() => undefined);
  if (about === undefined) return undefined;
  const counts = new Map<number, number>();
  for (const [, number, keys] of about.matchAll(/^db(\d+):keys=(\d+)/gm))
    counts.set(Number(number), Number(keys));
  const own = counts.get(database) ?? 0;
  counts.delete(database);
  return { own, others: counts };
}
