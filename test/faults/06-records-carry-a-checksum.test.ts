import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { organisationId } from '../../src/domain/identifiers.js';
import { type EmbeddedStores, openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { batchOf } from '../contract/analytics-spool.suite.js';
import { keyChange } from '../contract/change-log.suite.js';
import { FakeClock } from '../memory/fake-clock.js';
import { RecordingLog } from '../memory/silent-log.js';

const orgA = organisationId('org-a');
const flips = Number(process.env['CAUSEWAY_TEST_FLIPS'] ?? 40);
const marker = 'MARK'.repeat(16);

let folder: string;
let log: RecordingLog;
const opened: EmbeddedStores[] = [];
const file = () => join(folder, 'causeway.mdb');

const start = async (): Promise<EmbeddedStores> => {
  const stores = await openEmbeddedStores({ folder, clock: new FakeClock(), log });
  opened.push(stores);
  return stores;
};

/** One bit inside every stored copy of `text`, `offset` bytes on. */
const flipIn = async (text: string, offset: number, bit: number): Promise<number> => {
  const bytes = await readFile(file());
  let found = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) {
    bytes[at + offset] = (bytes[at + offset] ?? 0) ^ (1 << bit);
    found += 1;
  }
  await writeFile(file(), bytes);
  return found;
};

const wasTold = () => log.lines.some((line) => line.fields['code'] === 'STORE_ITEM_UNREADABLE');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-sealed-'));
  log = new RecordingLog();
});

afterEach(async () => {
  for (const stores of opened.splice(0)) await stores.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a record that is not what was written', () => {
  it('is an error and never another value or "not found", wherever in it a bit turned', async () => {
    const first = await start();
    await first.keyStore.put('apikey-one', Buffer.from(marker), undefined);
    await first.keyStore.put('apikey-two', Buffer.from('{}'), undefined);
    await first.close();
    const whole = await readFile(file());
    let seed = 7;
    for (let flip = 0; flip < flips; flip += 1) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      await writeFile(file(), whole);
      expect(await flipIn(marker, (seed >> 8) % marker.length, (seed >> 20) % 8)).toBeGreaterThan(0);
      log.lines.length = 0;
      const stores = await start();
      await expect(stores.keyStore.getMany(['apikey-one'])).rejects.toMatchObject({
        code: 'STORE_ITEM_UNREADABLE',
      });
      expect(wasTold()).toBe(true);
      const [other] = await stores.keyStore.getMany(['apikey-two']);
      expect(other?.value.toString()).toBe('{}');
      await stores.close();
    }
  }, 600_000);

  it('may be written over', async () => {
    const first = await start();
    await first.keyStore.put('apikey-one', Buffer.from(marker), undefined);
    await first.close();
    await flipIn(marker, 3, 1);
    const stores = await start();
    await stores.keyStore.put('apikey-one', Buffer.from('new'), undefined);
    const [one] = await stores.keyStore.getMany(['apikey-one']);
    expect(one?.value.toString()).toBe('new');
  });

  it('in the log counts as no longer kept, and in the spool comes out empty', async () => {
    const first = await start();
    await first.changeLog.append([keyChange(marker)]);
    await first.spool.append(batchOf(`[{"host":"${'SPOOL'.repeat(9)}"}]`), undefined);
    await first.close();
    expect(await flipIn(marker, 5, 0)).toBeGreaterThan(0);
    expect(await flipIn('SPOOL'.repeat(9), 5, 0)).toBeGreaterThan(0);
    const stores = await start();
    await expect(stores.changeLog.read(orgA, 0, 10)).rejects.toMatchObject({ code: 'CHANGE_LOG_TRIMMED' });
    const [batch] = await stores.spool.peek(1);
    expect(batch?.payload.length).toBe(0);
    expect(wasTold()).toBe(true);
  });
});

it('gives the records of the version before a checksum when they are opened', async () => {
  const first = await start();
  await first.keyStore.put('apikey-one', Buffer.from(marker), undefined);
  await first.close();
  const options = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const root = open<Buffer, Buffer>({ path: file(), noSubdir: true, maxDbs: 32, ...options });
  for (const name of [...root.getKeys({ start: Buffer.from([0]) })].map(String)) {
    const table = root.openDB<Buffer, Buffer>({ name: name.replace(/\0$/, ''), ...options });
    for (const { key, value } of [...table.getRange({ start: Buffer.from([0]) })]) {
      await table.put(Buffer.from(key), Buffer.from(value.subarray(4)));
    }
  }
  await root.openDB<Buffer, Buffer>({ name: 'format', ...options }).drop();
  await root.close();
  const stores = await start();
  const [one] = await stores.keyStore.getMany(['apikey-one']);
  expect(one?.value.toString()).toBe(marker);
  await stores.close();
  const again = await start();
  expect((await again.keyStore.getMany(['apikey-one']))[0]?.value.toString()).toBe(marker);
});
