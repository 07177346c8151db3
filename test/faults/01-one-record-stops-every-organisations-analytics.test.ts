import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildHubGraph, type HubGraph } from '../../src/app/hub-graph.js';
import { readReadiness } from '../../src/app/hub-status.js';
import { type RunningHub, runHub } from '../../src/app/run-hub.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { nodeId, organisationId } from '../../src/domain/identifiers.js';
import { limits } from '../../src/domain/limits.js';
import { AnalyticsDrain } from '../../src/hub/analytics/drain.js';
import { AnalyticsIntake } from '../../src/hub/analytics/intake.js';
import { KeyOwners } from '../../src/hub/keyspace/key-owners.js';
import { KeySignals } from '../../src/hub/keyspace/key-signals.js';
import { LoopWatch } from '../../src/hub/loop-watch.js';
import type { ControlPlaneSignal } from '../../src/ports/control-plane-signals.js';
import { openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { connectBridge } from '../../src/transport/grpc/bridge-client.js';
import type { ReportAnalyticsResponseMessage } from '../../src/transport/grpc/messages.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { HubDisk } from '../integration/gorpc-hub.js';
import { FakeClock } from '../memory/fake-clock.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { MemoryKeyStore } from '../memory/memory-key-store.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog, silentLog } from '../memory/silent-log.js';
import { Random } from '../simulation/random.js';
import { hostileRecord } from './hostile-records.js';

/** The full number is 10,000; a smaller one keeps the suite short. */
const hostileRecords = Number(process.env['CAUSEWAY_HOSTILE_RECORDS'] ?? 1_000);

const innocent = (organisation: string, path: string) =>
  JSON.stringify({ org_id: organisation, path, tags: ['a'], timestamp: '2026-08-21T12:39:47Z' });
const deepTags = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

interface ShownStatus {
  readonly readiness: readonly { readonly name: string; readonly status: string }[];
  readonly analytics: {
    readonly stored_records: number;
    readonly spooled_batches: number;
    readonly quarantine: {
      readonly records: number;
      readonly by_reason: Readonly<Record<string, number>>;
      readonly newest: readonly {
        readonly organisation: string;
        readonly reason: string;
        readonly text: string;
      }[];
    };
  };
}

describe('a whole hub', () => {
  let hub: RunningHub | undefined;
  afterEach(() => hub?.stop('test'));

  async function start(): Promise<RunningHub> {
    const parsed = parseConfiguration({
      env: {},
      overrides: {
        listen_port: 0,
        http_port: 0,
        'storage.type': 'embedded',
        'analytics.type': 'embedded',
        log_level: 'error',
        'security.secret': 'of the operator',
        'causeway.listen_address': '127.0.0.1',
        'causeway.http_address': '127.0.0.1',
        'causeway.data_path': join(folder.path, 'data'),
        'causeway.catalog_path': join(folder.path, 'data', 'control-plane'),
      },
    });
    expect(parsed.problems).toEqual([]);
    hub = await runHub({ parsed, embedded: true });
    return hub;
  }

  async function status({ http }: RunningHub): Promise<ShownStatus> {
    const headers = { 'x-tyk-authorization': 'of the operator' };
    const answer = await fetch(`http://127.0.0.1:${http.port}/causeway/v1/status`, { headers });
    return (await answer.json()) as ShownStatus;
  }

  it('sets a record with tags nested 20,000 deep aside, and stores the rest within 5 s', async () => {
    const running = await start();
    const { organisation, apiKey } = running;
    const target = `127.0.0.1:${running.listen.port}`;
    const connection = connectBridge({ target, tls: undefined }, { organisation, apiKey });
    const answers: ReportAnalyticsResponseMessage[] = [];
    const stream = connection.openAnalytics({ message: (one) => answers.push(one), ended: () => {} });
    // The engine is open, so that what is measured is the storing.
    await eventually(
      'the store is open',
      async () => (await status(running)).analytics.stored_records === 0 || undefined,
    );
    const poison = `{"org_id":"${organisation}","tags":${deepTags}}`;
    const own = (path: string) => innocent(organisation, path);
    for (const [index, text] of [
      `[${own('/before')}]`,
      `[${own('/1')},${poison},${own('/2')}]`,
      `[${own('/after')}]`,
    ].entries()) {
      const records = Buffer.from(text);
      stream.send({
        batchId: `b${index}`,
        nodeId: 'worker-1',
        records,
        compression: 'COMPRESSION_NONE',
        uncompressedBytes: records.length,
      });
    }
    const startMs = performance.now();
    const shown = await eventually('the rest is stored', async () => {
      const { analytics } = await status(running);
      return analytics.stored_records === 4 && analytics.spooled_batches === 0 ? analytics : undefined;
    });
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(answers.map((one) => one.status)).toEqual(Array(3).fill('ANALYTICS_STATUS_ACCEPTED'));
    expect(shown.quarantine).toMatchObject({
      records: 1,
      by_reason: { 'too-deep': 1 },
      newest: [{ organisation, reason: 'too-deep', text: poison.slice(0, 1_024) }],
    });
    const metrics = await (await fetch(`http://127.0.0.1:${running.http.port}/metrics`)).text();
    expect(metrics).toContain('causeway_analytics_dropped_records_total{reason="too-deep"} 1');
    expect(metrics).toContain('causeway_analytics_quarantined_records 1');
    connection.close();

    const stopMs = performance.now();
    await running.stop('test');
    expect(performance.now() - stopMs).toBeLessThan(5_000);
    const again = await start();
    const { analytics } = await eventually('the store is open again', async () => {
      const now = await status(again);
      return now.analytics.stored_records === null ? undefined : now;
    });
    expect(analytics).toMatchObject({ stored_records: 4, spooled_batches: 0, quarantine: { records: 1 } });
  });
});

describe('hostile records', () => {
  it('cost innocent batches nothing', async () => {
    const clock = new SystemClock();
    const log = new RecordingLog();
    const metrics = recordingMetrics();
    const stores = await openEmbeddedStores({ folder: folder.path, clock, log });
    const progress = new LoopWatch({ clock, log, metrics }).loop('analytics-drain');
    const ports = { clock, log, metrics };
    const drain = new AnalyticsDrain({ ...ports, ...stores, progress, random: Math.random });
    const intake = new AnalyticsIntake({ ...ports, spool: stores.spool, onSpooled: () => drain.wake() });
    const random = new Random(1);
    const organisation = organisationId('org-a');
    const send = (records: string, to: string) =>
      intake.accept({
        identity: { organisation: organisationId(to), user: { id: 'u', groups: [] } },
        node: nodeId('n'),
        records: Buffer.from(records),
      });
    try {
      await drain.start();
      let innocents = 0;
      let sent = 0;
      const perBatch = 20;
      for (let hostile = 0; hostile < hostileRecords; hostile += perBatch) {
        const own = `/${hostile}`;
        const batch = Array.from({ length: perBatch }, () => hostileRecord(organisation, random));
        batch.splice(10, 0, innocent(organisation, own));
        expect((await send(`[${batch.join(',')}]`, organisation)).status).toBe('accepted');
        // No JSON at all: the sender hears of it, and it was never anybody's record.
        expect((await send(`[{"org_id":"org-a","path":"\u0007"}]`, organisation)).status).toBe('rejected');
        expect((await send(`[${innocent('org-b', own)}]`, 'org-b')).status).toBe('accepted');
        innocents += 2;
        sent += perBatch + 2;
      }
      await eventually(
        'all is stored',
        async () => (await stores.spool.size()).batches === 0 || undefined,
        60_000,
      );
      await drain.stop(clock.monotonicMs() + 5_000);
      const stored = metrics.total('causeway_analytics_stored_records_total');
      const dropped = metrics.total('causeway_analytics_dropped_records_total');
      expect(metrics.total('causeway_analytics_received_records_total')).toBe(sent);
      expect(stored + dropped).toBe(sent);
      expect(stored).toBeGreaterThanOrEqual(innocents);
      expect(metrics.total('causeway_store_errors_total')).toBe(0);
      expect((await stores.quarantine.summary()).records).toBeGreaterThan(0);
      await stores.close();
      const { DuckDBInstance } = await import('@duckdb/node-api');
      const instance = await DuckDBInstance.create(join(folder.path, 'analytics.duckdb'));
      const connection = await instance.connect();
      const reader = await connection.runAndReadAll(
        `SELECT orgid, count(*) FROM tyk_analytics WHERE path LIKE '/%' AND tags = '["a"]' GROUP BY orgid ORDER BY orgid`,
      );
      expect(reader.getRows()).toEqual([
        ['org-a', BigInt(innocents / 2)],
        ['org-b', BigInt(innocents / 2)],
      ]);
      connection.closeSync();
      instance.closeSync();
    } finally {
      await stores.close();
    }
  }, 300_000);

  it('more than the engine takes at once is stored in parts', async () => {
    const clock = new SystemClock();
    const metrics = recordingMetrics();
    const stores = await openEmbeddedStores({ folder: folder.path, clock, log: silentLog });
    const progress = new LoopWatch({ clock, log: silentLog, metrics }).loop('analytics-drain');
    const drain = new AnalyticsDrain(
      { ...stores, progress, clock, metrics, log: silentLog, random: Math.random },
      { bytesPerTransactionMax: 2_000_000 },
    );
    const organisation = organisationId('org-a');
    const record = JSON.stringify({ org_id: organisation, raw_request: 'x'.repeat(1_000_000) });
    const tooLarge = JSON.stringify({
      org_id: organisation,
      raw_request: 'x'.repeat(limits.analyticsRecordBytesMax),
    });
    const payload = Buffer.from(`[${[record, record, tooLarge, record, record].join(',')}]`);
    await stores.spool.append({ organisation, receivedAtMs: 0, records: 5, payload }, undefined);
    try {
      await drain.start();
      await eventually(
        'all is stored',
        async () => (await stores.spool.size()).batches === 0 || undefined,
        20_000,
      );
      expect(await stores.sink.count()).toBe(4);
      expect(await stores.quarantine.summary()).toMatchObject({ records: 1, byReason: { 'too-large': 1 } });
      const [kept] = await stores.quarantine.newest(1);
      expect(kept).toMatchObject({ bytes: tooLarge.length });
      expect(kept?.text.length).toBe(limits.analyticsQuarantinedTextBytesMax);
    } finally {
      await drain.stop(clock.monotonicMs() + 5_000);
      await stores.close();
    }
  });
});

describe('a loop that has work and makes no progress for 60 s', () => {
  function graphOn(clock: FakeClock): { graph: HubGraph; disk: HubDisk; log: RecordingLog } {
    const disk = new HubDisk();
    const log = new RecordingLog();
    const { configuration } = parseConfiguration({ env: {}, overrides: { listen_port: 0 } });
    const graph = buildHubGraph(disk.stores(), {
      configuration,
      clock,
      log,
      metrics: recordingMetrics(),
      obfuscate: () => '****',
      hub: { id: 'hub-1', version: 'test' },
    });
    return { graph, disk, log };
  }
  const failing = async (graph: HubGraph, clock: FakeClock) =>
    (await readReadiness(graph, clock, { keys: 'lmdb', catalog: 'folder' })).components
      .filter(({ name, status }) => name.startsWith('loop:') && status === 'fail')
      .map(({ name }) => name);

  it('is named by readiness, and no longer when it goes on', async () => {
    const clock = new FakeClock();
    const { graph, disk, log } = graphOn(clock);
    disk.sink.failAlways();
    const payload = Buffer.from('[{"org_id":"org-a"}]');
    const organisation = organisationId('org-a');
    await disk.spool.append({ organisation, receivedAtMs: 0, records: 1, payload }, undefined);
    await graph.loops.start();
    await graph.drain.start();
    await clock.advanceAsync(59_000);
    expect(await failing(graph, clock)).toEqual([]);
    await clock.advanceAsync(10_000);
    expect(await failing(graph, clock)).toEqual(['loop:analytics-drain']);
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'a loop has work and makes no progress', fields: { loop: 'analytics-drain' } },
    ]);
    disk.sink.recover();
    await clock.advanceAsync(40_000);
    expect(await failing(graph, clock)).toEqual([]);
    // Nothing to do is no stall.
    await clock.advanceAsync(600_000);
    expect(await failing(graph, clock)).toEqual([]);
    await graph.drain.stop(clock.monotonicMs());
    await graph.loops.stop();
  });
});

describe('an item that fails holds no other item up', () => {
  it('in the signals of the control plane', async () => {
    const clock = new FakeClock();
    const log = new RecordingLog();
    const metrics = recordingMetrics();
    const changeLog = new MemoryChangeLog({ clock });
    const store = new MemoryKeyStore(clock);
    const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
    const marks: (string | undefined)[] = [];
    let tell = (_signal: ControlPlaneSignal): void => {};
    const ports = { clock, log, metrics, random: () => 0 };
    const owners = new KeyOwners({ ...ports, store });
    const signals = new KeySignals({
      ...{ ...ports, store, changeLog, owners, hashKeys: false },
      signals: {
        subscribe: (listener) => {
          tell = listener;
          return () => {};
        },
      },
      organisations: () => [{ id: organisation, name: 'a', hybridEnabled: true }],
      // A defect that one event meets.
      ownerOfApi: () => {
        throw new RangeError('the stack');
      },
      ownerOfUserKey: () => undefined,
      reloadCatalog: () => {},
      mark: async (whose) => void marks.push(whose),
      invalidate: () => {},
    });
    await signals.start();
    for (const key of ['one', 'two', 'three']) {
      await store.put(`apikey-${key}`, Buffer.from(JSON.stringify({ org_id: organisation })), undefined);
      tell({ type: 'key', event: { kind: 'key-changed', key, hashed: false }, organisation: undefined });
    }
    tell({ type: 'key', event: { kind: 'api-cache-flushed', api: 'api' }, organisation: undefined });
    await clock.advanceAsync(5_000);
    expect((await changeLog.bounds(organisation)).newest).toBe(3);
    expect(signals.waiting).toBe(0);
    expect(metrics.value('causeway_items_set_aside_total', { loop: 'key-signals' })).toBe(1);
    expect(marks).toEqual([undefined]);
    await signals.stop();
  });
});
