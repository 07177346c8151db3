import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodeId, organisationId } from '../../src/domain/identifiers.js';
import { type EmbeddedStores, openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import type { TableName } from '../../src/stores/embedded/table-names.js';
import { FakeClock } from '../memory/fake-clock.js';
import { RecordingLog, silentLog } from '../memory/silent-log.js';
import { spooled } from './analytics-sink.suite.js';
import { batchOf } from './analytics-spool.suite.js';
import { definition } from './catalog-copy.suite.js';
import { keyChange } from './change-log.suite.js';
import { bundleChild } from './child-process.js';
import {
  openDuckdbSink,
  openLmdbCatalogCopy,
  openLmdbChangeLog,
  openLmdbKeyStore,
  openLmdbSpool,
} from './embedded-fixtures.js';
import { eventually, temporaryFolder } from './fixture.js';

const orgA = organisationId('org-a');
const firstKey = Buffer.from([0]);
const damage = Buffer.from('{"dam');

describe('embedded stores', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => folder.remove());

  const open = (): Promise<EmbeddedStores> =>
    openEmbeddedStores({ folder: folder.path, clock: new FakeClock(), log: silentLog });

  it('open together, refuse a second opener, and close', async () => {
    const stores = await open();
    await expect(open()).rejects.toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
    await stores.changeLog.append([keyChange('a')]);
    await stores.close();
    await stores.close();
    await expect(stores.changeLog.append([keyChange('b')])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    await expect(stores.keyStore.getMany(['a'])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(stores.sink.count()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const again = await open();
    expect(await again.changeLog.bounds(orgA)).toEqual({ oldest: 1, newest: 1 });
    await again.close();
  });

  it('are readable by their owner alone', async () => {
    const stores = await open();
    await stores.sink.store([spooled(1, [{ host: 'a' }])]);
    for (const name of await readdir(folder.path)) {
      if (name.endsWith('.sock')) continue;
      expect((await stat(join(folder.path, name))).mode & 0o077, name).toBe(0);
    }
    await stores.close();
  });

  it('name a damaged file, and leave it alone', async () => {
    const stores = await open();
    await Promise.all(
      Array.from({ length: 50 }, () => stores.spool.append(batchOf('x'.repeat(10_000)), undefined)),
    );
    await stores.close();
    const file = join(folder.path, 'causeway.mdb');
    const whole = await readFile(file);
    const overwritten = Buffer.concat([whole.subarray(0, 4_096), Buffer.alloc(whole.length - 4_096)]);
    const faults = [
      Buffer.alloc(20_000, 'not a database '),
      Buffer.from('x'),
      overwritten,
      whole.subarray(0, 100),
      whole.subarray(0, 8_192),
    ];
    for (const content of faults) {
      await writeFile(file, content);
      await expect(open()).rejects.toMatchObject({
        code: expect.stringMatching(/^DATA_FOLDER_(UNUSABLE|LOST)$/),
        message: expect.stringContaining('causeway.mdb'),
      });
      expect((await readFile(file)).equals(content)).toBe(true);
    }
    await writeFile(file, whole);
    const again = await open();
    expect((await again.spool.size()).batches).toBe(50);
    await again.close();
  });

  it('name a file that is none of theirs, and leave it alone', async () => {
    await mkdir(join(folder.path, 'causeway.mdb'));
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_FOLDER_UNUSABLE',
      message: expect.stringContaining('causeway.mdb'),
    });
    expect(await readdir(folder.path)).toEqual(['causeway.mdb']);
  });
});

describe('a hub that is killed while it writes', () => {
  let bundle: Awaited<ReturnType<typeof bundleChild>>;
  beforeAll(async () => {
    bundle = await bundleChild('append-until-killed');
  });
  afterAll(() => bundle.remove());

  it('has every write that resolved, time and again', async () => {
    const folder = await temporaryFolder();
    const resolved = {
      changes: new Map<number, string>(),
      batches: new Set<string>(),
      keys: new Set<string>(),
    };
    for (const [run, lineCount] of [50, 400, 1_500].entries()) {
      const child = bundle.start(folder.path, `run${run}`);
      await eventually('enough writes', () => (child.lines.length >= lineCount ? true : undefined), 20_000);
      await child.kill();
      for (const line of child.lines) {
        const [kind, first = '', second = ''] = line.split(' ');
        if (kind === 'change') {
          expect(resolved.changes.has(Number(first))).toBe(false);
          resolved.changes.set(Number(first), second);
        } else if (kind === 'batch') resolved.batches.add(first);
        else if (kind === 'key') resolved.keys.add(first);
      }
      const stores = await openEmbeddedStores({
        folder: folder.path,
        clock: new FakeClock(),
        log: silentLog,
      });
      await verify(stores, resolved);
      await stores.close();
    }
    await folder.remove();
  });

  async function verify(
    stores: EmbeddedStores,
    resolved: { changes: Map<number, string>; batches: Set<string>; keys: Set<string> },
  ): Promise<void> {
    const { newest } = await stores.changeLog.bounds(orgA);
    const entries = await stores.changeLog.read(orgA, 0, newest + 1);
    expect(entries.map((one) => one.sequence)).toEqual(
      Array.from({ length: newest }, (_, index) => index + 1),
    );
    for (const [sequence, key] of resolved.changes) {
      expect(entries[sequence - 1]?.body).toMatchObject({ event: { key } });
    }
    for (const cursor of await stores.changeLog.cursors())
      expect(cursor.sequence).toBeLessThanOrEqual(newest);

    const batches = await stores.spool.peek(100_000);
    const { bytes } = await stores.spool.size();
    expect(bytes).toBe(batches.reduce((sum, batch) => sum + batch.payload.length, 0));
    const hosts = batches.map(
      (batch) => (JSON.parse(batch.payload.toString('utf8')) as { host: string }[])[0]?.host,
    );
    expect(new Set(hosts).size).toBe(hosts.length);
    for (const batchId of resolved.batches) expect(hosts).toContain(batchId);
    for (const batchId of [...resolved.batches].slice(-5)) {
      const identity = { organisation: orgA, node: nodeId('n'), batchId };
      expect(await stores.spool.append(batchOf('[]'), identity)).toBe('duplicate');
    }

    const names = [...resolved.keys];
    const values = await stores.keyStore.getMany(names);
    expect(values.map((one) => one?.value.toString('utf8'))).toEqual(names);
  }
});

describe('a full disk', () => {
  it('refuses writes, leaves no gap and no half batch, and is over once there is room', async () => {
    const bundle = await bundleChild('fill-disk');
    const folder = await temporaryFolder();
    const child = bundle.startOnFullDisk(folder.path);
    const line = await eventually('the outcome', () => child.lines.find((one) => one.startsWith('{')));
    expect(JSON.parse(line)).toEqual({
      refused: true,
      refusals: ['STORE_UNAVAILABLE'],
      everyTakenBatchIsThere: true,
      gapless: true,
      afterwards: 'taken',
    });
    await child.kill();
    await folder.remove();
    await bundle.remove();
  });
});

describe('damage to one item', () => {
  it('of the change log: the entry counts as trimmed, those around it are read', async () => {
    const fixture = await openLmdbChangeLog();
    await fixture.store.append(['a', 'b', 'c', 'd'].map((key) => keyChange(key)));
    const table = fixture.environment().table('changes');
    const keys = [...table.getKeys({ start: firstKey })];
    await fixture.environment().transact(() => table.put(keys[1]!, damage));
    expect((await fixture.store.read(orgA, 0, 10)).map((one) => one.sequence)).toEqual([1]);
    await expect(fixture.store.read(orgA, 1, 10)).rejects.toMatchObject({ code: 'CHANGE_LOG_TRIMMED' });
    expect((await fixture.store.read(orgA, 2, 10)).map((one) => one.sequence)).toEqual([3, 4]);
    expect(fixture.log.lines.some((line) => line.fields['code'] === 'STORE_ITEM_UNREADABLE')).toBe(true);
    await fixture.dispose();
  });

  it('a cursor that was moved durably is on disk at once', async () => {
    const fixture = await openLmdbChangeLog();
    const cursor = { organisation: orgA, zone: 'z' as never, node: nodeId('1'), sequence: 7, atMs: 1 };
    await fixture.store.moveCursorDurably(cursor);
    const table = fixture.environment().table('cursors');
    expect([...table.getKeys({ start: firstKey })]).toHaveLength(1);
    await fixture.dispose();
  });

  it('of the cursors: the others are there', async () => {
    const fixture = await openLmdbChangeLog();
    const owner = { organisation: orgA, zone: 'z' as never };
    for (const node of ['1', '2'])
      await fixture.store.moveCursor({ ...owner, node: nodeId(node), sequence: 1, atMs: 1 });
    await fixture.passTime(100);
    const table = fixture.environment().table('cursors');
    await eventually('cursors are written', () =>
      [...table.getKeys({ start: firstKey })].length === 2 ? true : undefined,
    );
    const [first] = [...table.getKeys({ start: firstKey })];
    await fixture.environment().transact(() => table.put(first!, damage));
    const log = await fixture.reopen();
    expect(await log.cursors()).toHaveLength(1);
    await fixture.dispose();
  });

  it('of the spool: the batch comes out empty, so that its records are counted as malformed', async () => {
    const fixture = await openLmdbSpool();
    for (const text of ['a', 'b', 'c']) await fixture.store.append(batchOf(`["${text}"]`, 4), undefined);
    const payloads = fixture.environment().table('spool-payloads');
    const batches = fixture.environment().table('spool-batches');
    const [firstPayload] = [...payloads.getKeys({ start: firstKey })];
    const [, secondBatch] = [...batches.getKeys({ start: firstKey })];
    await fixture.environment().transact(() => {
      payloads.remove(firstPayload!);
      batches.put(secondBatch!, damage);
    });
    const found = await fixture.store.peek(10);
    expect(found.map((batch) => [batch.payload.toString('utf8'), batch.records])).toEqual([
      ['', 4],
      ['', 0],
      ['["c"]', 4],
    ]);
    await fixture.store.removeThrough(found[2]?.position ?? 0);
    expect(await fixture.store.size()).toEqual({ batches: 0, bytes: 0 });
    await fixture.dispose();
  });

  it('of the catalog copy: the definition is named in the log, the rest is read', async () => {
    const fixture = await openLmdbCatalogCopy();
    await fixture.store.writeDefinitions([definition('a'), definition('b')], []);
    const table = fixture.environment().table('catalog-definitions');
    const [first] = [...table.getKeys({ start: firstKey })];
    await fixture.environment().transact(() => table.put(first!, damage));
    expect((await fixture.store.read())?.definitions.map((one) => one.id)).toEqual(['b']);
    expect(JSON.stringify(fixture.log.lines)).toContain('api/a');
    const people = fixture.environment().table('catalog-people');
    await fixture.store.writePeople([], []);
    await fixture.environment().transact(() => {
      for (const key of [...people.getKeys({ start: firstKey })]) people.put(key, damage);
    });
    await expect(fixture.store.read()).rejects.toMatchObject({ code: 'STORE_ITEM_UNREADABLE' });
    await fixture.dispose();
  });

  it('of the key store: the key is an error, never missing, and can be written again', async () => {
    const fixture = await openLmdbKeyStore();
    for (const name of ['a', 'b']) await fixture.store.put(name, Buffer.from(name), 1_000);
    const table = fixture.environment().table('keys');
    const [first] = [...table.getKeys({ start: firstKey })];
    await fixture.environment().transact(() => table.put(first!, Buffer.from([9])));
    await expect(fixture.store.getMany(['a'])).rejects.toMatchObject({ code: 'STORE_ITEM_UNREADABLE' });
    expect((await fixture.store.getMany(['b'])).map((one) => one?.value.toString())).toEqual(['b']);
    await fixture.store.put('a', Buffer.from('new'), undefined);
    await fixture.passTime(20_000);
    expect((await fixture.store.getMany(['a', 'b'])).map((one) => one?.value.toString())).toEqual([
      'new',
      undefined,
    ]);
    await fixture.dispose();
  });
});

describe('the sweeper of the key store', () => {
  it('removes what expired, all of it, and nothing else', async () => {
    const fixture = await openLmdbKeyStore();
    await Promise.all(
      Array.from({ length: 2_500 }, (_, index) => fixture.store.put(`k${index}`, Buffer.from('v'), 1_000)),
    );
    await fixture.store.put('stays', Buffer.from('v'), undefined);
    await fixture.store.put('lives', Buffer.from('v'), 3_600_000);
    for (let mark = 0; mark < 5; mark += 1) await fixture.store.addToWindow('w', 1_000, mark);
    const left = (name: TableName) =>
      [...fixture.environment().table(name).getKeys({ start: firstKey })].length;
    await eventually('everything expired is removed', async () => {
      await fixture.passTime(10_000);
      return left('keys') === 2 ? true : undefined;
    });
    expect(left('key-expiries')).toBe(1);
    expect(left('key-windows')).toBe(0);
    await fixture.dispose();
  });
});

describe('the spool position', () => {
  it('runs ahead of a sink that outlived an earlier spool', async () => {
    const fixture = await openLmdbSpool();
    await fixture.store.append(batchOf('[]'), undefined);
    const [batch] = await fixture.store.peek(1);
    expect(batch?.position).toBe(fixture.clock.nowMs() * 1_000 + 1);
    await fixture.dispose();
  });
});

describe('the DuckDB sink', () => {
  it('is not ready until its file is open, and says why', async () => {
    const fixture = await openDuckdbSink();
    expect(fixture.store.notReady()).toBe('the analytics store is opening');
    await eventually('open', () => (fixture.store.notReady() === undefined ? true : undefined));
    await fixture.store.stop();
    expect(fixture.store.notReady()).toBe('the analytics store is closed');
    await fixture.dispose();
  });

  it('keeps a file that it cannot read, and opens once that is put right', async () => {
    const folder = await temporaryFolder();
    const file = join(folder.path, 'analytics.duckdb');
    await writeFile(file, 'not a database');
    const log = new RecordingLog();
    const { DuckdbAnalyticsSink } = await import('../../src/stores/embedded/duckdb-analytics-sink.js');
    const sink = new DuckdbAnalyticsSink({ file, log });
    await sink.start();
    await expect(sink.store([spooled(1, [{ host: 'a' }])])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    expect(sink.notReady()).toContain('cannot be opened');
    expect(sink.notReady()).not.toContain('\n');
    const { rm } = await import('node:fs/promises');
    await rm(file);
    expect(await sink.store([spooled(1, [{ host: 'a' }])])).toEqual({ stored: 1, dropped: {} });
    expect(sink.notReady()).toBeUndefined();
    await sink.stop();
    await folder.remove();
  });

  it('has the columns of the field, exactly filled', async () => {
    const fixture = await openDuckdbSink();
    await fixture.store.store([
      spooled(
        1,
        '[{"host":"h","content_length":9223372036854775807,"timestamp":"2026-08-21T12:39:47.123456789+03:00","geo":{"location":{"latitude":52.25}},"tags":["a"],"track_path":true}]',
      ),
    ]);
    await fixture.store.stop();
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(fixture.file);
    const connection = await instance.connect();
    const rows = await connection.runAndReadAll(
      `SELECT host, contentlength, epoch_us("timestamp"), geo_location_latitude, tags, track_path,
              epoch_us("expireAt"), rawresponse, geo_city_names FROM tyk_analytics`,
    );
    expect(rows.getRows()).toEqual([
      ['h', 2n ** 63n - 1n, 1_787_305_187_123_457n, 52.25, '["a"]', true, -62_135_596_800_000_000n, '', '{}'],
    ]);
    const columns = await connection.runAndReadAll(
      `SELECT count(*) FROM duckdb_columns() WHERE table_name = 'tyk_analytics'`,
    );
    expect(columns.getRows()).toEqual([[52n]]);
    connection.closeSync();
    instance.closeSync();
    await fixture.dispose();
  });
});
