import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AnnouncedWrites } from '../../src/ports/announced-writes.js';
import type { ChangeLog } from '../../src/ports/change-log.js';
import type { KeyStore } from '../../src/ports/key-store.js';
import { keyChange } from './change-log.suite.js';
import type { OpenFixture, StoreFixture } from './fixture.js';

/** Announced writes, and the two stores that they write to. */
export interface WrittenStores {
  readonly writes: AnnouncedWrites;
  readonly keys: KeyStore;
  readonly changeLog: ChangeLog;
}

const { organisation } = keyChange('');

export function describeAnnouncedWrites(name: string, open: OpenFixture<WrittenStores>): void {
  describe(`announced writes: ${name}`, () => {
    let fixture: StoreFixture<WrittenStores>;
    let stores: WrittenStores;

    beforeEach(async () => {
      fixture = await open();
      stores = fixture.store;
    });
    afterEach(() => fixture.dispose());

    const put = (key: string, value = 'v', ttlMs?: number) => {
      const stored = { value: Buffer.from(value), ttlMs };
      return stores.writes.write({ name: key, stored, changes: [keyChange(`${key} is ${value}`)] });
    };
    const remove = (key: string) => {
      return stores.writes.write({ name: key, stored: undefined, changes: [keyChange(`${key} is gone`)] });
    };
    const read = async (key: string) => (await stores.keys.getMany([key]))[0];
    const text = async (key: string) => (await read(key))?.value.toString('utf8');
    const told = async () =>
      (await stores.changeLog.read(organisation, 0, 10_000)).map(({ body }) => {
        return body.type === 'key' && body.event.kind === 'key-removed' ? body.event.key : body;
      });

    it('write and tell', async () => {
      await put('a', '1');
      await put('b', '2', 60_000);
      await put('a', '3');
      expect([await text('a'), await text('b')]).toEqual(['3', '2']);
      expect((await read('a'))?.remainingTtlMs).toBeUndefined();
      expect((await read('b'))?.remainingTtlMs).toBeGreaterThan(50_000);
      expect(await told()).toEqual(['a is 1', 'b is 2', 'a is 3']);
    });

    it('remove and tell, also of what is not there', async () => {
      await put('a');
      await remove('a');
      await remove('a');
      expect(await text('a')).toBeUndefined();
      expect(await told()).toEqual(['a is v', 'a is gone', 'a is gone']);
    });

    it('write what nobody has to hear of', async () => {
      await stores.writes.write({
        name: 'a',
        stored: { value: Buffer.from('1'), ttlMs: undefined },
        changes: [],
      });
      expect([await text('a'), await told()]).toEqual(['1', []]);
    });

    it('keep any name and the value of the call', async () => {
      const names = ['', 'é'.repeat(2_000), 'a\0b', '{"}'];
      const value = Buffer.from('mine');
      const writing = names.map((one) => {
        return stores.writes.write({
          name: one,
          stored: { value, ttlMs: undefined },
          changes: [keyChange(one)],
        });
      });
      value.write('your');
      await Promise.all(writing);
      for (const one of names) expect(await text(one)).toBe('mine');
      expect(new Set(await told())).toEqual(new Set(names));
    });

    it('tell when there is something to find', async () => {
      const found: Promise<string | undefined>[] = [];
      const end = stores.changeLog.subscribe(() => found.push(text('a')));
      await put('a', '1');
      await remove('a');
      expect(await Promise.all(found)).toEqual(['1', undefined]);
      end();
    });

    it('keep the order of what is done to one key', async () => {
      const values = Array.from({ length: 50 }, (_, index) => `${index}`);
      await Promise.all(values.map((value) => (value === '25' ? remove('k') : put('k', value))));
      expect(await text('k')).toBe('49');
      expect(await told()).toEqual(values.map((value) => (value === '25' ? 'k is gone' : `k is ${value}`)));
    });

    it('are durable, key and word together', async () => {
      await Promise.all(Array.from({ length: 20 }, (_, index) => put(`k${index}`)));
      await remove('k0');
      stores = await fixture.reopen();
      expect(await told()).toHaveLength(21);
      expect([await text('k0'), await text('k19')]).toEqual([undefined, 'v']);
      await put('k20');
      expect(await told()).toHaveLength(22);
    });
  });
}
