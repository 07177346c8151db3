import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from '../harness/bench-options.js';
import { pause } from '../harness/pause.js';
import { printTable, say, shown } from '../harness/report.js';
import { withTemporaryFolder } from '../harness/temporary-folder.js';

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const buildScript = fileURLToPath(new URL('../../../../scripts/build.mjs', import.meta.url));
const pollMs = 5;
const timeoutMs = 30_000;

/** From the start of the process to the first probe that finds the hub ready. */
export async function benchStart({ rounds }: BenchOptions): Promise<void> {
  const first: number[] = [];
  const again: number[] = [];
  const builds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await withTemporaryFolder(async (folder) => {
      builds.push(await buildOnce(join(folder, 'dist')));
      first.push(await startOnce(join(folder, 'data')));
      again.push(await startOnce(join(folder, 'data')));
      say(`first ${first.at(-1)?.toFixed(0)} ms, again ${again.at(-1)?.toFixed(0)} ms`);
    });
  }
  const whole = first.map((ms, index) => ms + (builds[index] ?? 0));
  printTable(
    'from spawn to ready, ms',
    ['', 'ms'],
    [
      ['`causeway start --embedded`, first start: examples, keys, secrets', shown(first)],
      ['`causeway start --embedded`, later', shown(again)],
      ['the build that `npm start` makes first', shown(builds)],
      ['build and first start', shown(whole)],
    ],
  );
}

async function startOnce(dataPath: string): Promise<number> {
  const [listenPort, httpPort] = await freePorts();
  const startMs = performance.now();
  const hub = spawn(process.execPath, [main, 'start', '--embedded'], {
    env: {
      ...process.env,
      TYK_MDCB_LISTENPORT: String(listenPort),
      TYK_MDCB_HTTPPORT: String(httpPort),
      CAUSEWAY_DATA_PATH: dataPath,
    },
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => hub.once('exit', () => resolve()));
  try {
    while (!(await isReady(httpPort))) {
      if (hub.exitCode !== null || performance.now() - startMs > timeoutMs)
        throw new Error('never became ready');
      await pause(pollMs);
    }
    return performance.now() - startMs;
  } finally {
    hub.kill('SIGTERM');
    await ended;
  }
}

async function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/readiness`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function buildOnce(outdir: string): Promise<number> {
  const startMs = performance.now();
  const build = spawn(process.execPath, [buildScript, outdir], { stdio: 'inherit' });
  await new Promise<void>((resolve) => build.once('exit', () => resolve()));
  return performance.now() - startMs;
}

/** Two that nobody listens on at the moment. */
async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  for (const server of servers) server.close();
  return [ports[0] ?? 0, ports[1] ?? 0];
}
