import { mkdtemp, open as openFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CausewayError } from '../../src/errors/causeway-error.js';
import { type EmbeddedStores, openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { spooled } from '../contract/analytics-sink.suite.js';
import { batchOf } from '../contract/analytics-spool.suite.js';
import { keyChange } from '../contract/change-log.suite.js';
import { eventually } from '../contract/fixture.js';
import { type CliRun, startCli } from '../integration/built-cli.js';
import { FakeClock } from '../memory/fake-clock.js';
import { RecordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';
import { compareStore, fillStore, orgA, type Truth } from './served-store.js';

const runs = Number(process.env['CAUSEWAY_TEST_FLIPS'] ?? 64);
const pageBytes = 4_096;

let folder: string;
let log: RecordingLog;
let metrics: RecordingMetrics;
const clock = new FakeClock();
const opened: EmbeddedStores[] = [];
const file = () => join(folder, 'causeway.mdb');

const open = async (acceptLoss = false): Promise<EmbeddedStores> => {
  const stores = await openEmbeddedStores({ folder, clock, log, metrics, acceptLoss });
  opened.push(stores);
  return stores;
};

const filled = async (): Promise<Truth> => {
  const stores = await open();
  const truth = await fillStore(stores);
  await stores.close();
  return truth;
};

const wasTold = (stores: EmbeddedStores) =>
  stores.damage() !== undefined && log.lines.some(({ fields }) => fields['code'] === 'STORE_ITEM_UNREADABLE');

/** Numbers from a seed: a run that fails can be run again. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }
}

const flip = (bytes: Buffer, at: number, bit: number) => {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
};

/** One bit in every copy of `text`, `offset` bytes on: of old pages, too. */
const flipIn = async (text: string, offset: number): Promise<void> => {
  const bytes = await readFile(file());
  const handle = await openFile(file(), 'r+');
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) {
    flip(bytes, at + offset, 3);
    await handle.write(bytes, at + offset, 1, at + offset);
  }
  await handle.close();
};

const pageOf = (bytes: Buffer, chance: Chance) => chance.below(bytes.length / pageBytes) * pageBytes;

const damages: Readonly<Record<string, (bytes: Buffer, chance: Chance) => Buffer>> = {
  'one bit': (bytes, chance) => {
    flip(bytes, chance.below(bytes.length), chance.below(8));
    return bytes;
  },
  'eight bits': (bytes, chance) => {
    for (let count = 0; count < 8; count += 1) flip(bytes, chance.below(bytes.length), chance.below(8));
    return bytes;
  },
  'one bit in the header or the pointers of a page': (bytes, chance) => {
    flip(bytes, pageOf(bytes, chance) + chance.below(64), chance.below(8));
    return bytes;
  },
  'one bit in a head': (bytes, chance) => {
    flip(bytes, chance.below(2) * pageBytes + chance.below(168), chance.below(8));
    return bytes;
  },
  'a page of zeros': (bytes, chance) => {
    const at = pageOf(bytes, chance);
    bytes.fill(0, at, at + pageBytes);
    return bytes;
  },
  'a page of which the end was never written': (bytes, chance) => {
    const at = pageOf(bytes, chance);
    bytes.fill(0xa5, at + 512 * (1 + chance.below(7)), at + pageBytes);
    return bytes;
  },
  'a page in the place of another': (bytes, chance) => {
    const from = pageOf(bytes, chance);
    bytes.copy(bytes, pageOf(bytes, chance), from, from + pageBytes);
    return bytes;
  },
  'an end cut off': (bytes, chance) => bytes.subarray(0, chance.below(bytes.length)),
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-flip-'));
  log = new RecordingLog();
  metrics = new RecordingMetrics();
});

afterEach(async () => {
  for (const stores of opened.splice(0)) await stores.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a store in which bits turned or writes were torn', () => {
  it(`serves nothing that was not written, loses nothing in silence, and works on, ${runs} times`, async () => {
    const truth = await filled();
    const whole = await readFile(file());
    const note = await readFile(join(folder, 'identity.json'));
    const names = Object.keys(damages);
    const outcomes = { untouched: 0, mended: 0, 'mended with losses': 0, refused: 0 };
    for (let seed = 0; seed < runs; seed += 1) {
      const name = names[seed % names.length] as string;
      const label = `${name}, seed ${seed}`;
      for (const left of await readdir(folder)) await rm(join(folder, left), { recursive: true });
      await writeFile(join(folder, 'identity.json'), note);
      await writeFile(file(), damages[name]?.(Buffer.from(whole), new Chance(seed)) ?? whole);
      log.lines.length = 0;
      let stores: EmbeddedStores;
      try {
        stores = await open();
      } catch (error) {
        expect(error, label).toBeInstanceOf(CausewayError);
        expect((error as CausewayError).code, label).toMatch(/^DATA_FOLDER_(LOST|UNUSABLE)$/);
        outcomes.refused += 1;
        continue;
      }
      const wasMended = stores.damage() !== undefined;
      const { wrong, missing } = await compareStore(stores, truth);
      expect(wrong, label).toEqual([]);
      if (missing.length > 0) expect(wasTold(stores), `${label}: ${missing}`).toBe(true);
      if (missing.length > 0) outcomes['mended with losses'] += 1;
      else outcomes[wasMended ? 'mended' : 'untouched'] += 1;

      await stores.keyStore.put('new', Buffer.from('new'), undefined);
      await stores.changeLog.append([keyChange('new', orgA)]);
      await stores.close();
      const again = await open();
      expect((await again.keyStore.getMany(['new']))[0]?.value.toString(), label).toBe('new');
      expect(again.damage()?.includes('mended'), label).not.toBe(true);
      await again.close();
      opened.length = 0;
    }
    if (process.env['CAUSEWAY_TEST_FLIPS'] !== undefined) console.log(JSON.stringify(outcomes));
    expect(outcomes['mended with losses']).toBeGreaterThan(0);
    // Only what is cut off near its start, or both of whose heads are gone, cannot be mended.
    expect(outcomes.refused).toBeLessThan(runs / 10);
  }, 3_600_000);

  it('comes back whole where nothing but the way to entries was lost', async () => {
    const truth = await filled();
    const bytes = await readFile(file());
    let branches = 0;
    for (let at = 2 * pageBytes; at < bytes.length; at += pageBytes) {
      if (bytes.readUInt16LE(at + 18) !== 1) continue;
      bytes.fill(0, at, at + pageBytes);
      branches += 1;
    }
    expect(branches).toBeGreaterThan(0);
    await writeFile(file(), bytes);
    const stores = await open();
    expect(await compareStore(stores, truth)).toMatchObject({ wrong: [], missing: [] });
    expect(stores.damage()).toContain('without loss');
  });

  it('keeps the log where single entries are lost: only who has not heard them gets a snapshot', async () => {
    const { epoch } = await filled();
    await flipIn('"key-a-60"', 3);
    const stores = await open();
    expect(stores.changeLog.epoch).toBe(epoch);
    await expect(stores.changeLog.read(orgA, 10, 5)).rejects.toMatchObject({ code: 'CHANGE_LOG_TRIMMED' });
    expect(await stores.changeLog.bounds(orgA)).toEqual({ oldest: 62, newest: 120 });
    expect(await stores.changeLog.read(orgA, 61, 500)).toHaveLength(59);
    expect(stores.damage()).toContain('log');
  });

  it('is mended from the start again when that was killed', async () => {
    const truth = await filled();
    await flipIn('"round":1', 2);
    await writeFile(`${file()}.mending`, 'half of it');
    const stores = await open();
    expect((await compareStore(stores, truth)).wrong).toEqual([]);
    expect((await readdir(folder)).filter((name) => name.includes('mending'))).toEqual([]);
  });
});

describe('a key that was lost', () => {
  it('is an error until it is written again, removed, or its loss accepted', async () => {
    const truth = await filled();
    const lost = [...truth.keys.keys()][40] as string;
    await flipIn(lost, 20);
    const stores = await open();
    const read = (name: string) => stores.keyStore.getMany([name]);
    await expect(read(lost)).rejects.toMatchObject({ code: 'STORE_ITEM_UNREADABLE' });
    // Its neighbours are there, and names that cannot have been in the gap are known not to be.
    expect((await compareStore(stores, truth)).missing).toEqual([lost]);
    expect(await read('apikey-zzz')).toEqual([undefined]);
    expect(stores.damage()).toContain('--accept-data-loss');
    expect(metrics.value('causeway_store_damage_total', { table: 'keys' })).toBe(1);
    expect((await readdir(folder)).some((name) => name.startsWith('causeway.mdb.damaged-'))).toBe(true);

    expect(await stores.keyStore.remove([lost])).toBe(0);
    expect(await read(lost)).toEqual([undefined]);
    await stores.keyStore.put(lost, Buffer.from('again'), undefined);
    expect((await read(lost))[0]?.value.toString()).toBe('again');
    await stores.close();
    await (await open(true)).close();
    expect((await open()).damage()).toBeUndefined();
  });

  it('while the hub runs is an error as well, is told of, and may be written over', async () => {
    const truth = await filled();
    const stores = await open();
    const [lost] = [...truth.keys.keys()].slice(41);
    const value = truth.keys.get(lost ?? '') ?? '';
    await flipIn(value.slice(0, 24), 15);
    const read = () => stores.keyStore.getMany([lost ?? '']);
    await expect(read()).rejects.toMatchObject({ code: 'STORE_ITEM_UNREADABLE' });
    expect((await compareStore(stores, truth)).wrong).toEqual([]);
    expect(wasTold(stores)).toBe(true);
    expect(metrics.value('causeway_store_damage_total', { table: 'keys' })).toBeGreaterThan(0);
    await stores.keyStore.put(lost ?? '', Buffer.from('new'), undefined);
    expect((await read())[0]?.value.toString()).toBe('new');
  });
});

it('leaves a built hub ready, which warns, and says what to do', async () => {
  const env = { CAUSEWAY_LISTEN_ADDRESS: '127.0.0.1', CAUSEWAY_HTTP_ADDRESS: '127.0.0.1' };
  const argv = ['start', '--embedded', '--data', folder, '--listen-port', '0', '--http-port', '0'];
  const started = async () => {
    const hub = startCli(argv, env);
    await eventually('start', () => (hub.err().includes('credentials.json') ? true : undefined), 40_000);
    return hub;
  };
  const stopped = async (hub: CliRun) => {
    hub.child.kill('SIGTERM');
    expect(await hub.ended).toBe(0);
  };
  await stopped(await started());
  await flipIn('apikey-', 60);
  const hub = await started();
  const { http } = JSON.parse(await readFile(join(folder, 'credentials.json'), 'utf8'));
  const readiness = await fetch(`http://${http}/readiness`);
  const { components } = (await readiness.json()) as { components: { name: string; status: string }[] };
  await stopped(hub);
  expect(readiness.status).toBe(200);
  expect(components.find(({ name }) => name === 'data folder')).toMatchObject({
    status: 'warn',
    reason: expect.stringContaining('--accept-data-loss'),
  });
  expect(hub.out()).toContain('has been mended');
}, 120_000);

it('keeps batches in the spool while the analytics file is damaged', async () => {
  const first = await open();
  await first.sink.store([spooled(1, [{ host: 'a' }])]);
  await first.close();
  const path = join(folder, 'analytics.duckdb');
  const whole = await readFile(path);
  for (let seed = 0; seed < 8; seed += 1) {
    const bytes = Buffer.from(whole);
    const chance = new Chance(seed);
    for (let count = 0; count < 4; count += 1) flip(bytes, chance.below(bytes.length), chance.below(8));
    await writeFile(path, bytes);
    const stores = await open();
    const stored = await stores.sink.count().catch((thrown: unknown) => (thrown as CausewayError).code);
    expect([1, 'STORE_UNAVAILABLE'], `seed ${seed}`).toContain(stored);
    await stores.spool.append(batchOf('[{}]'), undefined);
    await stores.close();
  }
  expect((await (await open()).spool.size()).batches).toBe(8);
});

it('gives the records of the version before a checksum when they are opened', async () => {
  const truth = await filled();
  const options = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const engine = { noSubdir: true, maxDbs: 32, overlappingSync: false, eventTurnBatching: false };
  const root = openLmdb<Buffer, Buffer>({ path: file(), ...engine, ...options });
  for (const name of [...root.getKeys({ start: Buffer.from([0]) })].map(String)) {
    const table = root.openDB<Buffer, Buffer>({ name: name.replace(/\0$/, ''), ...options });
    for (const { key, value } of [...table.getRange({ start: Buffer.from([0]) })]) {
      await table.put(Buffer.from(key), Buffer.from(value.subarray(4)));
    }
  }
  await root.openDB<Buffer, Buffer>({ name: 'format', ...options }).drop();
  await root.close();
  for (const _ of ['upgraded', 'as it is']) {
    const stores = await open();
    expect(await compareStore(stores, truth)).toMatchObject({ wrong: [], missing: [] });
    await stores.close();
  }
  expect(log.lines.filter(({ fields }) => fields['code'] !== undefined)).toEqual([]);
});
