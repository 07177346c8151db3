import { join } from 'node:path';
import type { BenchOptions } from '../harness/bench-options.js';
import { writeCatalogFolder } from '../harness/catalog-folder.js';
import { pause } from '../harness/pause.js';
import { megabytes, printTable, say, shown } from '../harness/report.js';
import { type Child, startChild } from '../harness/start-child.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import { untilLevel } from './crowd-state.js';

const workers = 1_000;
const definitions = 20;
const definitionBytes = 1_024;
const settleMs = 3_000;
/** Two heartbeats of each worker. */
const idleMs = 20_000;
const roundsMax = 3;

interface Round {
  readonly rssMb: number;
  readonly grownMb: number;
  readonly kbPerWorker: number;
  readonly cpuSecondsPerMinute: number;
}

/** Memory and processor time of workers that are connected, hear heartbeats and report their state. */
export async function benchIdle({ rounds, profile }: BenchOptions): Promise<void> {
  const results = new Map<string, Round[]>([
    ['hub', []],
    ['plain server', []],
  ]);
  for (let round = 0; round < Math.min(rounds, roundsMax); round += 1) {
    await withTemporaryFolder(async (folder) => {
      const catalogPath = join(folder, 'catalog');
      await writeCatalogFolder(catalogPath, { definitions, definitionBytes });
      const hub = startChild('hub/whole-hub');
      const { port } = await hub.call<{ port: number }>('start', {
        dataPath: join(folder, 'data'),
        catalogPath,
      });
      const file = profile === undefined || round > 0 ? undefined : join(profile, 'idle.cpuprofile');
      results.get('hub')?.push(await measure('hub', hub, port, file));
      await hub.call('stop');
      await hub.stop();
    });
    const plain = startChild('grpc/plain-server');
    const { port } = await plain.call<{ port: number }>('start', { definitionBytes });
    results.get('plain server')?.push(await measure('plain server', plain, port, undefined));
    await plain.stop();
  }
  const head = ['', 'RSS, MB', 'growth, MB', 'KB per worker', 'CPU seconds per minute'];
  const rows = [...results].map(([name, measured]) => {
    const of = (field: keyof Round, digits: number) =>
      shown(
        measured.map((round) => round[field]),
        digits,
      );
    return [name, of('rssMb', 0), of('grownMb', 0), of('kbPerWorker', 0), of('cpuSecondsPerMinute', 2)];
  });
  printTable(`${workers} idle workers`, head, rows);
}

async function measure(
  name: string,
  server: Child,
  port: number,
  profile: string | undefined,
): Promise<Round> {
  const crowd = startChild('grpc/worker-crowd');
  await server.call('collectGarbage');
  const empty = await server.usage();
  await crowd.call('connect', { port, lean: workers, reference: 0 });
  await untilLevel(crowd, workers);
  await crowd.call('confirmEvery', 20);
  await crowd.call('behaveIdle');
  await pause(settleMs);
  await server.call('collectGarbage');
  if (profile !== undefined) await server.call('startProfile');
  const before = await server.usage();
  await pause(idleMs);
  const after = await server.usage();
  if (profile !== undefined) await server.call('stopProfile', profile);
  await server.call('collectGarbage');
  const full = await server.usage();
  await crowd.stop();
  const grown = full.rssBytes - empty.rssBytes;
  say(
    `${name}: ${megabytes(full.rssBytes).toFixed(0)} MB, of that ${megabytes(grown).toFixed(0)} MB for workers`,
  );
  return {
    rssMb: megabytes(full.rssBytes),
    grownMb: megabytes(grown),
    kbPerWorker: grown / workers / 1_000,
    cpuSecondsPerMinute: ((after.cpuUs - before.cpuUs) / 1e6) * (60_000 / idleMs),
  };
}
