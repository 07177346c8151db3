import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeId, organisationId } from '../../src/domain/identifiers.js';
import type { AnalyticsSpool, BatchIdentity, SpooledBatch } from '../../src/ports/analytics-spool.js';
import type { OpenFixture, StoreFixture } from './fixture.js';

export interface SpoolFixtureOptions {
  readonly bytesMax?: number;
  readonly batchIdsMax?: number;
}

export function batchOf(payload: string | Buffer, records = 1): Omit<SpooledBatch, 'position'> {
  return {
    organisation: organisationId('org-a'),
    receivedAtMs: 1_700_000_000_000,
    records,
    payload: Buffer.from(payload),
  };
}

const identity = (batchId: string, node = 'n1', organisation = 'org-a'): BatchIdentity => ({
  organisation: organisationId(organisation),
  node: nodeId(node),
  batchId,
});

export function describeAnalyticsSpool(
  name: string,
  open: OpenFixture<AnalyticsSpool, SpoolFixtureOptions>,
): void {
  describe(`analytics spool: ${name}`, () => {
    let fixture: StoreFixture<AnalyticsSpool>;
    let spool: AnalyticsSpool;

    const start = async (options: SpoolFixtureOptions = {}) => {
      await fixture.dispose();
      fixture = await open(options);
      spool = fixture.store;
    };
    beforeEach(async () => {
      fixture = await open();
      spool = fixture.store;
    });
    afterEach(() => fixture.dispose());

    const peeked = async () => (await spool.peek(1_000)).map((batch) => batch.payload.toString('utf8'));

    it('is a queue: oldest first, peeking removes nothing', async () => {
      expect(await spool.peek(10)).toEqual([]);
      for (const text of ['a', 'b', 'c'])
        expect(await spool.append(batchOf(text, 7), undefined)).toBe('taken');
      const [first, second] = await spool.peek(2);
      expect(first).toEqual({ ...batchOf('a', 7), position: first?.position });
      expect(second?.position).toBeGreaterThan(first?.position ?? 0);
      expect(await spool.peek(2)).toHaveLength(2);
      expect(await peeked()).toEqual(['a', 'b', 'c']);
      await spool.removeThrough(second?.position ?? 0);
      expect(await peeked()).toEqual(['c']);
      await spool.removeThrough(first?.position ?? 0);
      expect(await peeked()).toEqual(['c']);
    });

    it('keeps what a batch holds, also over a restart', async () => {
      await spool.append({ ...batchOf('{}', 0), kind: 'aggregate' }, undefined);
      await spool.append({ ...batchOf('{}', 0), kind: 'mcp-aggregate' }, undefined);
      await spool.append(batchOf('[]', 0), undefined);
      spool = await fixture.reopen();
      const kinds = (await spool.peek(3)).map(({ kind }) => kind);
      expect(kinds).toEqual(['aggregate', 'mcp-aggregate', undefined]);
    });

    it('puts parts of a batch at the end in its place, also beyond its bound', async () => {
      await start({ bytesMax: 10 });
      await spool.append(batchOf('1234', 4), identity('1'));
      await spool.append(batchOf('next'), undefined);
      const [first] = await spool.peek(1);
      const parts = [batchOf('123456', 2), batchOf('7890', 2)];
      await spool.replace(first?.position ?? 0, parts);
      expect(await peeked()).toEqual(['next', '123456', '7890']);
      expect(await spool.size()).toEqual({ batches: 3, bytes: 14 });
      const positions = (await spool.peek(3)).map(({ position }) => position);
      expect([...positions].sort((a, b) => a - b)).toEqual(positions);
      // What was taken before is still known.
      expect(await spool.append(batchOf('1234', 4), identity('1'))).toBe('duplicate');
      spool = await fixture.reopen();
      expect(await peeked()).toEqual(['next', '123456', '7890']);
    });

    it('knows its size', async () => {
      expect(await spool.size()).toEqual({ batches: 0, bytes: 0 });
      await spool.append(batchOf('12345'), undefined);
      await spool.append(batchOf(''), undefined);
      await spool.append(batchOf('123'), undefined);
      expect(await spool.size()).toEqual({ batches: 3, bytes: 8 });
      await spool.removeThrough((await spool.peek(1))[0]?.position ?? 0);
      expect(await spool.size()).toEqual({ batches: 2, bytes: 3 });
      spool = await fixture.reopen();
      expect(await spool.size()).toEqual({ batches: 2, bytes: 3 });
      expect(await peeked()).toEqual(['', '123']);
    });

    it('keeps payloads of any size and content', async () => {
      const sizes = [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20 + 7, 12 * 2 ** 20];
      for (const size of sizes) {
        const payload = Buffer.alloc(size, Buffer.from([0, 1, 254, 255, size % 251]));
        await spool.append(batchOf(payload), undefined);
        const [batch] = await spool.peek(1);
        expect(batch?.payload.equals(payload), String(size)).toBe(true);
        await spool.removeThrough(batch?.position ?? 0);
        expect(await spool.size()).toEqual({ batches: 0, bytes: 0 });
      }
    });

    it('takes concurrent batches, each with a position of its own', async () => {
      await Promise.all(
        Array.from({ length: 300 }, (_, index) => spool.append(batchOf(`${index}`), undefined)),
      );
      const batches = await spool.peek(1_000);
      expect(batches).toHaveLength(300);
      expect(new Set(batches.map((batch) => batch.position)).size).toBe(300);
    });

    it('never uses a position twice, not even when empty and opened again', async () => {
      await spool.append(batchOf('a'), undefined);
      const before = (await spool.peek(1))[0]?.position ?? Number.NaN;
      await spool.removeThrough(before);
      spool = await fixture.reopen();
      expect(await spool.size()).toEqual({ batches: 0, bytes: 0 });
      await spool.append(batchOf('b'), undefined);
      expect((await spool.peek(1))[0]?.position).toBeGreaterThan(before);
    });

    it('recognises a batch that comes again', async () => {
      expect(await spool.append(batchOf('a'), identity('1'))).toBe('taken');
      expect(await spool.append(batchOf('a'), identity('1'))).toBe('duplicate');
      expect(await spool.append(batchOf('b'), identity('1', 'n2'))).toBe('taken');
      expect(await spool.append(batchOf('c'), identity('1', 'n1', 'org-b'))).toBe('taken');
      expect(await spool.append(batchOf('d'), identity('2'))).toBe('taken');
      expect(await peeked()).toEqual(['a', 'b', 'c', 'd']);
      await spool.removeThrough(Number.MAX_SAFE_INTEGER);
      spool = await fixture.reopen();
      expect(await spool.append(batchOf('a'), identity('1'))).toBe('duplicate');
      expect(await peeked()).toEqual([]);
    });

    it('takes a batch once when it comes twice at the same time', async () => {
      const results = await Promise.all([1, 2, 3].map(() => spool.append(batchOf('a'), identity('1'))));
      expect([...results].sort()).toEqual(['duplicate', 'duplicate', 'taken']);
      expect(await peeked()).toEqual(['a']);
    });

    it('forgets the oldest identities beyond its bound', async () => {
      await start({ batchIdsMax: 3 });
      for (const id of ['1', '2', '3', '4']) await spool.append(batchOf(id), identity(id));
      expect(await spool.append(batchOf('2'), identity('2'))).toBe('duplicate');
      expect(await spool.append(batchOf('4'), identity('4'))).toBe('duplicate');
      expect(await spool.append(batchOf('1 again'), identity('1'))).toBe('taken');
      expect(await spool.append(batchOf('2 again'), identity('2'))).toBe('taken');
      expect(await spool.append(batchOf('1'), identity('1'))).toBe('duplicate');
    });

    it('refuses what does not fit, naming the limit, and recovers', async () => {
      await start({ bytesMax: 10 });
      await spool.append(batchOf('1234567'), identity('1'));
      const refused = spool.append(batchOf('1234'), identity('2'));
      await expect(refused).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
        message: expect.stringContaining('analyticsSpoolBytesMax'),
      });
      expect(await spool.append(batchOf('1234567'), identity('1'))).toBe('duplicate');
      expect(await spool.append(batchOf('123'), undefined)).toBe('taken');
      await spool.removeThrough(Number.MAX_SAFE_INTEGER);
      expect(await spool.append(batchOf('1234'), identity('2'))).toBe('taken');
    });
  });
}
