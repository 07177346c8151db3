import { join } from 'node:path';
import type { BenchOptions } from '../harness/bench-options.js';
import { writeCatalogFolder } from '../harness/catalog-folder.js';
import { metricValue } from '../harness/metrics-text.js';
import { megabytes, printTable, say, shown } from '../harness/report.js';
import { type Child, startChild } from '../harness/start-child.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import { stateOf, untilLevel } from './crowd-state.js';

const workers = 50;
const definitions = 1_000;
const definitionBytes = 20_000;
const zones = ['zone-a', 'zone-b', 'zone-c', 'zone-d', 'zone-e'];

interface Round {
  /** From the first connection attempt to the last worker that has everything. */
  readonly levelMs: number;
  readonly cpuMs: number;
  readonly encodes: number;
  readonly sentMb: number;
  readonly rssBeforeMb: number;
  readonly rssPeakMb: number;
}

type Measurement = (folder: string, profile: string | undefined) => Promise<Round>;

/** 20 MB of definitions to 50 workers that connect at the same moment; a fresh hub for each round. */
export async function benchSnapshotCrowd({ rounds, profile }: BenchOptions): Promise<void> {
  const measurements: Readonly<Record<string, Measurement>> = {
    'hub, 1 view': (folder, file) => measureHub(folder, [[]], file),
    'hub, 5 views': (folder) =>
      measureHub(
        folder,
        zones.map((zone) => [zone]),
        undefined,
      ),
    'plain server': () => measurePlain(),
  };
  await withTemporaryFolder(async (folder) => {
    // Every API is in every zone but for one of each, so that the five views differ and are of one size.
    const tagsOf = (index: number) => (index < zones.length ? [zones[index] ?? ''] : zones);
    await writeCatalogFolder(join(folder, 'catalog'), { definitions, definitionBytes, tagsOf });
    const results = new Map(Object.keys(measurements).map((name): [string, Round[]] => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, measureOne] of Object.entries(measurements)) {
        const file = profile === undefined ? undefined : join(profile, 'snapshot-crowd.cpuprofile');
        const measured = await measureOne(folder, round === 0 ? file : undefined);
        results.get(name)?.push(measured);
        say(`${name}: ${Math.round(measured.levelMs)} ms, ${measured.encodes} encodes`);
      }
    }
    print(results);
  });
}

async function measureHub(
  folder: string,
  tagSets: readonly (readonly string[])[],
  profile: string | undefined,
): Promise<Round> {
  const hub = startChild('hub/whole-hub');
  const dataPath = join(folder, `data-${performance.now()}`);
  const { port } = await hub.call<{ port: number }>('start', {
    dataPath,
    catalogPath: join(folder, 'catalog'),
  });
  const round = await measure(hub, port, tagSets, profile);
  const text = await hub.call<string>('metrics');
  await hub.call('stop');
  await hub.stop();
  return { ...round, encodes: metricValue(text, 'causeway_encodes_total{what="snapshot"}') };
}

async function measurePlain(): Promise<Round> {
  const server = startChild('grpc/plain-server');
  const { port } = await server.call<{ port: number }>('start', { definitionBytes, snapshot: definitions });
  const round = await measure(server, port, [[]], undefined);
  await server.stop();
  return { ...round, encodes: 1 };
}

async function measure(
  server: Child,
  port: number,
  tagSets: readonly (readonly string[])[],
  profile: string | undefined,
): Promise<Omit<Round, 'encodes'>> {
  await server.call('collectGarbage');
  const before = await server.usage();
  const crowd = startChild('grpc/worker-crowd');
  if (profile !== undefined) await server.call('startProfile');
  await crowd.call('connect', { port, lean: workers, reference: 0, tagSets });
  await untilLevel(crowd, workers);
  if (profile !== undefined) await server.call('stopProfile', profile);
  const state = await stateOf(crowd);
  const after = await server.usage();
  await crowd.stop();
  return {
    levelMs: state.levelMs,
    cpuMs: (after.cpuUs - before.cpuUs) / 1_000,
    sentMb: megabytes(state.bytes),
    rssBeforeMb: megabytes(before.rssBytes),
    rssPeakMb: megabytes(after.peakRssBytes),
  };
}

function print(results: ReadonlyMap<string, readonly Round[]>): void {
  const head = [
    '',
    'last worker level, ms',
    'server CPU, ms',
    'snapshot encodes',
    'MB sent',
    'RSS before, MB',
    'peak RSS, MB',
  ];
  const rows = [...results].map(([name, rounds]) => {
    const of = (field: keyof Round) => shown(rounds.map((round) => round[field]));
    return [
      name,
      of('levelMs'),
      of('cpuMs'),
      of('encodes'),
      of('sentMb'),
      of('rssBeforeMb'),
      of('rssPeakMb'),
    ];
  });
  const [hub = [], , plain = []] = [...results.values()];
  const ratio = (field: keyof Round) =>
    shown(
      hub.map((round, index) => round[field] / (plain[index]?.[field] ?? 0)),
      2,
    );
  rows.push([
    'hub, 1 view / plain',
    ratio('levelMs'),
    ratio('cpuMs'),
    '',
    ratio('sentMb'),
    '',
    ratio('rssPeakMb'),
  ]);
  const total = Math.round((definitions * definitionBytes) / 1e6);
  printTable(`${definitions} definitions, ${total} MB, to ${workers} workers at once`, head, rows);
}
