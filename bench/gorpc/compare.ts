import { join } from 'node:path';
import type { BenchOptions } from '../harness/bench-options.js';
import { number, printTable, say, shown } from '../harness/report.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import { buildGoProgram } from './go-programs.js';
import { type Load, type LoadResult, runLoad } from './gorpc-load.js';
import { type GorpcServer, type ServerContent, startGoServer, startHub } from './gorpc-server.js';

export interface Comparison {
  readonly title: string;
  readonly load: Load;
}

/** Hub and Go server in turns, both under the same Go client; the servers stay up between the rounds. */
export async function compareServers(
  content: ServerContent,
  comparisons: readonly Comparison[],
  { rounds, profile }: BenchOptions,
  check: (hub: GorpcServer) => Promise<void> = async () => {},
): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const program = buildGoProgram('gorpc-load', folder);
    const go = await startGoServer(folder, content);
    const hub = await startHub(folder, content);
    try {
      for (const { title, load } of comparisons) {
        // The first seconds of a process are not its usual ones.
        for (const server of [go, hub]) await runLoad(program, server, { ...load, seconds: 1 });
        const results: [LoadResult, LoadResult][] = [];
        for (let round = 0; round < rounds; round += 1) {
          const ofGo = await runLoad(program, go, load);
          const ofHub = await runLoad(program, hub, load);
          say(
            `${title}: Go ${number(ofGo.callsPerSecond)}/s ${number(ofGo.cpuUsPerCall, 1)} µs, ` +
              `hub ${number(ofHub.callsPerSecond)}/s ${number(ofHub.cpuUsPerCall, 1)} µs`,
          );
          results.push([ofGo, ofHub]);
        }
        print(title, results);
        if (profile === undefined) continue;
        const file = join(profile, `gorpc ${title}.cpuprofile`.replaceAll(/[^\w.-]+/g, '-'));
        await hub.profile(file, async () => void (await runLoad(program, hub, load)));
      }
      await check(hub);
    } finally {
      await go.stop();
      await hub.stop();
    }
  });
}

function print(title: string, results: readonly (readonly [LoadResult, LoadResult])[]): void {
  const head = [
    '',
    'calls/s',
    'server CPU µs/call',
    'p50, ms',
    'p99, ms',
    'server cores',
    'client CPU µs/call',
  ];
  const columns = [
    ['callsPerSecond', 0],
    ['cpuUsPerCall', 1],
    ['p50Ms', 2],
    ['p99Ms', 2],
    ['serverCores', 2],
    ['clientCpuUsPerCall', 1],
  ] as const;
  const row = (name: string, index: 0 | 1) => [
    name,
    ...columns.map(([field, digits]) =>
      shown(
        results.map((pair) => pair[index][field]),
        digits,
      ),
    ),
  ];
  const ratios = columns.map(([field]) =>
    shown(
      results.map(([go, hub]) => hub[field] / go[field]),
      2,
    ),
  );
  printTable(title, head, [row('Go server', 0), row('hub', 1), ['hub / Go', ...ratios]]);
}
