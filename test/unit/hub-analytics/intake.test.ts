import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeId, organisationId } from '../../../src/domain/identifiers.js';
import { limits } from '../../../src/domain/limits.js';
import { AnalyticsIntake } from '../../../src/hub/analytics/intake.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryAnalyticsSpool } from '../../memory/memory-analytics-spool.js';
import { storeAway } from '../../memory/memory-store.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const identity = { organisation: organisationId('acme'), user: { id: 'u', groups: [] } };
const node = nodeId('n1');

function setUp(options: { bytesMax?: number } = {}) {
  const clock = new FakeClock();
  const spool = new MemoryAnalyticsSpool(options);
  const metrics = recordingMetrics();
  const log = new RecordingLog();
  let woken = 0;
  const intake = new AnalyticsIntake({
    spool,
    clock,
    log,
    metrics,
    onSpooled: () => {
      woken += 1;
    },
  });
  const accept = (text: string | Buffer, batchId?: string) =>
    intake.accept({ identity, node, batchId, records: Buffer.from(text as string) });
  const spooled = async () =>
    (await spool.peek(100)).map(({ records, payload }) => [records, payload.toString('utf8')]);
  const counted = () => ({
    received: metrics.total('causeway_analytics_received_records_total'),
    dropped: metrics.total('causeway_analytics_dropped_records_total'),
    duplicates: metrics.total('causeway_analytics_duplicate_batches_total'),
  });
  return { clock, spool, metrics, log, accept, spooled, counted, woken: () => woken };
}

const own = '{"org_id":"acme","request_time":1}';

describe('accept', () => {
  it('spools the very bytes when there is nothing to leave out', async () => {
    const { accept, spool, spooled, counted, clock, woken } = setUp();
    const text = ` [ ${own} ,\n{"OrgID":"acme","n":9007199254740993, "s":"],[\\"ü東"} ]\n`;
    expect(await accept(text)).toEqual({
      status: 'accepted',
      accepted: 2,
      dropped: {},
      duplicate: false,
      error: undefined,
    });
    expect(await spooled()).toEqual([[2, text]]);
    expect((await spool.peek(1))[0]).toMatchObject({ organisation: 'acme', receivedAtMs: clock.nowMs() });
    expect(counted()).toEqual({ received: 2, dropped: 0, duplicates: 0 });
    expect(woken()).toBe(1);
  });

  it('cuts out what it leaves out and keeps every other byte', async () => {
    const { accept, spooled, counted, metrics } = setUp();
    const text = `[null, ${own} , {"org_id":"acme","n":12345678901234567890},{"org_id":"other"},{"a":1}, 7, ${own}]`;
    expect(await accept(text)).toMatchObject({
      status: 'accepted',
      accepted: 3,
      dropped: { null: 1, 'foreign-organisation': 1, 'no-organisation': 1, 'not-a-record': 1 },
    });
    expect(await spooled()).toEqual([[3, `[${own} , {"org_id":"acme","n":12345678901234567890},${own}]`]]);
    expect(counted()).toEqual({ received: 7, dropped: 4, duplicates: 0 });
    expect(metrics.value('causeway_analytics_dropped_records_total', { reason: 'null' })).toBe(1);
  });

  it.each([
    ['{"org_id":"acme"}', undefined],
    ['{"OrgID":"acme"}', undefined],
    ['{"ORG_ID":"acme","orgid":"acme"}', undefined],
    ['{"org_id":"acme","OrgID":null}', undefined],
    ['{"o":1,"orgidx":"other","org":"other","organisation_id":"other","org_id":"acme"}', undefined],
    ['{"tags":[{"org_id":"other"}],"org_id":"acme"}', undefined],
    ['{"org_id":"other","org_id":"acme"}', undefined],
    ['{"org_id":"acme","org_id":"other"}', 'foreign-organisation'],
    ['{"org_id":"acme","OrgID":"other"}', 'foreign-organisation'],
    ['{"org_id":"acme","_o_r_g_i_d_":"other"}', 'foreign-organisation'],
    ['{"org_id":"Acme"}', 'foreign-organisation'],
    ['{"org_id":["acme"]}', 'foreign-organisation'],
    ['{"org_id":""}', 'no-organisation'],
    ['{"org_id":"acme","OrgID":""}', 'no-organisation'],
    ['{"tags":[{"org_id":"acme"}]}', 'no-organisation'],
    ['{}', 'no-organisation'],
    ['[]', 'not-a-record'],
    ['"acme"', 'not-a-record'],
    ['null', 'null'],
  ])('screens %s: %s', async (record, reason) => {
    const { accept } = setUp();
    const result = await accept(`[${record}]`);
    expect(result.dropped).toEqual(reason === undefined ? {} : { [reason]: 1 });
    expect(result.accepted).toBe(reason === undefined ? 1 : 0);
  });

  it.each(['', '{}', 'null', '7', '"x"', '[', '[1', `[${own}`, `[${own},]`, `[,${own}]`, `[${own}]x`])(
    'rejects %j',
    async (text) => {
      const { accept, spooled, counted, woken } = setUp();
      expect(await accept(text)).toMatchObject({ status: 'rejected', accepted: 0, duplicate: false });
      expect(await spooled()).toEqual([]);
      expect(counted()).toEqual({ received: 0, dropped: 0, duplicates: 0 });
      expect(woken()).toBe(0);
    },
  );

  it.each([`[${own} ${own}]`, `[${own},{"a":]}]`, `[{"a":01}]`, `[{'a':1}]`, `[{"a":"\n"}]`, `[${own}}]`])(
    'rejects what only looks like an array: %j',
    async (text) => {
      expect((await setUp().accept(text)).status).toBe('rejected');
    },
  );

  it('takes an empty array', async () => {
    const { accept, spooled } = setUp();
    expect(await accept(' [ ] ')).toMatchObject({ status: 'accepted', accepted: 0 });
    expect(await spooled()).toEqual([]);
  });

  it('accepts and spools nothing when nothing is left', async () => {
    const { accept, spooled, counted, woken } = setUp();
    expect(await accept('[null,null]')).toMatchObject({
      status: 'accepted',
      accepted: 0,
      dropped: { null: 2 },
    });
    expect([await spooled(), counted().received, counted().dropped, woken()]).toEqual([[], 2, 2, 0]);
  });

  it('bounds batches of the wire that can send smaller ones', async () => {
    const { accept, metrics } = setUp();
    const records = `[${'{"org_id":"acme"},'.repeat(limits.analyticsBatchRecordsMax)}{"org_id":"acme"}]`;
    const result = await accept(records, 'b1');
    expect(result.status).toBe('rejected');
    expect(result.error).toContain(`analyticsBatchRecordsMax (${limits.analyticsBatchRecordsMax})`);
    expect(metrics.value('causeway_limit_hits_total', { limit: 'analyticsBatchRecordsMax' })).toBe(1);
    expect((await accept(records)).accepted).toBe(limits.analyticsBatchRecordsMax + 1);
  });

  it('lets other work run while it reads a large batch', async () => {
    const { accept } = setUp();
    let turns = 0;
    let done = false;
    const count = (): void => {
      turns += 1;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    await accept(
      `[${Array.from({ length: 8 }, () => `{"org_id":"acme","s":"${'x'.repeat(1 << 20)}"}`).join()}]`,
    );
    done = true;
    expect(turns).toBeGreaterThan(4);
  });
});

describe('repeats', () => {
  it('are acknowledged and counted only as repeats', async () => {
    const { accept, spooled, counted, woken } = setUp();
    const first = await accept(`[${own},null]`, 'b1');
    expect(await accept(`[${own},null]`, 'b1')).toEqual({ ...first, duplicate: true });
    expect(await spooled()).toHaveLength(1);
    expect(counted()).toEqual({ received: 2, dropped: 1, duplicates: 1 });
    expect(woken()).toBe(1);
  });

  it('of a batch that was spooled though the spool failed to say so count once', async () => {
    const { accept, spool, spooled, counted, woken } = setUp();
    spool.failNext(storeAway(), { when: 'after' });
    expect((await accept(`[${own}]`, 'b1')).status).toBe('retry');
    expect(await accept(`[${own}]`, 'b1')).toMatchObject({ status: 'accepted', duplicate: true });
    expect(await accept(`[${own}]`, 'b1')).toMatchObject({ status: 'accepted', duplicate: true });
    expect(await spooled()).toHaveLength(1);
    expect(counted()).toEqual({ received: 1, dropped: 0, duplicates: 1 });
    expect(woken()).toBe(1);
  });
});

describe('a spool in trouble', () => {
  it('that is full means try later, said once in the log', async () => {
    const { accept, log, metrics, counted } = setUp({ bytesMax: 10 });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await accept(`[${own},null]`, `b${attempt}`)).toEqual({
        status: 'retry',
        accepted: 0,
        dropped: {},
        duplicate: false,
        error: 'analyticsSpoolBytesMax is reached',
      });
    }
    expect(metrics.value('causeway_limit_hits_total', { limit: 'analyticsSpoolBytesMax' })).toBe(3);
    expect(log.lines.map(({ level }) => level)).toEqual(['error']);
    expect(counted()).toEqual({ received: 0, dropped: 0, duplicates: 0 });
  });

  it('that is away means try later, until it is back', async () => {
    const { accept, spool, log, metrics } = setUp();
    spool.failAlways();
    expect((await accept(`[${own}]`, 'b1')).status).toBe('retry');
    expect((await accept(`[${own}]`, 'b1')).status).toBe('retry');
    spool.recover();
    expect(await accept(`[${own}]`, 'b1')).toMatchObject({ status: 'accepted', duplicate: false });
    expect(metrics.value('causeway_store_errors_total', { store: 'spool' })).toBe(2);
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'info']);
  });
});

it('never spools a record of another organisation, and loses none of its own', async () => {
  const record = fc.oneof(
    fc.record({ org_id: fc.constantFrom('acme', 'other', ''), v: fc.jsonValue() }),
    fc.record({ OrgID: fc.constantFrom('acme', 'other'), org_id: fc.constantFrom('acme', 'other') }),
    fc.jsonValue(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(record), fc.constantFrom(undefined, 2), async (records, indent) => {
      const { accept, spool, counted } = setUp();
      const text = JSON.stringify(records, null, indent);
      const result = await accept(text);
      const isOwn = (one: unknown): boolean => {
        if (typeof one !== 'object' || one === null || Array.isArray(one)) return false;
        const named = Object.entries(one).filter(([name]) => /^_*o_*r_*g_*i_*d_*$/i.test(name));
        return named.length > 0 && named.every(([, value]) => value === 'acme');
      };
      const parsed: unknown[] = JSON.parse(text);
      const kept = (await spool.peek(10)).flatMap(({ payload }) => JSON.parse(payload.toString('utf8')));
      expect(kept).toEqual(parsed.filter(isOwn));
      expect(result.accepted).toBe(kept.length);
      expect(counted().received).toBe(kept.length + counted().dropped);
    }),
  );
});
