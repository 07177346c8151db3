import { join } from 'node:path';
import { buildGoProgram } from '../gorpc/go-programs.js';
import { type Load, runLoad } from '../gorpc/gorpc-load.js';
import { type GorpcServer, storedKeys } from '../gorpc/gorpc-server.js';
import type { BenchOptions } from '../harness/bench-options.js';
import { writeCatalogFolder } from '../harness/catalog-folder.js';
import { number, printTable, say, shown } from '../harness/report.js';
import { type Child, startChild } from '../harness/start-child.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import type { KeyCalls, KeyCallsResult } from './key-caller.js';
import type { KeyHubStart } from './key-hub.js';
import { startRedis } from './redis-process.js';

const seconds = 4;
const warmUpSeconds = 2;
const content = { definitions: 20, definitionBytes: 1_024 };

interface Measured {
  readonly callsPerSecond: number;
  readonly cpuUsPerCall: number;
  readonly serverCores: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface KeyHub extends GorpcServer {
  readonly port: number;
}

type Measure = (hub: KeyHub, lastsSeconds: number) => Promise<Measured>;

/** Reads of one key through the hub from Redis, against the same hub whose keys are in no store at all. */
export async function benchRedisGetKey({ rounds, profile }: BenchOptions): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const program = buildGoProgram('gorpc-load', folder);
    const redis = await startRedis(folder);
    const catalogPath = join(folder, 'catalog');
    await writeCatalogFolder(catalogPath, content);
    const without = await startKeyHub('no store', { folder, catalogPath, redisPort: undefined });
    const withRedis = await startKeyHub('Redis', { folder, catalogPath, redisPort: redis.port });
    const caller = startChild('redis/key-caller');
    const gorpc =
      (load: Omit<Load, 'seconds'>): Measure =>
      (hub, lastsSeconds) =>
        runLoad(program, hub, { ...load, seconds: lastsSeconds });
    const getKey = { method: 'GetKey', connections: 5 } as const;
    const measures: readonly (readonly [title: string, measure: Measure])[] = [
      [
        'gorpc GetKey, 1 gateway × 5 connections, 50 in flight',
        gorpc({ ...getKey, gateways: 1, inFlight: 50 }),
      ],
      [
        'gorpc GetKey, 20 gateways × 5 connections, 5 in flight each',
        gorpc({ ...getKey, gateways: 20, inFlight: 5 }),
      ],
      [
        'gRPC GetKeys of one name, 1 connection, 50 in flight',
        (hub, lastsSeconds) => callKeys(caller, hub, { inFlight: 50, seconds: lastsSeconds }),
      ],
    ];
    try {
      for (const [title, measure] of measures) {
        for (const hub of [without, withRedis]) await measure(hub, warmUpSeconds);
        const results: [Measured, Measured][] = [];
        for (let round = 0; round < rounds; round += 1) {
          results.push(await inTurns(round, without, withRedis, (hub) => measure(hub, seconds)));
          const [a, b] = results.at(-1) ?? [];
          say(
            `${title}: no store ${number(a?.callsPerSecond ?? 0)}/s, Redis ${number(b?.callsPerSecond ?? 0)}/s`,
          );
        }
        print(title, results);
        if (profile === undefined) continue;
        for (const hub of [without, withRedis]) {
          const file = `redis ${title} ${hub.name}.cpuprofile`.replaceAll(/[^\w.-]+/g, '-');
          await hub.profile(join(profile, file), async () => void (await measure(hub, seconds)));
        }
      }
    } finally {
      await caller.stop();
      await withRedis.stop();
      await without.stop();
      await redis.stop();
    }
  });
}

/** Who begins changes, so that what the machine does besides falls on both. */
async function inTurns(
  round: number,
  first: KeyHub,
  second: KeyHub,
  measure: (hub: KeyHub) => Promise<Measured>,
): Promise<[Measured, Measured]> {
  if (round % 2 === 0) {
    const ofFirst = await measure(first);
    return [ofFirst, await measure(second)];
  }
  const ofSecond = await measure(second);
  return [await measure(first), ofSecond];
}

async function callKeys(
  caller: Child,
  hub: KeyHub,
  load: Pick<KeyCalls, 'inFlight' | 'seconds'>,
): Promise<Measured> {
  const before = await hub.usage();
  const startMs = performance.now();
  const names = storedKeys.map(([name]) => name);
  const result = await caller.call<KeyCallsResult>('run', { ...load, port: hub.port, names });
  const lastedMs = performance.now() - startMs;
  const cpuUs = (await hub.usage()).cpuUs - before.cpuUs;
  return { ...result, cpuUsPerCall: cpuUs / result.calls, serverCores: cpuUs / 1_000 / lastedMs };
}

async function startKeyHub(
  name: string,
  given: { folder: string; catalogPath: string; redisPort: number | undefined },
): Promise<KeyHub> {
  const hub = startChild('redis/key-hub');
  const { port } = await hub.call<{ port: number }>('start', {
    dataPath: join(given.folder, `data of ${name}`),
    catalogPath: given.catalogPath,
    redisPort: given.redisPort,
    keys: storedKeys,
  } satisfies KeyHubStart);
  return {
    name,
    port,
    address: `127.0.0.1:${port}`,
    usage: () => hub.usage(),
    collectGarbage: () => hub.call('collectGarbage'),
    metrics: async () => undefined,
    profile: async (file, run) => {
      await hub.call('startProfile');
      await run();
      await hub.call('stopProfile', file);
    },
    stop: async () => {
      await hub.call('stop');
      await hub.stop();
    },
  };
}

function print(title: string, results: readonly (readonly [Measured, Measured])[]): void {
  const columns = [
    ['callsPerSecond', 'calls/s', 0],
    ['cpuUsPerCall', 'hub CPU µs/call', 1],
    ['serverCores', 'hub cores', 2],
    ['p50Ms', 'p50, ms', 2],
    ['p99Ms', 'p99, ms', 2],
  ] as const;
  const row = (name: string, index: 0 | 1) => [
    name,
    ...columns.map(([field, , digits]) =>
      shown(
        results.map((pair) => pair[index][field]),
        digits,
      ),
    ),
  ];
  const ratios = columns.map(([field]) =>
    shown(
      results.map(([without, redis]) => redis[field] / without[field]),
      2,
    ),
  );
  printTable(
    title,
    ['', ...columns.map(([, head]) => head)],
    [row('no store', 0), row('Redis', 1), ['Redis / no store', ...ratios]],
  );
}
