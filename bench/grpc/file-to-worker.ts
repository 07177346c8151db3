import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashDefinition } from '../../src/domain/definition-hash.js';
import type { BenchOptions } from '../harness/bench-options.js';
import { apiPath, writeCatalogFolder } from '../harness/catalog-folder.js';
import { apiJson, seeded } from '../harness/definitions.js';
import { pause } from '../harness/pause.js';
import { number, printTable, say, shown } from '../harness/report.js';
import { type Child, startChild } from '../harness/start-child.js';
import { percentile } from '../harness/statistics.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import { untilLevel } from './crowd-state.js';
import type { AppliedNote } from './worker-crowd.js';

const workers = 200;
const definitions = 200;
const definitionBytes = 1_024;
const editsPerRound = 100;
const gapMsMin = 50;
const gapMsMax = 150;

interface Delay {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * From the call that writes a file to the last of 200 reference workers that has applied it. All 200 live in one
 * process, so the time in which they unpack one after the other is in; in the field they do it side by side.
 */
export async function benchFileToWorker({ rounds }: BenchOptions): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const catalogPath = join(folder, 'catalog');
    await writeCatalogFolder(catalogPath, { definitions, definitionBytes });
    const hub = startChild('hub/whole-hub');
    const crowd = startChild('grpc/worker-crowd');
    const { port } = await hub.call<{ port: number }>('start', {
      dataPath: join(folder, 'data'),
      catalogPath,
    });
    await crowd.call('connect', { port, lean: 0, reference: workers });
    await untilLevel(crowd, workers);
    const random = seeded(1);
    const rows: Delay[][] = [];
    let revision = 0;
    for (let round = 0; round < rounds; round += 1) {
      const delays: Delay[] = [];
      for (let edit = 0; edit < editsPerRound; edit += 1) {
        revision += 1;
        const index = Math.floor(random() * definitions);
        delays.push(await editOnce(crowd, catalogPath, index, revision));
        await pause(gapMsMin + random() * (gapMsMax - gapMsMin));
      }
      rows.push(delays);
      say(`round ${round + 1}: p50 ${number(percentile(delays.map(lastMs), 50), 1)} ms`);
    }
    await crowd.stop();
    await hub.call('stop');
    await hub.stop();
    const over = (percent: number, pick: (delay: Delay) => number) =>
      shown(
        rows.map((delays) => percentile(delays.map(pick), percent)),
        1,
      );
    printTable(
      `from file written to applied, ${workers} workers, ${rounds} rounds of ${editsPerRound} edits, ms`,
      ['', 'p50', 'p90', 'p99'],
      [
        ['first worker', over(50, firstMs), over(90, firstMs), over(99, firstMs)],
        ['last worker', over(50, lastMs), over(90, lastMs), over(99, lastMs)],
      ],
    );
  });
}

async function editOnce(crowd: Child, path: string, index: number, revision: number): Promise<Delay> {
  const json = apiJson(index, revision, definitionBytes);
  const hash = hashDefinition('plain', Buffer.from(json), undefined);
  const applied = new Promise<AppliedNote>((resolve) => crowd.on<AppliedNote>('applied', resolve));
  await crowd.call('expect', hash);
  const startNs = process.hrtime.bigint();
  await writeFile(apiPath(path, index), json);
  const { firstNs, lastNs } = await applied;
  return { firstMs: Number(firstNs - startNs) / 1e6, lastMs: Number(lastNs - startNs) / 1e6 };
}

const firstMs = (delay: Delay): number => delay.firstMs;
const lastMs = (delay: Delay): number => delay.lastMs;
