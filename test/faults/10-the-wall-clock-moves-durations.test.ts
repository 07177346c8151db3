import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildHubGraph } from '../../src/app/hub-graph.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import { KeyReader } from '../../src/hub/keyspace/key-reader.js';
import { ZoneLags } from '../../src/hub/zones/zone-lag.js';
import type { Clock, Timer } from '../../src/ports/clock.js';
import type { KeyStore } from '../../src/ports/key-store.js';
import { ageMs, steadyNowMs } from '../../src/std/steady-time.js';
import { LmdbEnvironment } from '../../src/stores/embedded/lmdb-environment.js';
import { LmdbKeyStore } from '../../src/stores/embedded/lmdb-key-store.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { MemoryLocalCopy } from '../../src/worker/memory-local-copy.js';
import { WorkerClient } from '../../src/worker/worker-client.js';
import { temporaryFolder } from '../contract/fixture.js';
import { HubDisk } from '../integration/gorpc-hub.js';
import { FakeClock } from '../memory/fake-clock.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const jumps = [
  ['a day ahead', dayMs],
  ['a day behind', -dayMs],
] as const;
const organisation = organisationId('5e9d9544a1dcd60001d0ed20');

describe.each(jumps)('the wall clock is set %s', (_, jumpMs) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let clock: FakeClock;
  let environment: LmdbEnvironment;
  let store: LmdbKeyStore;

  const open = () => {
    environment = new LmdbEnvironment(join(folder.path, 'test.mdb'));
    store = new LmdbKeyStore(environment, { clock, log: silentLog });
  };
  const close = async () => {
    await store.close();
    await environment.close();
  };
  const remaining = async (name: string) => (await store.getMany([name]))[0]?.remainingTtlMs;

  beforeEach(async () => {
    folder = await temporaryFolder();
    clock = new FakeClock();
    open();
  });
  afterEach(async () => {
    await close();
    await folder.remove();
  });

  it('keys keep the life they have left', async () => {
    await store.put('before', Buffer.from('x'), hourMs);
    await clock.advanceAsync(600_000);
    clock.jumpWallClock(jumpMs);
    await store.put('after', Buffer.from('x'), hourMs);
    expect(await remaining('before')).toBeCloseTo(hourMs - 600_000, -1);
    expect(await remaining('after')).toBeCloseTo(hourMs, -1);
    // Also when what has ended is removed for good.
    await clock.advanceAsync(60_000);
    expect(await remaining('before')).toBeCloseTo(hourMs - 660_000, -1);
    await clock.advanceAsync(hourMs - 660_000);
    expect(await remaining('before')).toBeUndefined();
    expect(await remaining('after')).toBeCloseTo(600_000, -1);
    await clock.advanceAsync(600_000);
    expect(await remaining('after')).toBeUndefined();
  });

  it('keys keep it over a restart, and when the clock is set back', async () => {
    await store.put('key', Buffer.from('x'), hourMs);
    await store.put('short', Buffer.from('x'), 60_000);
    clock.jumpWallClock(jumpMs);
    await clock.advanceAsync(30_000);
    // The next process has another monotonic clock.
    const next = new FakeClock(clock.nowMs());
    await close();
    clock = next;
    open();
    expect(await remaining('key')).toBeCloseTo(hourMs - 30_000, -1);
    await clock.advanceAsync(31_000);
    expect(await remaining('short')).toBeUndefined();
    clock.jumpWallClock(-jumpMs);
    await clock.advanceAsync(30_000);
    expect(await remaining('key')).toBeCloseTo(hourMs - 91_000, -1);
  });

  it('workers are told the life that is left, and keep keys by it', async () => {
    await store.put('apikey-key', Buffer.from(JSON.stringify({ org_id: organisation })), hourMs);
    const reader = new KeyReader(
      {
        store: store as KeyStore,
        clock,
        log: silentLog,
        metrics: recordingMetrics(),
        obfuscate: () => '****',
        apiOwners: () => [],
      },
      { hashKeys: false, certificateSecret: '' },
    );
    const copy = new MemoryLocalCopy();
    const worker = new WorkerClient(
      {
        ...{ organisation, apiKey: 'k', nodeId: 'n', group: '', tags: [], segmented: false },
        ...{ codecs: ['none'], version: '1', hostname: 'h', pid: 1, address: '' },
      },
      { copy, connect: () => Promise.reject(new Error('no hub')) as never, clock, random: () => 0 },
    );
    const identity = { organisation, user: { id: 'u', groups: [] } };
    clock.jumpWallClock(jumpMs);
    const [read] = await reader.read(identity, ['apikey-key']);
    expect(read?.remainingTtlMs).toBeCloseTo(hourMs, -1);
    const held = { name: 'apikey-key', value: Buffer.from('x'), expiresAtMs: steadyNowMs(clock) + hourMs };
    const nothing = { put: [], remove: [], removeKeys: [], cursor: undefined };
    await copy.apply({ ...nothing, putKeys: [held], keysAsOf: copy.revision });
    clock.jumpWallClock(jumpMs);
    expect(await worker.readKey('apikey-key')).toBeDefined();
    await clock.advanceAsync(hourMs);
    expect(await worker.readKey('apikey-key')).toBeUndefined();
  });

  it('cursors and lags are as old as they are', async () => {
    const changeLog = new MemoryChangeLog({ clock });
    const ports = { changeLog, clock, log: silentLog, metrics: recordingMetrics() };
    const lags = new ZoneLags(ports, () => false);
    const owner = { organisation, zone: zoneId('zone-a'), node: nodeId('n') };
    await changeLog.moveCursor({ ...owner, sequence: 0, atMs: clock.nowMs() });
    const append = () =>
      changeLog.append([
        {
          organisation,
          atMs: clock.nowMs(),
          body: { type: 'key', event: { kind: 'key-changed', key: 'k', hashed: false } },
        },
      ]);
    await append();
    await clock.advanceAsync(10_000);
    // Beyond the life of a cursor, and what it is for a lag.
    clock.jumpWallClock(40 * jumpMs);
    const [lag] = await lags.measure();
    expect(lag).toMatchObject({ workers: 1, entries: 1, seconds: 10 });
    const newest = clock.nowMs();
    await clock.advanceAsync(5_000);
    expect(ageMs(clock, newest)).toBe(5_000);
  });

  it('a drain lasts as long as it may', async () => {
    const disk = new HubDisk();
    const { configuration } = parseConfiguration({ env: {}, overrides: { listen_port: 0 } });
    const clock = new JumpingClock();
    const graph = buildHubGraph(disk.stores(), {
      configuration,
      clock,
      log: silentLog,
      metrics: recordingMetrics(),
      obfuscate: () => '****',
      hub: { id: 'hub-1', version: 'test' },
    });
    for (const component of graph.components) await component.start();
    const payload = Buffer.from('[{"org_id":"a"}]');
    // The sink hangs, so that the drain uses the time it has.
    disk.sink.pause();
    await disk.spool.append({ organisation, receivedAtMs: 0, records: 1, payload }, undefined);
    graph.drain.wake();
    const deadlineMs = clock.monotonicMs() + 500;
    const startMs = performance.now();
    clock.jumpMs = jumpMs;
    for (const component of [...graph.components].reverse()) await component.stop(deadlineMs);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(400);
    expect(tookMs).toBeLessThan(5_000);
    disk.sink.resume();
  });
});

/** The clock of the machine, with a wall clock that somebody sets. */
class JumpingClock implements Clock {
  readonly #machine = new SystemClock();
  jumpMs = 0;

  nowMs(): number {
    return this.#machine.nowMs() + this.jumpMs;
  }

  monotonicMs(): number {
    return this.#machine.monotonicMs();
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#machine.after(delayMs, run);
  }
}

it('no duration anywhere is a difference of wall times', () => {
  const source = fileURLToPath(new URL('../../src', import.meta.url));
  /** They compare with moments that others wrote, or make other time of the two readings. */
  const allowed = [/^std\/steady-time\.ts$/, /^stores\/embedded\/store-time\.ts$/, /^transport\/tls\//]
    // And where the clocks of two machines are compared, which is about wall time and nothing else.
    .concat(/^app\/check-stores\.ts$/, /^app\/settings-survey\.ts$/, /^stores\/redis\/redis-facts\.ts$/);
  const wallTime = String.raw`(?:[cC]lock\.nowMs|Date\.now)\(\)`;
  const compared = new RegExp(String.raw`${wallTime} *[-+<>]|[-+<>]=? *[\w.#]*?${wallTime}`);
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !allowed.some((one) => one.test(name)))
    .map((name) => ({ name, lines: readFileSync(join(source, name), 'utf8').split('\n') }));
  const found = files.flatMap(({ name, lines }) =>
    lines.filter((line) => compared.test(line)).map((line) => `${name}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
