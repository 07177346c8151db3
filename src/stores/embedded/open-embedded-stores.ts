import { stat } from 'node:fs/promises';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { ProgressWatch } from '../../ports/progress.js';
import { openDataFolder } from './data-folder.js';
import { DataIdentity } from './data-identity.js';
import { DuckdbAnalyticsSink } from './duckdb-analytics-sink.js';
import { readIdentityNote } from './identity-note.js';
import { forgetKeyGaps, readKeyGaps } from './key-gaps.js';
import { LmdbAnalyticsQuarantine } from './lmdb-analytics-quarantine.js';
import { LmdbAnalyticsSpool } from './lmdb-analytics-spool.js';
import { LmdbAnnouncedWrites } from './lmdb-announced-writes.js';
import { LmdbCatalogCopy } from './lmdb-catalog-copy.js';
import { LmdbChangeLog } from './lmdb-change-log.js';
import { LmdbEnvironment } from './lmdb-environment.js';
import { LmdbKeyStore } from './lmdb-key-store.js';
import type { OnDamage } from './lmdb-table.js';
import { mendStore } from './mend-store.js';
import { StoreDamage } from './store-damage.js';

export interface EmbeddedStoresOptions {
  /** Path of the data folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly loops?: ProgressWatch | undefined;
  readonly metrics?: Metrics | undefined;
  /** Change log entries kept per organisation. Default `limits.changeLogEntriesMax`. */
  readonly changeLogEntriesMax?: number;
  /** Go on without a store that the folder has lost. Default false: that is DATA_FOLDER_LOST. */
  readonly acceptLoss?: boolean;
}

/** Every store of a hub that stands alone, in one folder. */
export interface EmbeddedStores {
  readonly keyStore: LmdbKeyStore;
  readonly changeLog: LmdbChangeLog;
  /** Writes of `keyStore`, each in one commit with its entries of `changeLog`. */
  readonly announcedWrites: LmdbAnnouncedWrites;
  readonly spool: LmdbAnalyticsSpool;
  readonly quarantine: LmdbAnalyticsQuarantine;
  readonly catalogCopy: LmdbCatalogCopy;
  /** Not started: it opens its file when `start` is called or with the first batch. */
  readonly sink: DuckdbAnalyticsSink;
  /** The store took the place of one that was lost: this is no first start, now or later. */
  readonly replaced: boolean;
  /** What is damaged and not made good, in one line; undefined: nothing. */
  damage(): string | undefined;
  /** Writes what is pending and lets another process have the folder. May be called twice. */
  close(): Promise<void>;
}

export async function openEmbeddedStores(options: EmbeddedStoresOptions): Promise<EmbeddedStores> {
  const { clock, log } = options;
  /** What has been opened, the last on top: closing goes the way back. */
  const opened: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (let one = opened.pop(); one !== undefined; one = opened.pop()) {
      await one().catch((error: unknown) => {
        log.error('an embedded store did not close', { reason: describeError(error) });
      });
    }
  };
  try {
    const folder = await openDataFolder(options.folder);
    opened.push(() => folder.close());
    const storeFile = folder.file('causeway.mdb');
    const acceptLoss = options.acceptLoss ?? false;
    const damage = new StoreDamage(log, options.metrics);
    if (await isThere(storeFile)) {
      const { metrics } = options;
      const note = await readIdentityNote(folder.file('identity.json')).catch(() => undefined);
      const identity = note === 'damaged' ? undefined : note?.id;
      damage.mended = await mendStore({ file: storeFile, identity, acceptLoss, clock, log, metrics });
    }
    const identity = await DataIdentity.read({ folder, storeFile, acceptLoss, clock, log });
    opened.push(() => identity.close());
    const environment = openEnvironment(storeFile, (table) => damage.found(table));
    opened.push(() => environment.close());
    const { id, replaced } = await identity.claim(environment);
    if (acceptLoss) await forgetKeyGaps(environment);
    damage.keyGaps = readKeyGaps(environment).count;
    const keyStore = new LmdbKeyStore(environment, {
      clock,
      log,
      progress: options.loops?.loop('expired-keys'),
    });
    opened.push(() => keyStore.close());
    const changeLog = await LmdbChangeLog.open(environment, {
      clock,
      log,
      progress: options.loops?.loop('cursors'),
      replaced,
      ...(options.changeLogEntriesMax === undefined ? {} : { entriesMax: options.changeLogEntriesMax }),
    });
    opened.push(() => changeLog.close());
    const spool = new LmdbAnalyticsSpool(environment, { clock, log });
    const quarantine = new LmdbAnalyticsQuarantine(environment, { clock });
    const catalogCopy = new LmdbCatalogCopy(environment, { log });
    const sink = new DuckdbAnalyticsSink({
      file: folder.file('analytics.duckdb'),
      log,
      owner: { id, adopt: acceptLoss },
      expected: identity.hadAnalytics,
      onOpened: () => identity.noteAnalytics(),
    });
    opened.push(() => sink.stop());
    const announcedWrites = new LmdbAnnouncedWrites(keyStore, changeLog);
    const stores = { keyStore, changeLog, announcedWrites, spool, quarantine, catalogCopy, sink };
    return { ...stores, replaced, damage: () => damage.describe(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A file that is not ours to open is the folder's trouble, not a defect. */
function openEnvironment(file: string, onDamage: OnDamage): LmdbEnvironment {
  try {
    return new LmdbEnvironment(file, onDamage);
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError('DATA_FOLDER_UNUSABLE', `${file} cannot be opened`, {
      detail: describeError(error),
      cause: error,
    });
  }
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile() && found.size > 0,
    () => false,
  );
}
