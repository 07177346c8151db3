import { cp, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { organisationId } from '../../src/domain/identifiers.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { type EmbeddedStores, openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { spooled } from '../contract/analytics-sink.suite.js';
import { batchOf } from '../contract/analytics-spool.suite.js';
import { keyChange } from '../contract/change-log.suite.js';
import { eventually } from '../contract/fixture.js';
import { type CliRun, runCli, startCli } from '../integration/built-cli.js';
import { FakeClock } from '../memory/fake-clock.js';
import { RecordingLog } from '../memory/silent-log.js';

const orgA = organisationId('org-a');

let folder: string;
let log: RecordingLog;
const clock = new FakeClock();
const opened: EmbeddedStores[] = [];

const open = async (path: string, acceptLoss = false): Promise<EmbeddedStores> => {
  const stores = await openEmbeddedStores({ folder: path, clock, log, acceptLoss });
  opened.push(stores);
  return stores;
};

/** A folder that has served: a key, an entry of the log, a spooled batch, stored analytics. */
const serve = async (path: string, key = 'apikey-one'): Promise<void> => {
  const stores = await open(path);
  await stores.keyStore.put(key, Buffer.from('{}'), undefined);
  await stores.changeLog.append([keyChange('a')]);
  await stores.spool.append(batchOf('[{}]'), undefined);
  await stores.sink.store([spooled(1, [{ host: 'a' }])]);
  await stores.close();
};

const lost = (reason: string) => ({
  code: 'DATA_FOLDER_LOST',
  message: expect.stringMatching(new RegExp(`${reason}.*--accept-data-loss`)),
});

const has = (code: string, message: string) =>
  log.lines.some((line) => line.fields['code'] === code && line.message.includes(message));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-lost-'));
  log = new RecordingLog();
});

afterEach(async () => {
  for (const stores of opened.splice(0)) await stores.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a data folder whose store', () => {
  const file = () => join(folder, 'causeway.mdb');

  it('is missing, emptied, or holds nothing is refused by name, and nothing is made in its place', async () => {
    await serve(folder);
    await rm(file());
    await expect(open(folder)).rejects.toMatchObject(lost('is missing, but identity.json'));
    await expect(stat(file())).rejects.toMatchObject({ code: 'ENOENT' });

    await writeFile(file(), '');
    await expect(open(folder)).rejects.toMatchObject(lost('is empty'));
    expect((await stat(file())).size).toBe(0);

    const elsewhere = join(folder, 'elsewhere');
    await (await open(elsewhere)).close();
    await rm(join(elsewhere, 'analytics.duckdb'), { force: true });
    await cp(join(elsewhere, 'causeway.mdb'), file());
    await expect(open(folder)).rejects.toMatchObject(lost('belongs to another data folder'));
  });

  it('is lost together with identity.json is told by the other files of a hub', async () => {
    for (const trace of ['credentials.json', 'analytics.duckdb']) {
      const path = join(folder, trace);
      await open(path).then((stores) => stores.close());
      for (const name of await readdir(path)) await rm(join(path, name), { recursive: true });
      await writeFile(join(path, trace), '{}');
      await expect(open(path)).rejects.toMatchObject(lost(`is missing, but ${trace.replace('.', '\\.')}`));
    }
  });

  it('is another hub’s or an older copy is refused, and left as it is', async () => {
    const other = join(folder, 'other');
    const own = join(folder, 'own');
    await serve(other, 'apikey-other');
    await serve(own);
    const backup = await readFile(join(own, 'causeway.mdb'));
    const stores = await open(own);
    for (let index = 0; index < 5; index += 1) await stores.changeLog.append([keyChange(`later${index}`)]);
    await stores.close();

    for (const [content, reason] of [
      [await readFile(join(other, 'causeway.mdb')), 'another data folder'],
      [backup, 'an older copy: it ends at transaction'],
    ] as const) {
      await writeFile(join(own, 'causeway.mdb'), content);
      await expect(open(own)).rejects.toMatchObject(lost(reason));
      expect((await readFile(join(own, 'causeway.mdb'))).equals(content)).toBe(true);
    }
  });

  it('was lost begins a new history once that is accepted, and never hides analytics', async () => {
    await serve(folder);
    const before = await open(folder);
    const { epoch } = before.changeLog;
    await before.close();
    const backup = await readFile(file());
    await serve(folder);

    await writeFile(file(), backup);
    const older = await open(folder, true);
    expect(older.replaced).toBe(true);
    expect(older.changeLog.replaced).toBe(true);
    expect(older.changeLog.epoch).not.toBe(epoch);
    expect(await older.changeLog.bounds(orgA)).toEqual({ oldest: 1, newest: 0 });
    // What the copy has of keys is taken over: the operator said so.
    expect((await older.keyStore.getMany(['apikey-one']))[0]).toBeDefined();
    expect(has('DATA_FOLDER_LOST', 'going on without')).toBe(true);
    // Positions of the spool are beyond all that the sink has seen.
    await older.spool.append(batchOf('[{}]'), undefined);
    const newest = (await older.spool.peek(10)).at(-1);
    expect(newest?.position).toBeGreaterThan(clock.nowMs() * 1_000);
    await older.close();

    await rm(file());
    const fresh = await open(folder, true);
    expect((await fresh.keyStore.getMany(['apikey-one']))[0]).toBeUndefined();
    // The analytics are still there and take further batches of the new store.
    const stored = await fresh.sink.count();
    await fresh.spool.append(batchOf('[{}]'), undefined);
    await fresh.sink.store(await fresh.spool.peek(1));
    expect(await fresh.sink.count()).toBe(stored + 1);
    await fresh.close();
    const again = await open(folder);
    expect(again.replaced).toBe(true);
  });

  it('is of an earlier version gets an identity; moved or without identity.json it is the same', async () => {
    await serve(folder);
    const first = await open(folder);
    const { epoch } = first.changeLog;
    await first.close();
    // As an earlier version left it: no identity in either place.
    await rm(join(folder, 'identity.json'));
    const { LmdbEnvironment } = await import('../../src/stores/embedded/lmdb-environment.js');
    const environment = new LmdbEnvironment(file());
    const table = environment.table('identity');
    await environment.transact(() => {
      for (const key of [...table.getKeys({ start: Buffer.from([0]) })]) table.remove(key);
    });
    await environment.close();
    const adopted = await open(folder);
    expect(adopted.replaced).toBe(false);
    expect(adopted.changeLog.epoch).toBe(epoch);
    await adopted.close();
    const id = JSON.parse(await readFile(join(folder, 'identity.json'), 'utf8')).id;

    await writeFile(join(folder, 'identity.json'), '{"half');
    await (await open(folder)).close();
    await rm(join(folder, 'identity.json'));
    await (await open(folder)).close();
    expect(JSON.parse(await readFile(join(folder, 'identity.json'), 'utf8')).id).toBe(id);

    const moved = `${folder}-moved`;
    await rename(folder, moved);
    try {
      const there = await open(moved);
      expect((await there.keyStore.getMany(['apikey-one']))[0]).toBeDefined();
      expect(there.changeLog.epoch).toBe(epoch);
      await there.close();
    } finally {
      await rename(moved, folder);
    }
  });

  it('was only half copied is refused', async () => {
    await serve(folder);
    await truncate(file(), 20_000);
    await expect(open(folder)).rejects.toMatchObject({
      message: expect.stringContaining('causeway.mdb'),
    });
  });
});

describe('an analytics file', () => {
  it('that is missing or emptied is begun anew, and the loss is said', async () => {
    await serve(folder);
    for (const lose of [rm, (path: string) => truncate(path, 0)]) {
      log.lines.splice(0);
      await lose(join(folder, 'analytics.duckdb'));
      const stores = await open(folder);
      expect(await stores.sink.count()).toBe(0);
      expect(has('DATA_FOLDER_LOST', 'earlier analytics are lost')).toBe(true);
      await stores.close();
    }
  });

  it('of another hub takes nothing, and batches wait', async () => {
    const other = join(folder, 'other');
    const own = join(folder, 'own');
    await serve(other);
    await serve(own);
    await cp(join(other, 'analytics.duckdb'), join(own, 'analytics.duckdb'));
    const stores = await open(own);
    await expect(stores.sink.store(await stores.spool.peek(1))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('belongs to another data folder'),
    });
    expect(stores.sink.notReady()).toContain('belongs to another data folder');
    expect((await stores.spool.size()).batches).toBe(1);
  });
});

describe('a built hub', () => {
  const env = { CAUSEWAY_LISTEN_ADDRESS: '127.0.0.1', CAUSEWAY_HTTP_ADDRESS: '127.0.0.1' };
  const argv = () => ['start', '--embedded', '--data', folder, '--listen-port', '0', '--http-port', '0'];
  const started = async (...more: string[]): Promise<CliRun> => {
    const run = startCli([...argv(), ...more], env);
    await eventually('start', () => (run.err().includes('credentials.json') ? true : undefined), 40_000);
    return run;
  };
  const stopped = async (run: CliRun) => {
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(exitCodes.ok);
  };

  it('that lost its store refuses to start, and takes no key from a worker until the operator says so', async () => {
    const cli = (...words: string[]) => runCli([...words, '--data', folder]);
    const worker = (...more: string[]) => cli('worker', '--once', '--json', '--node', 'n', ...more);
    let hub = await started();
    await worker();
    const { organisation } = JSON.parse(await readFile(join(folder, 'credentials.json'), 'utf8'));
    await stopped(hub);
    const catalog = await readdir(join(folder, 'control-plane', 'apis'));

    await truncate(join(folder, 'causeway.mdb'), 0);
    const refused = await runCli(argv(), env);
    expect(refused.exitCode).toBe(exitCodes.dataFolder);
    expect(refused.err + refused.out).toContain('has lost its store');
    expect(refused.err + refused.out).toContain('--accept-data-loss');
    expect((await stat(join(folder, 'causeway.mdb'))).size).toBe(0);

    hub = await started('--accept-data-loss');
    const after = await worker();
    expect(after.out).toContain('"epoch-changed"');
    expect(await readdir(join(folder, 'control-plane', 'apis'))).toEqual(catalog);
    const credentials = JSON.parse(await readFile(join(folder, 'credentials.json'), 'utf8'));
    expect(credentials.organisation).toBe(organisation);
    await stopped(hub);
    // Said once, it holds: the next start needs no flag.
    await stopped(await started());
  }, 120_000);
});
