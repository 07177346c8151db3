import { join } from 'node:path';
import { DuckdbAnalyticsSink } from '../../src/stores/embedded/duckdb-analytics-sink.js';
import { LmdbAnalyticsSpool } from '../../src/stores/embedded/lmdb-analytics-spool.js';
import { LmdbCatalogCopy } from '../../src/stores/embedded/lmdb-catalog-copy.js';
import { LmdbChangeLog } from '../../src/stores/embedded/lmdb-change-log.js';
import { LmdbEnvironment } from '../../src/stores/embedded/lmdb-environment.js';
import { LmdbKeyStore } from '../../src/stores/embedded/lmdb-key-store.js';
import { FakeClock } from '../memory/fake-clock.js';
import { RecordingLog } from '../memory/silent-log.js';
import type { SpoolFixtureOptions } from './analytics-spool.suite.js';
import type { ChangeLogFixtureOptions } from './change-log.suite.js';
import { type StoreFixture, temporaryFolder } from './fixture.js';

export interface EmbeddedFixture<Store> extends StoreFixture<Store> {
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  /** Of the store as it is open now: for damaging it. */
  environment(): LmdbEnvironment;
}

interface Opened<Store> {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

async function lmdbFixture<Store>(
  open: (environment: LmdbEnvironment, clock: FakeClock, log: RecordingLog) => Promise<Opened<Store>>,
): Promise<EmbeddedFixture<Store>> {
  const folder = await temporaryFolder();
  const clock = new FakeClock();
  const log = new RecordingLog();
  const openBoth = async () => {
    const environment = new LmdbEnvironment(join(folder.path, 'test.mdb'));
    return { environment, opened: await open(environment, clock, log) };
  };
  let current = await openBoth();
  const close = async () => {
    await current.opened.close();
    await current.environment.close();
  };
  return {
    store: current.opened.store,
    clock,
    log,
    environment: () => current.environment,
    passTime: (ms) => clock.advanceAsync(ms),
    reopen: async () => {
      await close();
      current = await openBoth();
      return current.opened.store;
    },
    dispose: async () => {
      await close();
      await folder.remove();
    },
  };
}

export function openLmdbKeyStore(): Promise<EmbeddedFixture<LmdbKeyStore>> {
  return lmdbFixture(async (environment, clock, log) => {
    const store = new LmdbKeyStore(environment, { clock, log });
    return { store, close: () => store.close() };
  });
}

export function openLmdbChangeLog(
  options: ChangeLogFixtureOptions = {},
): Promise<EmbeddedFixture<LmdbChangeLog>> {
  return lmdbFixture(async (environment, clock, log) => {
    const store = await LmdbChangeLog.open(environment, { clock, log, ...options });
    return { store, close: () => store.close() };
  });
}

export function openLmdbSpool(
  options: SpoolFixtureOptions = {},
): Promise<EmbeddedFixture<LmdbAnalyticsSpool>> {
  return lmdbFixture(async (environment, clock, log) => ({
    store: new LmdbAnalyticsSpool(environment, { clock, log, ...options }),
    close: async () => {},
  }));
}

export function openLmdbCatalogCopy(): Promise<EmbeddedFixture<LmdbCatalogCopy>> {
  return lmdbFixture(async (environment, _clock, log) => ({
    store: new LmdbCatalogCopy(environment, { log }),
    close: async () => {},
  }));
}

export async function openDuckdbSink(): Promise<
  StoreFixture<DuckdbAnalyticsSink> & { readonly file: string }
> {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'analytics.duckdb');
  const log = new RecordingLog();
  let current = new DuckdbAnalyticsSink({ file, log });
  await current.start();
  return {
    store: current,
    file,
    passTime: async () => {},
    reopen: async () => {
      await current.stop();
      current = new DuckdbAnalyticsSink({ file, log });
      return current;
    },
    dispose: async () => {
      await current.stop();
      await folder.remove();
    },
  };
}
