import { join } from 'node:path';
import type { KeyStore } from '../../src/ports/key-store.js';
import { LmdbAnnouncedWrites } from '../../src/stores/embedded/lmdb-announced-writes.js';
import { LmdbChangeLog } from '../../src/stores/embedded/lmdb-change-log.js';
import { LmdbEnvironment } from '../../src/stores/embedded/lmdb-environment.js';
import { LmdbKeyStore } from '../../src/stores/embedded/lmdb-key-store.js';
import { FakeClock } from '../memory/fake-clock.js';
import { memoryWrites } from '../memory/memory-writes.js';
import { silentLog } from '../memory/silent-log.js';
import type { WrittenStores } from './announced-writes.suite.js';
import { type StoreFixture, temporaryFolder } from './fixture.js';
import { openMemoryKeyStore } from './memory-fixtures.js';

const clock = new FakeClock();

/** Keys and log in one file. */
export function openOneCommit(): Promise<StoreFixture<WrittenStores>> {
  return openOverLmdb(async (environment, changeLog) => {
    const keys = new LmdbKeyStore(environment, { clock, log: silentLog });
    const writes = new LmdbAnnouncedWrites(keys, changeLog);
    return { stores: { writes, keys, changeLog }, close: () => keys.close() };
  });
}

/** Keys in another store, the log in a file. */
export async function openIntended(
  open: () => Promise<StoreFixture<KeyStore>> = openMemoryKeyStore,
): Promise<StoreFixture<WrittenStores>> {
  const fixture = await open();
  let keys = fixture.store;
  let first = true;
  const over = await openOverLmdb(async (_environment, changeLog) => {
    if (!first) keys = await fixture.reopen();
    first = false;
    const writes = memoryWrites(keys, clock, changeLog);
    await writes.start();
    return { stores: { writes, keys, changeLog }, close: () => writes.stop() };
  });
  return {
    ...over,
    dispose: async () => {
      await over.dispose();
      await fixture.dispose();
    },
  };
}

interface Opened {
  readonly stores: WrittenStores;
  readonly close: () => Promise<void>;
}

async function openOverLmdb(
  open: (environment: LmdbEnvironment, changeLog: LmdbChangeLog) => Promise<Opened>,
): Promise<StoreFixture<WrittenStores>> {
  const folder = await temporaryFolder();
  const openAll = async () => {
    const environment = new LmdbEnvironment(join(folder.path, 'test.mdb'));
    const changeLog = await LmdbChangeLog.open(environment, { clock, log: silentLog });
    const opened = await open(environment, changeLog);
    const close = async () => {
      await opened.close();
      await changeLog.close();
      await environment.close();
    };
    return { stores: opened.stores, close };
  };
  let current = await openAll();
  return {
    store: current.stores,
    passTime: (ms) => clock.advanceAsync(ms),
    reopen: async () => {
      await current.close();
      current = await openAll();
      return current.stores;
    },
    dispose: async () => {
      await current.close();
      await folder.remove();
    },
  };
}
