import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeId, organisationId } from '../../../src/domain/identifiers.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { AnalyticsDrain } from '../../../src/hub/analytics/drain.js';
import { AnalyticsIntake } from '../../../src/hub/analytics/intake.js';
import { LoopWatch } from '../../../src/hub/loop-watch.js';
import type { SetAside } from '../../../src/ports/analytics-sink.js';
import type { SpooledBatch } from '../../../src/ports/analytics-spool.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryAnalyticsQuarantine } from '../../memory/memory-analytics-quarantine.js';
import { MemoryAnalyticsSink } from '../../memory/memory-analytics-sink.js';
import { MemoryAnalyticsSpool } from '../../memory/memory-analytics-spool.js';
import { storeAway } from '../../memory/memory-store.js';
import { type RecordingMetrics, recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const identity = { organisation: organisationId('acme'), user: { id: 'u', groups: [] } };

/** Says of batches with a `poison` record that they can never be stored. */
class PickySink extends MemoryAnalyticsSink {
  readonly transactions: number[][] = [];
  readonly #error: Error;

  constructor(error: Error = new CausewayError('STORE_ITEM_UNREADABLE', 'a record cannot be stored')) {
    super();
    this.#error = error;
  }

  override async store(batches: readonly SpooledBatch[], setAside?: SetAside) {
    if (batches.some(({ payload }) => payload.includes('poison'))) throw this.#error;
    this.transactions.push(batches.map(({ records }) => records));
    return super.store(batches, setAside);
  }
}

/** The memory stores need turns of the event loop, no time. */
async function until(reached: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (await reached()) return;
    await settle();
  }
  throw new Error('not reached');
}

function setUp<Sink extends MemoryAnalyticsSink = PickySink>(
  parts: {
    spool?: MemoryAnalyticsSpool;
    sink?: Sink;
    metrics?: RecordingMetrics;
    clock?: FakeClock;
  } = {},
  recordsPerTransactionMax = 1_000,
  bytesPerTransactionMax = 1_000_000,
) {
  const clock = parts.clock ?? new FakeClock();
  const spool = parts.spool ?? new MemoryAnalyticsSpool();
  const sink = (parts.sink ?? new PickySink()) as Sink;
  const metrics = parts.metrics ?? recordingMetrics();
  const log = new RecordingLog();
  const random = () => 0;
  const quarantine = new MemoryAnalyticsQuarantine();
  const loops = new LoopWatch({ clock, log, metrics });
  const progress = loops.loop('analytics-drain');
  const drain = new AnalyticsDrain(
    { spool, sink, quarantine, progress, clock, log, metrics, random },
    { recordsPerTransactionMax, bytesPerTransactionMax },
  );
  const intake = new AnalyticsIntake({ spool, clock, log, metrics, onSpooled: () => drain.wake() });
  const send = (records: number, options: { batchId?: string; mark?: string } = {}) =>
    intake.accept({
      identity,
      node: nodeId('n1'),
      batchId: options.batchId,
      records: Buffer.from(
        JSON.stringify(
          Array.from({ length: records }, () => ({ org_id: 'acme', path: options.mark ?? '/' })),
        ),
      ),
    });
  const counted = async () => ({
    received: metrics.total('causeway_analytics_received_records_total'),
    stored: metrics.total('causeway_analytics_stored_records_total'),
    dropped: metrics.total('causeway_analytics_dropped_records_total'),
    spooled: (await spool.peek(1_000)).reduce((sum, { records }) => sum + records, 0),
  });
  return { clock, spool, sink, quarantine, loops, metrics, log, drain, send, counted };
}

const levels = (log: RecordingLog) => log.lines.map(({ level }) => level);

describe('AnalyticsDrain', () => {
  it('stores what was spooled before it started and what comes after', async () => {
    const { drain, send, counted, sink, metrics } = setUp();
    await send(2);
    expect(drain.notReady()).toBe('not started');
    await drain.start();
    await settle();
    expect(await counted()).toEqual({ received: 2, stored: 2, dropped: 0, spooled: 0 });
    await send(3);
    await settle();
    expect(await sink.count()).toBe(5);
    expect(metrics.value('causeway_analytics_spool_bytes', {})).toBe(0);
    expect([drain.notReady(), drain.trouble()]).toEqual([undefined, undefined]);
  });

  it('finds what it was not woken for', async () => {
    const { drain, spool, sink, clock } = setUp();
    await drain.start();
    await settle();
    const payload = Buffer.from('[{"org_id":"acme"}]');
    await spool.append(
      { organisation: identity.organisation, receivedAtMs: 0, records: 1, payload },
      undefined,
    );
    await clock.advanceAsync(10_000);
    expect(await sink.count()).toBe(1);
  });

  it('puts batches together up to a bound, and a larger one alone', async () => {
    const sink = new PickySink();
    const { drain, send } = setUp({ sink }, 10);
    for (const records of [4, 4, 4, 25, 1, 9]) await send(records);
    await drain.start();
    await settle();
    expect(sink.transactions).toEqual([[4, 4], [4], [25], [1, 9]]);
  });

  it('backs off while the sink is away, and says so once each way', async () => {
    const { drain, send, sink, clock, log, metrics, counted } = setUp();
    sink.failAlways();
    await send(1);
    await drain.start();
    const delays: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      await settle();
      const delayMs = clock.nextTimerInMs ?? 0;
      delays.push(delayMs);
      // More work does not make the sink come back sooner.
      await send(1);
      await clock.advanceAsync(delayMs);
    }
    expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(drain.trouble()).toBeDefined();
    expect(drain.notReady()).toBeUndefined();
    expect(metrics.value('causeway_store_errors_total', { store: 'analytics' })).toBe(10);
    sink.recover();
    await clock.advanceAsync(30_000);
    expect(await counted()).toEqual({ received: 10, stored: 10, dropped: 0, spooled: 0 });
    expect(levels(log)).toEqual(['warn', 'info']);
    expect(drain.trouble()).toBeUndefined();
  });

  it.each([
    ['spool', 'removeThrough', 'before'],
    ['spool', 'removeThrough', 'after'],
    ['spool', 'peek', 'before'],
    ['sink', 'store', 'before'],
    ['sink', 'store', 'after'],
  ] as const)('stores and counts once when %s.%s fails %s', async (failing, method, when) => {
    const parts = setUp();
    await parts.send(2);
    parts[failing].failNext(storeAway(), { method, when });
    await parts.drain.start();
    await settle();
    await parts.send(3);
    await parts.clock.advanceAsync(1_000);
    expect(await parts.counted()).toEqual({ received: 5, stored: 5, dropped: 0, spooled: 0 });
    expect(await parts.sink.count()).toBe(5);
  });

  it('sets a record aside that can never be stored, and only that', async () => {
    const { drain, send, sink, counted, metrics, log, quarantine } = setUp();
    await send(2);
    await send(3, { mark: 'poison' });
    await send(4);
    await drain.start();
    await settle();
    expect(await sink.count()).toBe(6);
    expect(await counted()).toEqual({ received: 9, stored: 6, dropped: 3, spooled: 0 });
    expect(metrics.value('causeway_analytics_dropped_records_total', { reason: 'refused-by-sink' })).toBe(3);
    expect(levels(log)).toEqual(['warn', 'warn', 'warn']);
    expect(await quarantine.summary()).toMatchObject({ records: 3, byReason: { 'refused-by-sink': 3 } });
  });

  it('finds one poisoned record among many, whatever the sink says of it', async () => {
    for (const error of [new CausewayError('ANALYTICS_REFUSED', 'no'), new RangeError('the stack')]) {
      const { drain, spool, sink, counted, quarantine } = setUp({ sink: new PickySink(error) });
      const records = Array.from({ length: 500 }, (_, index) => ({ org_id: 'acme', path: `/${index}` }));
      records[321] = { org_id: 'acme', path: 'poison' };
      const payload = Buffer.from(JSON.stringify(records));
      const { organisation } = identity;
      await spool.append({ organisation, receivedAtMs: 0, records: 500, payload }, undefined);
      await spool.append(
        { organisation, receivedAtMs: 0, records: 1, payload: Buffer.from('[{"org_id":"acme"}]') },
        undefined,
      );
      await drain.start();
      await until(async () => (await spool.size()).batches === 0);
      expect(await sink.count()).toBe(500);
      expect(await counted()).toMatchObject({ stored: 500, dropped: 1, spooled: 0 });
      const [set] = await quarantine.newest(10);
      expect(set?.text.toString()).toBe('[{"org_id":"acme","path":"poison"}]');
      // The innocent batch behind it did not wait for the search.
      expect(sink.transactions[0]).toEqual([1]);
    }
  });

  it('blames no record while the sink is not well', async () => {
    const { drain, send, sink, clock, counted } = setUp({ sink: new PickySink(new RangeError('the stack')) });
    await send(1, { mark: 'poison' });
    sink.failAlways();
    await drain.start();
    await clock.advanceAsync(600_000);
    expect(await counted()).toMatchObject({ dropped: 0, spooled: 1 });
    sink.recover();
    await clock.advanceAsync(60_000);
    expect(await counted()).toMatchObject({ dropped: 1, spooled: 0 });
  });

  it('gives the sink no more bytes at once than it may have', async () => {
    const sink = new PickySink();
    const { drain, send } = setUp({ sink }, 1_000, 100);
    await send(10);
    await drain.start();
    await settle();
    await settle();
    expect(await sink.count()).toBe(10);
    expect(sink.transactions).toEqual([[3], [3], [3], [1]]);
  });

  it('drops it once, also when the spool fails meanwhile', async () => {
    const { drain, send, spool, counted, clock } = setUp();
    await send(2);
    await send(3, { mark: 'poison' });
    spool.failNext(storeAway(), { method: 'removeThrough', times: 2 });
    await drain.start();
    await clock.advanceAsync(5_000);
    expect(await counted()).toEqual({ received: 5, stored: 2, dropped: 3, spooled: 0 });
  });

  it.each([
    new CausewayError('CERTIFICATE_INVALID', 'the certificate of the database is not valid'),
    new TypeError('a defect'),
  ])('keeps data through trouble that is not about the batch: %s', async (error) => {
    const { drain, send, sink, clock, counted } = setUp();
    await send(2);
    sink.failAlways(error);
    await drain.start();
    await clock.advanceAsync(3_600_000);
    expect(await counted()).toMatchObject({ dropped: 0, spooled: 2 });
    sink.recover();
    await clock.advanceAsync(30_000);
    expect(await counted()).toMatchObject({ stored: 2, dropped: 0, spooled: 0 });
  });

  it('counts what the sink drops', async () => {
    const { drain, sink, spool, metrics } = setUp();
    const payload = Buffer.from('[{"org_id":"acme"},{"org_id":7}]');
    await spool.append(
      { organisation: identity.organisation, receivedAtMs: 0, records: 2, payload },
      undefined,
    );
    await drain.start();
    await settle();
    expect(await sink.count()).toBe(1);
    expect(metrics.value('causeway_analytics_dropped_records_total', { reason: 'malformed' })).toBe(1);
  });
});

describe('stop', () => {
  it('stores what is spooled first', async () => {
    const { drain, send, sink, clock } = setUp({}, 1);
    await drain.start();
    await settle();
    const sending = Promise.all([send(1), send(1), send(1)]);
    await sending;
    await drain.stop(clock.monotonicMs() + 1_000);
    expect(await sink.count()).toBe(3);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not wait for a sink that is away: the spool is durable', async () => {
    const { drain, send, sink, clock, counted } = setUp();
    sink.failAlways();
    await send(1);
    await drain.start();
    await settle();
    await drain.stop(clock.monotonicMs() + 60_000);
    expect(clock.pendingTimers).toBe(0);
    expect(await counted()).toMatchObject({ stored: 0, spooled: 1 });
  });

  it('leaves at the deadline when the sink hangs', async () => {
    const { drain, send, sink, clock } = setUp();
    sink.pause();
    await send(1);
    await drain.start();
    await settle();
    let stopped = false;
    const stopping = drain.stop(clock.monotonicMs() + 1_000).then(() => {
      stopped = true;
    });
    await clock.advanceAsync(999);
    expect(stopped).toBe(false);
    await clock.advanceAsync(1);
    await stopping;
    expect(stopped).toBe(true);
  });

  it('is harmless before a start and twice', async () => {
    const { drain, clock } = setUp();
    await drain.stop(clock.monotonicMs());
    await drain.stop(clock.monotonicMs());
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a restart', () => {
  it('goes on with what is spooled, storing nothing twice', async () => {
    const first = setUp();
    await first.send(2);
    await first.send(3);
    first.spool.failNext(storeAway(), { method: 'removeThrough' });
    await first.drain.start();
    await settle();
    expect(await first.sink.count()).toBe(5);
    const second = setUp({ spool: first.spool.restart(), sink: first.sink.restart() });
    await second.send(1);
    await second.drain.start();
    await settle();
    expect(await second.sink.count()).toBe(6);
    expect(await second.counted()).toEqual({ received: 1, stored: 1, dropped: 0, spooled: 0 });
  });
});

it('accounts for every record, whatever fails and whenever it is repeated', async () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('send' as const),
      records: fc.integer({ min: 0, max: 5 }),
      poison: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('fail' as const),
      failing: fc.constantFrom('spool' as const, 'sink' as const),
      method: fc.constantFrom('append', 'peek', 'removeThrough', 'size', 'store'),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 2_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const parts = setUp({}, 6);
      const { drain, clock, sink } = parts;
      await drain.start();
      const balanced = async (): Promise<void> => {
        await settle();
        const { received, stored, dropped, spooled } = await parts.counted();
        expect(stored + dropped + spooled).toBe(received);
      };
      let batches = 0;
      let sent = 0;
      for (const one of steps) {
        if (one.kind === 'wait') await clock.advanceAsync(one.ms);
        else if (one.kind === 'fail') {
          parts[one.failing].failNext(storeAway(), { method: one.method, when: one.when });
        } else {
          batches += 1;
          sent += one.records;
          const options = { batchId: String(batches), mark: one.poison ? 'poison' : '/' };
          while ((await parts.send(one.records, options)).status !== 'accepted') await settle();
        }
      }
      parts.spool.recover();
      sink.recover();
      await clock.advanceAsync(120_000);
      await balanced();
      const { received, stored, spooled } = await parts.counted();
      expect([received, spooled]).toEqual([sent, 0]);
      expect(await sink.count()).toBe(stored);
      await drain.stop(clock.monotonicMs());
    }),
    { numRuns: 200 },
  );
});
