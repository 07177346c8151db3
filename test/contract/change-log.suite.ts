import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Change, NewChange } from '../../src/domain/change.js';
import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import type { ChangeLog, Cursor, CursorOwner } from '../../src/ports/change-log.js';
import type { OpenFixture, StoreFixture } from './fixture.js';

export interface ChangeLogFixtureOptions {
  readonly entriesMax?: number;
}

const orgA = organisationId('org-a');
const orgB = organisationId('org-b');

export function keyChange(key: string, organisation = orgA): NewChange {
  return {
    organisation,
    atMs: 1_700_000_000_123,
    body: { type: 'key', event: { kind: 'key-removed', key, hashed: true } },
  };
}

const definitionChange: NewChange = {
  organisation: orgA,
  atMs: 5,
  body: {
    type: 'definition',
    kind: 'api',
    id: 'a/1 "é"',
    hash: undefined,
    before: { tags: ['edge'], tagsDisabled: false, ownerUsers: [], ownerGroups: ['g'] },
    after: undefined,
  },
};

const owner = (node: string, zone = 'z1', organisation = orgA): CursorOwner => ({
  organisation,
  zone: zoneId(zone),
  node: nodeId(node),
});
const at = (who: CursorOwner, sequence: number, atMs = 1): Cursor => ({ ...who, sequence, atMs });
const keysOf = (changes: readonly Change[]) =>
  changes.map(({ body }) =>
    body.type === 'key' && body.event.kind === 'key-removed' ? body.event.key : '?',
  );

export function describeChangeLog(name: string, open: OpenFixture<ChangeLog, ChangeLogFixtureOptions>): void {
  describe(`change log: ${name}`, () => {
    let fixture: StoreFixture<ChangeLog>;
    let log: ChangeLog;

    const start = async (options: ChangeLogFixtureOptions = {}) => {
      await fixture.dispose();
      fixture = await open(options);
      log = fixture.store;
    };
    beforeEach(async () => {
      fixture = await open();
      log = fixture.store;
    });
    afterEach(() => fixture.dispose());

    it('is empty at first', async () => {
      expect(await log.bounds(orgA)).toEqual({ oldest: 1, newest: 0 });
      expect(await log.read(orgA, 0, 10)).toEqual([]);
      expect(await log.append([])).toEqual([]);
      expect(await log.cursors()).toEqual([]);
    });

    it('numbers changes 1, 2, 3 for each organisation', async () => {
      const appended = await log.append([keyChange('a'), keyChange('x', orgB), keyChange('b')]);
      expect(appended.map((one) => [one.organisation, one.sequence])).toEqual([
        [orgA, 1],
        [orgB, 1],
        [orgA, 2],
      ]);
      expect(await log.append([keyChange('c')])).toEqual([{ ...keyChange('c'), sequence: 3 }]);
      expect(await log.bounds(orgA)).toEqual({ oldest: 1, newest: 3 });
      expect(await log.bounds(orgB)).toEqual({ oldest: 1, newest: 1 });
      expect(keysOf(await log.read(orgA, 0, 10))).toEqual(['a', 'b', 'c']);
      expect(keysOf(await log.read(orgB, 0, 10))).toEqual(['x']);
    });

    it('gives back what was appended', async () => {
      await log.append([definitionChange, keyChange('k')]);
      expect(await log.read(orgA, 0, 10)).toEqual([
        { ...definitionChange, sequence: 1 },
        { ...keyChange('k'), sequence: 2 },
      ]);
    });

    it('keeps organisations apart whose names begin alike', async () => {
      const names = ['', 'o', 'o\0', 'o1', `o${'x'.repeat(3_000)}`, `o${'x'.repeat(3_000)}y`].map(
        organisationId,
      );
      for (const one of names) await log.append([keyChange(`of ${one}`, one)]);
      for (const one of names) expect(keysOf(await log.read(one, 0, 10))).toEqual([`of ${one}`]);
    });

    it('reads in pages', async () => {
      await log.append(Array.from({ length: 25 }, (_, index) => keyChange(`k${index + 1}`)));
      const sequences: number[] = [];
      for (let after = 0; ; ) {
        const page = await log.read(orgA, after, 10);
        expect(page.length).toBeLessThanOrEqual(10);
        const last = page.at(-1);
        if (last === undefined) break;
        sequences.push(...page.map((one) => one.sequence));
        after = last.sequence;
      }
      expect(sequences).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
      expect(await log.read(orgA, 25, 10)).toEqual([]);
      expect(await log.read(orgA, 99, 10)).toEqual([]);
    });

    it('leaves no gap between concurrent appends, and keeps each append together', async () => {
      const appends = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          log.append([keyChange(`${index}a`), keyChange(`${index}b`)]),
        ),
      );
      for (const pair of appends) expect(pair[1]?.sequence).toBe((pair[0]?.sequence ?? 0) + 1);
      const all = await log.read(orgA, 0, 1_000);
      expect(all.map((one) => one.sequence)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
      expect(new Set(keysOf(all)).size).toBe(200);
    });

    it('forgets the oldest beyond its bound, and says so to who needs them', async () => {
      await start({ entriesMax: 10 });
      for (let index = 1; index <= 35; index += 1) await log.append([keyChange(`k${index}`)]);
      const { oldest, newest } = await log.bounds(orgA);
      expect(newest).toBe(35);
      expect(oldest).toBe(26);
      await expect(log.read(orgA, 24, 10)).rejects.toMatchObject({ code: 'CHANGE_LOG_TRIMMED' });
      await expect(log.read(orgA, 0, 10)).rejects.toMatchObject({ code: 'CHANGE_LOG_TRIMMED' });
      expect((await log.read(orgA, 25, 3)).map((one) => one.sequence)).toEqual([26, 27, 28]);
      expect(await log.read(orgA, 35, 3)).toEqual([]);
    });

    it('bounds each organisation by itself, also within one append', async () => {
      await start({ entriesMax: 3 });
      await log.append([keyChange('x', orgB), ...['a', 'b', 'c', 'd', 'e'].map((key) => keyChange(key))]);
      expect(await log.bounds(orgA)).toEqual({ oldest: 3, newest: 5 });
      expect(await log.bounds(orgB)).toEqual({ oldest: 1, newest: 1 });
    });

    it('tells subscribers of what was appended, until they leave', async () => {
      const told: [string, number][] = [];
      const leave = log.subscribe((organisation, newest) => told.push([organisation, newest]));
      await log.append([keyChange('a'), keyChange('b'), keyChange('x', orgB)]);
      await log.append([keyChange('c')]);
      expect(told).toEqual([
        [orgA, 2],
        [orgB, 1],
        [orgA, 3],
      ]);
      leave();
      await log.append([keyChange('d')]);
      expect(told).toHaveLength(3);
    });

    it('moves a cursor forward only', async () => {
      expect(await log.readCursor(owner('n1'))).toBeUndefined();
      await log.moveCursor(at(owner('n1'), 5, 100));
      expect(await log.readCursor(owner('n1'))).toEqual(at(owner('n1'), 5, 100));
      await log.moveCursor(at(owner('n1'), 3, 200));
      expect(await log.readCursor(owner('n1'))).toEqual(at(owner('n1'), 5, 200));
      await Promise.all([9, 7, 8].map((sequence) => log.moveCursor(at(owner('n1'), sequence, 300))));
      expect(await log.readCursor(owner('n1'))).toEqual(at(owner('n1'), 9, 300));
    });

    it('moves a cursor durably, and still forward only', async () => {
      await log.moveCursorDurably(at(owner('n1'), 5, 100));
      await log.moveCursorDurably(at(owner('n1'), 3, 200));
      expect(await log.readCursor(owner('n1'))).toEqual(at(owner('n1'), 5, 200));
    });

    it('keeps cursors apart by organisation, zone and node', async () => {
      const owners = [
        owner('n', 'z', orgA),
        owner('n', 'z', orgB),
        owner('n', 'z2', orgA),
        owner('n2', 'z', orgA),
        owner('', '', orgA),
        owner('n".,', 'z"', orgA),
        owner('n'.repeat(4_000), 'z', orgA),
      ];
      await Promise.all(owners.map((who, index) => log.moveCursor(at(who, index + 1))));
      for (const [index, who] of owners.entries())
        expect((await log.readCursor(who))?.sequence).toBe(index + 1);
      expect(await log.cursors()).toHaveLength(owners.length);
      await log.removeCursor(owner('n', 'z', orgA));
      expect(await log.readCursor(owner('n', 'z', orgA))).toBeUndefined();
      expect(await log.cursors()).toHaveLength(owners.length - 1);
      log = await fixture.reopen();
      expect(await log.cursors()).toHaveLength(owners.length - 1);
      expect((await log.readCursor(owner('n'.repeat(4_000), 'z', orgA)))?.sequence).toBe(7);
    });

    it('lets a removed cursor start anew', async () => {
      await log.moveCursor(at(owner('n1'), 5));
      await log.removeCursor(owner('n1'));
      await log.removeCursor(owner('never'));
      await log.moveCursor(at(owner('n1'), 2));
      expect((await log.readCursor(owner('n1')))?.sequence).toBe(2);
      log = await fixture.reopen();
      expect((await log.readCursor(owner('n1')))?.sequence).toBe(2);
    });

    it('goes on where it was after it was closed and opened', async () => {
      const { epoch } = log;
      expect(epoch).not.toBe('');
      await log.append([keyChange('a'), keyChange('b')]);
      await log.moveCursor(at(owner('n1'), 1));
      log = await fixture.reopen();
      expect(log.epoch).toBe(epoch);
      expect(keysOf(await log.read(orgA, 0, 10))).toEqual(['a', 'b']);
      expect((await log.append([keyChange('c')]))[0]?.sequence).toBe(3);
      expect((await log.readCursor(owner('n1')))?.sequence).toBe(1);
      await log.moveCursor(at(owner('n1'), 0));
      expect((await log.readCursor(owner('n1')))?.sequence).toBe(1);
    });
  });
}
