import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyStore } from '../../src/ports/key-store.js';
import type { OpenFixture, StoreFixture } from './fixture.js';

export function describeKeyStore(name: string, open: OpenFixture<KeyStore>): void {
  describe(`key store: ${name}`, () => {
    let fixture: StoreFixture<KeyStore>;
    let store: KeyStore;

    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
    });
    afterEach(() => fixture.dispose());

    const text = async (key: string) => (await store.getMany([key]))[0]?.value.toString('utf8');
    const put = (key: string, value = 'v', ttlMs?: number) => store.put(key, Buffer.from(value), ttlMs);
    const scanned = async (prefix: string, pageSize = 100) => {
      const names = new Set<string>();
      for await (const page of store.scan(prefix, pageSize)) {
        expect(page.length).toBeLessThanOrEqual(pageSize);
        for (const one of page) names.add(one);
      }
      return [...names].sort();
    };

    it('gives values in the order asked for, with holes', async () => {
      await put('a', '1');
      await put('b', '2');
      const values = await store.getMany(['b', 'missing', 'a', 'b']);
      expect(values.map((one) => one?.value.toString('utf8'))).toEqual(['2', undefined, '1', '2']);
      expect(values[0]?.remainingTtlMs).toBeUndefined();
      expect(await store.getMany([])).toEqual([]);
    });

    it('keeps any bytes and any name', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      const names = [
        '',
        ' ',
        'a\0b',
        'é',
        '😀',
        'x'.repeat(1_024),
        'y'.repeat(1_025),
        `${'é'.repeat(3_000)}1`,
      ];
      for (const key of names) await store.put(key, bytes, undefined);
      await store.put('empty', Buffer.alloc(0), undefined);
      for (const value of await store.getMany(names)) expect(value?.value.equals(bytes)).toBe(true);
      expect((await store.getMany(['empty']))[0]?.value).toHaveLength(0);
      expect(await scanned('')).toEqual([...names, 'empty'].sort());
      expect(await text(`${'é'.repeat(3_000)}2`)).toBeUndefined();
    });

    it('keeps a large value', async () => {
      const bytes = Buffer.alloc(3 * 1024 * 1024, 'causeway');
      await store.put('large', bytes, undefined);
      expect((await store.getMany(['large']))[0]?.value.equals(bytes)).toBe(true);
    });

    it('does not share memory with the caller', async () => {
      const bytes = Buffer.from('before');
      const written = store.put('k', bytes, undefined);
      bytes.fill('x');
      await written;
      const [read] = await store.getMany(['k']);
      read?.value.fill('y');
      expect(await text('k')).toBe('before');
    });

    it('tells the size of a value that is larger than was asked for', async () => {
      await store.put('apikey-large', Buffer.alloc(200_000, 'x'), undefined);
      await store.put('apikey-small', Buffer.from('small'), undefined);
      const names = ['apikey-small', 'apikey-large', 'apikey-none'];
      for (const ttl of [true, false]) {
        // Twice: what is known of a name must not change the answer.
        for (let round = 0; round < 2; round += 1) {
          const [small, large, none] = await store.getMany(names, { ttl, valueBytesMax: 65_536 });
          expect(small?.value.toString()).toBe('small');
          expect(large).toMatchObject({ oversize: 200_000 });
          expect(large?.value).toHaveLength(0);
          expect(none).toBeUndefined();
          const [whole] = await store.getMany(['apikey-large'], { ttl });
          expect(whole?.value).toHaveLength(200_000);
          expect(whole?.oversize).toBeUndefined();
        }
      }
      await store.put('apikey-large', Buffer.from('shrunk'), undefined);
      const [shrunk] = await store.getMany(['apikey-large'], { valueBytesMax: 65_536 });
      expect(shrunk?.value.toString()).toBe('shrunk');
    });

    it('lets a value expire, and tells how long it still lives', async () => {
      await put('short', 'v', 1_000);
      await put('long', 'v', 60_000);
      const [short] = await store.getMany(['short']);
      expect(short?.remainingTtlMs).toBeGreaterThan(0);
      expect(short?.remainingTtlMs).toBeLessThanOrEqual(1_000);
      await fixture.passTime(1_100);
      expect(await text('short')).toBeUndefined();
      expect(await scanned('')).toEqual(['long']);
      expect(await store.remove(['short', 'long'])).toBe(1);
    });

    it('gives an overwritten value its new life', async () => {
      await put('k', '1', 1_000);
      await put('k', '2');
      await put('l', '1');
      await put('l', '2', 1_000);
      await put('m', '1', 1_000);
      await put('m', '2', 60_000);
      await fixture.passTime(1_100);
      expect(await text('k')).toBe('2');
      expect(await text('l')).toBeUndefined();
      expect(await text('m')).toBe('2');
      await fixture.passTime(30_000);
      expect(await text('k')).toBe('2');
      expect(await text('m')).toBe('2');
    });

    it('counts what it removes', async () => {
      await put('a');
      await put('b');
      expect(await store.remove(['a', 'missing', 'b'])).toBe(2);
      expect(await store.remove(['a'])).toBe(0);
      expect(await store.remove([])).toBe(0);
      expect(await text('a')).toBeUndefined();
    });

    it('scans by prefix only', async () => {
      for (const key of ['apikey-1', 'apikey-2', 'apikex', 'apikez', 'apikey', 'oauth-1']) await put(key);
      expect(await scanned('apikey-')).toEqual(['apikey-1', 'apikey-2']);
      expect(await scanned('apikey')).toEqual(['apikey', 'apikey-1', 'apikey-2']);
      expect(await scanned('none')).toEqual([]);
      expect(await scanned('')).toHaveLength(6);
    });

    it('scans 10,000 names in pages, while others change', async () => {
      const expected = Array.from({ length: 10_000 }, (_, index) => `bulk-${index}`);
      await Promise.all(expected.map((key) => put(key)));
      await put('other');
      const seen = new Set<string>();
      let pages = 0;
      for await (const page of store.scan('bulk-', 333)) {
        expect(page.length).toBeLessThanOrEqual(333);
        for (const key of page) seen.add(key);
        pages += 1;
        if (pages === 3) await put('aaa');
      }
      expect(seen.size).toBe(10_000);
      expect(expected.every((key) => seen.has(key))).toBe(true);
    });

    it('increments without losing one, and the first sets the life', async () => {
      const counts = await Promise.all(Array.from({ length: 50 }, () => store.increment('c', 1_000)));
      expect([...counts].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
      await fixture.passTime(600);
      expect(await store.increment('c', 1_000)).toBe(51);
      await fixture.passTime(600);
      expect(await store.increment('c', undefined)).toBe(1);
      await fixture.passTime(5_000);
      expect(await store.increment('c', 1_000)).toBe(2);
      expect(await text('c')).toBe('2');
    });

    it('slides a window', async () => {
      const start = 1_000_000;
      expect(await store.addToWindow('w', 1_000, start)).toBe(0);
      expect(await store.addToWindow('w', 1_000, start + 1)).toBe(1);
      expect(await store.addToWindow('w', 1_000, start + 1)).toBe(2);
      expect(await store.addToWindow('w', 1_000, start + 1_000.5)).toBe(2);
      expect(await store.addToWindow('w', 1_000, start + 1_500)).toBe(1);
      expect(await store.addToWindow('w', 1_000, start + 9_000)).toBe(0);
      expect(await store.addToWindow('other', 1_000, start + 9_000)).toBe(0);
      expect(await store.remove(['w'])).toBe(1);
      expect(await store.addToWindow('w', 1_000, start + 9_001)).toBe(0);
    });

    it('counts every concurrent mark of a window', async () => {
      const counts = await Promise.all(
        Array.from({ length: 20 }, () => store.addToWindow('w', 1_000, 1_000_000)),
      );
      expect([...counts].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    });

    it('has everything after it was closed and opened', async () => {
      await put('a', '1');
      await put('b', '2', 60_000);
      await store.increment('c', undefined);
      await put('gone');
      await store.remove(['gone']);
      store = await fixture.reopen();
      expect(await text('a')).toBe('1');
      expect(await text('b')).toBe('2');
      expect((await store.getMany(['b']))[0]?.remainingTtlMs).toBeGreaterThan(0);
      expect(await text('gone')).toBeUndefined();
      expect(await store.increment('c', undefined)).toBe(2);
    });
  });
}
