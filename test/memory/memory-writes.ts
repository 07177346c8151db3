import { IntendedWrites } from '../../src/hub/keyspace/intended-writes.js';
import type { ChangeIntentions } from '../../src/ports/change-intentions.js';
import type { Clock } from '../../src/ports/clock.js';
import type { KeyStore } from '../../src/ports/key-store.js';
import { MemoryChangeLog } from './memory-change-log.js';
import { recordingMetrics } from './recording-metrics.js';
import { silentLog } from './silent-log.js';

/** Announced writes over stores in memory. Not started: nothing was under way before. */
export function memoryWrites(
  store: KeyStore,
  clock: Clock,
  intentions: ChangeIntentions = new MemoryChangeLog({ clock }),
): IntendedWrites {
  return new IntendedWrites({
    ...{ store, intentions, clock, log: silentLog, metrics: recordingMetrics() },
    random: () => 0,
  });
}
