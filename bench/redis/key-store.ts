import { surveySessions } from '../../src/hub/keyspace/key-owners.js';
import type { Log } from '../../src/ports/log.js';
import type { RedisAccess } from '../../src/stores/redis/redis-access.js';
import { RedisKeyStore } from '../../src/stores/redis/redis-key-store.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { number, printTable, shown } from '../harness/report.js';
import { percentile } from '../harness/statistics.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import { startRedis } from './redis-process.js';

/** Reads of single keys from a Redis on this machine, and what a scan of all keys does to them. */

const nothing = (): void => {};
const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
const keys = Number(process.env['BENCH_KEYS'] ?? 500_000);
const rounds = 5;
const roundMs = 1_000;
const session = Buffer.from(
  JSON.stringify({ org_id: '5e9d9544a1dcd60001d0ed20', filler: 'x'.repeat(600), rate: 1_000, per: 60 }),
);
const nameOf = (index: number): string => `apikey-${index.toString(16).padStart(16, '0')}`;
const anyName = (): string => nameOf(Math.floor(Math.random() * keys));

function openStore(access: RedisAccess): RedisKeyStore {
  const clock = new SystemClock();
  return new RedisKeyStore(access, {
    ...{ path: 'storage', clock, log: silentLog, random: Math.random, markSuffix: 'bench' },
  });
}

/** Closed loop: so many callers, each with one read under way. */
async function throughput(stores: readonly RedisKeyStore[], callers: number, ttl: boolean) {
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  let calls = 0;
  const caller = async (index: number): Promise<void> => {
    const store = stores[index % stores.length];
    while (performance.now() - startedMs < roundMs) {
      await store?.getMany([anyName()], { ttl });
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: calls / ((performance.now() - startedMs) / 1_000), cpuUs: (user + system) / calls };
}

/** Open loop: reads come at a fixed rate whatever happens, and count from when they were due. */
async function latencies(store: RedisKeyStore, perSecond: number, until: Promise<unknown>) {
  const seen: number[] = [];
  let going = true;
  void until.finally(() => {
    going = false;
  });
  const waiting: Promise<unknown>[] = [];
  const startedMs = performance.now();
  for (let count = 0; going; ) {
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * perSecond);
    for (; count < due; count += 1) {
      const dueMs = startedMs + (count / perSecond) * 1_000;
      const read = store.getMany([anyName()], { ttl: false });
      waiting.push(read.then(() => seen.push(performance.now() - dueMs)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(waiting);
  return seen;
}

async function scanNames(store: RedisKeyStore): Promise<number> {
  let count = 0;
  for await (const names of store.scan('apikey-', 500)) count += names.length;
  return count;
}

/** What the hub does to learn whose the keys are. */
const survey = (store: RedisKeyStore): Promise<number> =>
  surveySessions({ store, clock: new SystemClock() }, () => {});

async function measure(access: RedisAccess): Promise<void> {
  const [store, second] = [openStore(access), openStore(access)];
  const filler = Array.from({ length: 200 }, (_, lane) => lane);
  await Promise.all(
    filler.map(async (lane) => {
      for (let index = lane; index < keys; index += filler.length) {
        await store.put(nameOf(index), session, undefined);
      }
    }),
  );
  const rows: (string | number)[][] = [];
  for (const callers of [1, 10, 50, 200]) {
    for (const [what, stores, ttl] of [
      ['value', [store], false],
      ['value and life', [store], true],
      ['value, two connections', [store, second], false],
    ] as const) {
      const measured = [];
      for (let round = 0; round < rounds; round += 1) measured.push(await throughput(stores, callers, ttl));
      rows.push([
        callers,
        what,
        shown(measured.map(({ perSecond }) => perSecond)),
        shown(
          measured.map(({ cpuUs }) => cpuUs),
          1,
        ),
      ]);
    }
  }
  printTable('Reads of one key', ['callers', 'asked for', 'calls/s', 'CPU µs per call'], rows);

  const scans: (string | number)[][] = [];
  const rate = 5_000;
  for (const [what, work] of [
    ['nothing else', () => new Promise<number>((resolve) => setTimeout(() => resolve(0), 12_000))],
    ['a scan of the names', () => scanNames(store)],
    ['a survey: names, values, owners', () => survey(store)],
  ] as const) {
    const p99: number[] = [];
    const tookMs: number[] = [];
    let found = 0;
    for (let round = 0; round < 3; round += 1) {
      const startedMs = performance.now();
      const working = work().then((count) => {
        found = count;
        tookMs.push(performance.now() - startedMs);
      });
      p99.push(percentile(await latencies(store, rate, working), 99));
    }
    scans.push([
      what,
      number(found),
      shown(
        tookMs.map((ms) => ms / 1_000),
        1,
      ),
      shown(p99, 2),
    ]);
  }
  printTable(
    `${number(rate)} reads/s of one key, and`,
    ['besides', 'keys', 'seconds', 'p99 of a read, ms'],
    scans,
  );
  await Promise.all([store.close(), second.close()]);
}

await withTemporaryFolder(async (folder) => {
  const server = await startRedis(folder);
  try {
    await measure({
      nodes: [{ host: '127.0.0.1', port: server.port }],
      ...{ enableCluster: false, database: 0, timeoutMs: 5_000 },
      ...{ masterName: undefined, sentinelPassword: undefined, username: undefined, password: undefined },
      tls: undefined,
    });
  } finally {
    await server.stop();
  }
});
