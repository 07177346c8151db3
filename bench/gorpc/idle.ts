import type { BenchOptions } from '../harness/bench-options.js';
import { apiKey, organisation } from '../harness/definitions.js';
import { JsonLinesProcess } from '../harness/json-lines-process.js';
import { pause } from '../harness/pause.js';
import { megabytes, number, printTable, say, shown } from '../harness/report.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';
import { buildGoProgram } from './go-programs.js';
import { runLoad } from './gorpc-load.js';
import { type GorpcServer, startGoServer, startHub } from './gorpc-server.js';

const content = { definitions: 20, definitionBytes: 1_024 };
const idleGateways = 200;
const idleConnections = 1_000;
const settleMs = 3_000;
const pollingGateways = 1_000;
const pollSeconds = 30;
const roundsMax = 3;

const starts = [startGoServer, startHub];

/** Memory of connections that do nothing; a fresh server for each round. */
export async function benchIdleMemory({ rounds }: BenchOptions): Promise<void> {
  const grown: number[][] = [[], []];
  for (let round = 0; round < Math.min(rounds, roundsMax); round += 1) {
    for (const [index, start] of starts.entries()) {
      await withTemporaryFolder(async (folder) => {
        const program = buildGoProgram('gorpc-load', folder);
        const server = await start(folder, content);
        const bytes = await growth(program, server);
        grown[index]?.push(megabytes(bytes));
        say(`${server.name}: ${number(megabytes(bytes), 1)} MB`);
        await server.stop();
      });
    }
  }
  const [go = [], hub = []] = grown;
  printTable(
    `memory growth by ${idleConnections} idle connections of ${idleGateways} gateways, MB`,
    ['Go server', 'hub', 'hub / Go'],
    [
      [
        shown(go, 1),
        shown(hub, 1),
        shown(
          hub.map((one, index) => one / (go[index] ?? 0)),
          3,
        ),
      ],
    ],
  );
}

async function growth(program: string, server: GorpcServer): Promise<number> {
  await server.collectGarbage();
  const empty = await server.usage();
  const client = new JsonLinesProcess(program, [
    ...['-addr', server.address, '-org', organisation, '-key', apiKey, '-method', 'idle', '-duration', '0'],
    ...['-gateways', String(idleGateways), '-conns', String(idleConnections / idleGateways)],
  ]);
  await client.next('ready');
  await pause(settleMs);
  await server.collectGarbage();
  const full = await server.usage();
  await client.stop();
  return full.rssBytes - empty.rssBytes;
}

/** Processor time of gateways that have nothing to do: keepalive, health check, long polls. */
export async function benchPoll({ rounds, profile }: BenchOptions): Promise<void> {
  const load = {
    method: 'poll',
    gateways: pollingGateways,
    connections: 5,
    zones: 20,
    seconds: pollSeconds,
  } as const;
  const rows: string[][] = [];
  for (const start of starts) {
    await withTemporaryFolder(async (folder) => {
      const program = buildGoProgram('gorpc-load', folder);
      const server = await start(folder, content);
      const measured: { cores: number; p99Ms: number; mb: number }[] = [];
      for (let round = 0; round < Math.min(rounds, roundsMax); round += 1) {
        const { serverCores, p99Ms, after } = await runLoad(program, server, load);
        measured.push({ cores: serverCores, p99Ms, mb: megabytes(after.rssBytes) });
        say(`${server.name}: ${number(serverCores, 3)} cores`);
      }
      const of = (field: 'cores' | 'p99Ms' | 'mb', digits: number) =>
        shown(
          measured.map((one) => one[field]),
          digits,
        );
      rows.push([server.name, of('cores', 3), of('p99Ms', 1), of('mb', 0)]);
      if (profile !== undefined) {
        const run = async () => void (await runLoad(program, server, { ...load, seconds: 10 }));
        await server.profile(`${profile}/gorpc-poll.cpuprofile`, run);
      }
      await server.stop();
    });
  }
  printTable(
    `${pollingGateways} gateways × 5 connections that poll and keep alive`,
    ['', 'cores', 'p99 of short calls, ms', 'RSS, MB'],
    rows,
  );
}
