import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { connectBridge } from '../../src/transport/grpc/bridge-client.js';
import { MemoryLocalCopy } from '../../src/worker/memory-local-copy.js';
import { WorkerClient } from '../../src/worker/worker-client.js';
import { bundleChild } from '../contract/child-process.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { redisPassword, startRedis } from '../services/redis.js';
import { KilledHub } from './killed-hub.js';
import { PollingGateway } from './polling-gateway.js';

/** How often a hub is killed; `REVOCATION_KILLS=100` is what the report of this fault asks for. */
const kills = Number(process.env['REVOCATION_KILLS'] ?? 4);
const keyCount = 40;
const writers = 8;
const levelWithinMs = 10_000;

const service = await startRedis('standalone');
afterAll(() => service?.stop());
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe('a hub that is killed while keys are written and removed', () => {
  const timeout = 60_000 + kills * 20_000;

  it('is level with its workers soon after: keys embedded', { timeout }, async () => {
    await killAndCompare(await KilledHub.make({ type: 'embedded' }));
  });

  it.skipIf(service?.crash === undefined)(
    'is level with its workers soon after: keys in Redis',
    { timeout },
    async () => {
      await service!.flush();
      const [node] = service!.configuration.nodes;
      const hub = await KilledHub.make(
        { type: 'redis', host: node!.host, port: node!.port, password: redisPassword, timeout: 2 },
        { hash_keys: true },
      );
      await killAndCompare(hub);
    },
  );

  async function killAndCompare(hub: KilledHub): Promise<void> {
    stops.push(() => hub.remove());
    await hub.start();
    const { copy, gateway } = startWorkers(hub);
    await eventually(
      'both have logged in',
      () => (copy.cursor && gateway.loggedIn ? true : undefined),
      30_000,
    );
    let written = 0;
    let killedAtMs = 0;
    let startedAtMs = 0;
    for (let life = 0; life < kills; life += 1) {
      const end = { now: false };
      const writing = Array.from({ length: writers }, () =>
        writeUntil(hub, end, () => {
          written += 1;
        }),
      );
      const before = written;
      await eventually('writes are taken', () => (written > before + 3 ? true : undefined), 20_000);
      await new Promise((resolve) => {
        setTimeout(resolve, Math.random() * 150);
      });
      killedAtMs = performance.now();
      await hub.kill();
      end.now = true;
      await Promise.all(writing);
      await hub.start();
      startedAtMs = performance.now();
    }
    // Nobody repeats what was not answered.
    let differences: readonly string[] = [];
    const compare = async () => {
      const truth = await keysOf(hub);
      differences = [
        ...different('gRPC', truth, await keysOfCopy(copy)),
        ...different('gorpc', truth, gateway.keys),
      ];
      return differences.length === 0 ? true : undefined;
    };
    await eventually('hub and workers are equal', compare, 60_000).catch(() =>
      expect(differences).toEqual([]),
    );
    const [sinceKillMs, sinceStartMs] = [performance.now() - killedAtMs, performance.now() - startedAtMs];
    if (kills > 10) {
      console.log(
        `${kills} kills, ${written} writes taken, level ${sinceKillMs | 0} ms after the last kill, ${sinceStartMs | 0} ms after the start`,
      );
    }
    // How long a process takes to start is the machine's affair.
    expect(sinceStartMs).toBeLessThan(levelWithinMs);
    expect(written).toBeGreaterThan(kills);
  }

  function startWorkers(hub: KilledHub): { copy: MemoryLocalCopy; gateway: PollingGateway } {
    const copy = new MemoryLocalCopy();
    const worker = new WorkerClient(
      {
        ...{ organisation: hub.organisation, apiKey: hub.apiKey, nodeId: randomUUID(), group: 'by-stream' },
        ...{ tags: [], segmented: false, codecs: ['none'], version: 'test', hostname: 'test' },
        ...{ pid: process.pid, address: '', reconnectDelayMsMax: 1_000 },
      },
      {
        copy,
        connect: (credentials) =>
          connectBridge({ target: `127.0.0.1:${hub.listenPort}`, tls: undefined }, credentials),
        clock: new SystemClock(),
        random: Math.random,
      },
    );
    const gateway = new PollingGateway(hub, 'by-poll');
    stops.push(
      () => worker.stop(),
      () => gateway.stop(),
    );
    worker.start();
    gateway.start();
    return { copy, gateway };
  }
});

let count = 0;
async function writeUntil(hub: KilledHub, end: { now: boolean }, taken: () => void): Promise<void> {
  while (!end.now) {
    // Of whole words of four bytes, or the hash of the field makes one of them all.
    const path = `/keys/key-${String(Math.floor(Math.random() * keyCount)).padStart(4, '0')}`;
    const call =
      Math.random() < 0.5
        ? hub.call('PUT', path, JSON.stringify({ rate: count++ }))
        : hub.call('DELETE', path);
    await call.then(({ status }) => {
      if (status === 204) taken();
    }, ignore);
  }
}

function ignore(): void {
  // Whether it happened is what nobody knows.
}

async function keysOf(hub: KilledHub): Promise<ReadonlyMap<string, string>> {
  const { body } = await hub.call('GET', '/keys?limit=1000');
  const { keys } = JSON.parse(body.toString()) as { keys: { name: string; hashed: boolean }[] };
  const found = new Map<string, string>();
  for (const { name, hashed } of keys) {
    const answer = await hub.call('GET', `/keys/${name}?hashed=${hashed}`);
    const { session } = JSON.parse(answer.body.toString()) as { session: unknown };
    found.set(`apikey-${name}`, JSON.stringify(session));
  }
  return found;
}

async function keysOfCopy(copy: MemoryLocalCopy): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of copy.keyNames()) {
    const key = await copy.readKey(name, Date.now());
    if (key !== undefined) found.set(name, key.value.toString());
  }
  return found;
}

function different(
  who: string,
  truth: ReadonlyMap<string, string>,
  held: ReadonlyMap<string, string>,
): readonly string[] {
  const names = new Set([...truth.keys(), ...held.keys()]);
  return [...names]
    .filter((name) => truth.get(name) !== held.get(name))
    .map((name) => `${who} ${name}: ${held.get(name) ?? 'not held'} instead of ${truth.get(name) ?? 'gone'}`);
}

describe('a disk that is full', () => {
  it('takes a key and its word, or neither, and the error says what is wrong', async () => {
    const bundle = await bundleChild('fill-disk-with-keys');
    const folder = await temporaryFolder();
    const child = bundle.startOnFullDisk(folder.path);
    const line = await eventually(
      'the outcome',
      () => child.lines.find((one) => one.startsWith('{')),
      30_000,
    );
    const { errors, taken, logged, different: torn } = JSON.parse(line);
    expect(torn).toEqual([]);
    expect(taken).toBe(logged);
    expect(errors).toEqual([
      'STORE_UNAVAILABLE: the embedded store cannot be written: the disk of causeway.data_path is full, or fails',
    ]);
    await child.kill();
    await folder.remove();
    await bundle.remove();
  });
});
