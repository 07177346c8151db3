import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { organisationId } from '../../src/domain/identifiers.js';
import type { AnalyticsSink } from '../../src/ports/analytics-sink.js';
import type { SpooledBatch } from '../../src/ports/analytics-spool.js';
import type { OpenFixture, StoreFixture } from './fixture.js';

export function spooled(position: number, elements: readonly unknown[] | string): SpooledBatch {
  const payload = Buffer.from(typeof elements === 'string' ? elements : JSON.stringify(elements));
  return {
    position,
    organisation: organisationId('org-a'),
    receivedAtMs: 1_700_000_000_000,
    records: typeof elements === 'string' ? 3 : elements.length,
    payload,
  };
}

const record = (host: string) => ({
  host,
  org_id: 'org-a',
  timestamp: '2026-08-21T12:39:47.123456789+03:00',
});

export function describeAnalyticsSink(name: string, open: OpenFixture<AnalyticsSink>): void {
  describe(`analytics sink: ${name}`, () => {
    let fixture: StoreFixture<AnalyticsSink>;
    let sink: AnalyticsSink;

    beforeEach(async () => {
      fixture = await open();
      sink = fixture.store;
    });
    afterEach(() => fixture.dispose());

    it('stores records and counts them', async () => {
      expect(await sink.count()).toBe(0);
      const result = await sink.store([spooled(1, [record('a'), record('b')]), spooled(2, [record('c')])]);
      expect(result).toEqual({ stored: 3, dropped: {} });
      expect(await sink.count()).toBe(3);
      expect(await sink.store([])).toEqual({ stored: 0, dropped: {} });
    });

    it('skips batches that it has, and counts them not', async () => {
      await sink.store([spooled(5, [record('a')]), spooled(6, [record('b')])]);
      const again = await sink.store([
        spooled(5, [record('a')]),
        spooled(6, [null]),
        spooled(7, [record('c')]),
      ]);
      expect(again).toEqual({ stored: 1, dropped: {} });
      expect(await sink.count()).toBe(3);
      sink = await fixture.reopen();
      expect(await sink.store([spooled(7, [record('c')])])).toEqual({ stored: 0, dropped: {} });
      expect(await sink.count()).toBe(3);
    });

    it('takes each batch once when stores overlap', async () => {
      const batches = [spooled(1, [record('a')]), spooled(2, [record('b')])];
      const results = await Promise.all([sink.store(batches), sink.store(batches)]);
      expect(results.reduce((sum, one) => sum + one.stored, 0)).toBe(2);
      expect(await sink.count()).toBe(2);
    });

    it('sets a record that cannot be stored apart from its neighbours', async () => {
      const result = await sink.store([
        spooled(1, [record('a'), null, 7, { host: 1 }, record('b\0')]),
        spooled(2, '{"broken'),
        spooled(3, [record('c')]),
      ]);
      expect(result).toEqual({ stored: 3, dropped: { null: 1, malformed: 5 } });
      expect(await sink.count()).toBe(3);
    });

    it('counts no aggregates as records', async () => {
      const aggregate = {
        ...spooled(2, '{"org-a":{"Total":{"hits":1}}}'),
        records: 0,
        kind: 'aggregate',
      } as const;
      expect(await sink.store([spooled(1, [record('a')]), aggregate])).toEqual({ stored: 1, dropped: {} });
      expect(await sink.store([aggregate])).toEqual({ stored: 0, dropped: {} });
      expect(await sink.count()).toBe(1);
    });

    it('moves on past a batch with nothing to store', async () => {
      expect(await sink.store([spooled(1, [null])])).toEqual({ stored: 0, dropped: { null: 1 } });
      expect(await sink.store([spooled(1, [record('a')])])).toEqual({ stored: 0, dropped: {} });
    });

    it('stores more records than fit in a turn', async () => {
      const many = Array.from({ length: 3_000 }, (_, index) => record(`h${index}`));
      expect(await sink.store([spooled(1, many)])).toEqual({ stored: 3_000, dropped: {} });
      expect(await sink.count()).toBe(3_000);
    });
  });
}
