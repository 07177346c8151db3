import { FakeClock } from '../memory/fake-clock.js';
import { MemoryAnalyticsSink } from '../memory/memory-analytics-sink.js';
import { MemoryAnalyticsSpool } from '../memory/memory-analytics-spool.js';
import { MemoryCatalogCopy } from '../memory/memory-catalog-copy.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { MemoryKeyStore } from '../memory/memory-key-store.js';
import type { SpoolFixtureOptions } from './analytics-spool.suite.js';
import type { ChangeLogFixtureOptions } from './change-log.suite.js';
import type { StoreFixture } from './fixture.js';

function memoryFixture<Store extends { restart(): Store; close?(): Promise<void> }>(
  store: Store,
  clock: FakeClock,
): StoreFixture<Store> {
  let current = store;
  return {
    store,
    passTime: (ms) => clock.advanceAsync(ms),
    reopen: async () => {
      await current.close?.();
      current = current.restart();
      return current;
    },
    dispose: async () => {},
  };
}

export async function openMemoryKeyStore(): Promise<StoreFixture<MemoryKeyStore>> {
  const clock = new FakeClock();
  return memoryFixture(new MemoryKeyStore(clock), clock);
}

export async function openMemoryChangeLog(
  options: ChangeLogFixtureOptions = {},
): Promise<StoreFixture<MemoryChangeLog>> {
  const clock = new FakeClock();
  return memoryFixture(new MemoryChangeLog({ clock, cursorFlushDelayMs: 100, ...options }), clock);
}

export async function openMemorySpool(
  options: SpoolFixtureOptions = {},
): Promise<StoreFixture<MemoryAnalyticsSpool>> {
  return memoryFixture(new MemoryAnalyticsSpool(options), new FakeClock());
}

export async function openMemoryCatalogCopy(): Promise<StoreFixture<MemoryCatalogCopy>> {
  return memoryFixture(new MemoryCatalogCopy(), new FakeClock());
}

export async function openMemorySink(): Promise<StoreFixture<MemoryAnalyticsSink>> {
  return memoryFixture(new MemoryAnalyticsSink(), new FakeClock());
}
