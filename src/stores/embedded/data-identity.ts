import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { byteKey } from './byte-key.js';
import type { DataFolder } from './data-folder.js';
import { type IdentityNote, readIdentityNote, writeIdentityNote } from './identity-note.js';
import { moveSpoolAhead } from './lmdb-analytics-spool.js';
import { forgetHistory } from './lmdb-change-log.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import { readNewestTransaction } from './newest-transaction.js';
import { type FolderSigns, judgeStore, type StoreSigns } from './store-judgement.js';

export interface DataIdentityOptions {
  readonly folder: DataFolder;
  readonly storeFile: string;
  /** Go on without what was lost. */
  readonly acceptLoss: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** How the store came to be what it is. */
export interface StoreOrigin {
  readonly id: string;
  /** It took the place of one that was lost: workers hold more than it knows. For ever true from then on. */
  readonly replaced: boolean;
}

const record = z.object({
  id: z.string().min(1),
  replaced: z.boolean(),
  /** Transactions before this file was made of another. */
  before: z.number().int().nonnegative().default(0),
});
type IdentityRecord = z.infer<typeof record>;
const recordKey = byteKey('identity');
const noteIntervalMs = 60_000;

/**
 * The identity of a data folder, in two places: table `identity` of the store (`identity` → JSON {id, replaced, before}) and
 * `identity.json` beside it, which also has how far the store was. A store that is missing, emptied, an older copy or
 * another folder's is thereby told from a first start.
 *
 * The store gets it first: a crash between the two leaves a store that speaks for itself.
 */
export class DataIdentity {
  readonly #options: DataIdentityOptions;
  readonly #path: string;
  readonly #signs: FolderSigns;
  #noted: IdentityNote | undefined;
  #origin: StoreOrigin | undefined;
  #before = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(options: DataIdentityOptions, path: string, signs: FolderSigns) {
    this.#options = options;
    this.#path = path;
    this.#signs = signs;
    this.#noted = signs.note === 'damaged' ? undefined : signs.note;
  }

  /** Throws DATA_FOLDER_LOST for a store that is not there any more; before anything is made in its place. */
  static async read(options: DataIdentityOptions): Promise<DataIdentity> {
    const { folder, storeFile } = options;
    const path = folder.file('identity.json');
    const signs = {
      note: await readIdentityNote(path).catch((error: unknown) => {
        throw new CausewayError('DATA_FOLDER_UNUSABLE', `${path} cannot be read`, {
          detail: describeError(error),
        });
      }),
      traces: await tracesIn(folder),
    };
    const identity = new DataIdentity(options, path, signs);
    const bytes = await sizeOf(storeFile);
    if (bytes === undefined || bytes === 0) {
      identity.#judge({ state: bytes === undefined ? 'missing' : 'emptied' });
    }
    return identity;
  }

  /** Throws DATA_FOLDER_LOST for a store that is not this folder's, and leaves it as it is. */
  async claim(environment: LmdbEnvironment): Promise<StoreOrigin> {
    const { clock, log, storeFile } = this.#options;
    const known = readRecord(environment);
    const blank = environment.isBlank();
    this.#before = known?.before ?? 0;
    const transaction = this.#before + readNewestTransaction(storeFile);
    const { lost, adopt } = this.#judge({ state: 'present', id: known?.id, blank, transaction });
    if (lost && !blank) {
      await forgetHistory(environment);
      await moveSpoolAhead(environment, clock.nowMs());
    }
    const origin = known === undefined || lost ? { id: randomUUID(), replaced: lost } : known;
    if (origin !== known) {
      this.#before = 0;
      if (adopt) log.info('the data folder of an earlier version gets an identity', { identity: origin.id });
      const table = environment.table('identity');
      await environment.transact(() => table.put(recordKey, Buffer.from(JSON.stringify(origin), 'utf8')));
    }
    this.#origin = origin;
    if (!lost && this.#noted === undefined && !blank && !adopt) {
      log.warn('identity.json is missing or damaged and was written anew from the store', {
        file: this.#path,
      });
    }
    await this.#note({});
    this.#noteLater();
    return origin;
  }

  /** Whether there was an analytics file, by `identity.json`. */
  get hadAnalytics(): boolean {
    return this.#noted?.analytics ?? false;
  }

  noteAnalytics(): Promise<void> {
    return this.#note({ analytics: true });
  }

  /** Call it when the store is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#note({});
  }

  #judge(store: StoreSigns): { readonly lost: boolean; readonly adopt: boolean } {
    const judgement = judgeStore(this.#signs, store);
    if (judgement.verdict !== 'lost') {
      return { lost: false, adopt: judgement.verdict === 'own' && judgement.adopt };
    }
    const { folder, acceptLoss, log } = this.#options;
    if (!acceptLoss) {
      throw new CausewayError(
        'DATA_FOLDER_LOST',
        `the data folder ${folder.path} has lost its store: ${judgement.reason}. In it were the keys written to this hub, the change log and analytics not yet stored. Put the right file back, or start once with --accept-data-loss to go on without them`,
      );
    }
    log.error('going on without the store that this data folder has lost, as --accept-data-loss says', {
      code: 'DATA_FOLDER_LOST',
      reason: judgement.reason,
    });
    return { lost: true, adopt: false };
  }

  #note(more: Partial<IdentityNote>): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const origin = this.#origin;
      if (origin === undefined) return;
      const { storeFile, log } = this.#options;
      // The newest may not be on disk yet. A note that is ahead of the store would make the store look old.
      const transaction = Math.max(0, this.#before + readNewestTransaction(storeFile) - 1);
      const analytics = this.#noted?.id === origin.id && this.#noted.analytics;
      const note = { id: origin.id, transaction, analytics, ...more };
      const same = this.#noted;
      if (same?.id === note.id && same.transaction === transaction && same.analytics === note.analytics)
        return;
      try {
        await writeIdentityNote(this.#path, note);
        this.#noted = note;
      } catch (error) {
        log.warn('identity.json could not be written', { file: this.#path, reason: describeError(error) });
      }
    });
    return this.#writing;
  }

  #noteLater(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(noteIntervalMs, () => {
      void this.#note({}).finally(() => this.#noteLater());
    });
  }
}

function readRecord(environment: LmdbEnvironment): IdentityRecord | undefined {
  if (!environment.tableNames().includes('identity')) return undefined;
  const value = environment.table('identity').get(recordKey);
  if (value === undefined) return undefined;
  try {
    return record.parse(JSON.parse(value.toString('utf8')));
  } catch {
    throw new CausewayError('STORE_ITEM_UNREADABLE', 'the identity in causeway.mdb cannot be read');
  }
}

/** In a transaction of a store that was made of another, which had come as far as `transaction`. */
export function continueIdentity(
  environment: LmdbEnvironment,
  transaction: number,
  fallback: { readonly id: string | undefined; readonly replaced: boolean },
): void {
  const known = readRecord(environment);
  const next: IdentityRecord = {
    id: known?.id ?? fallback.id ?? randomUUID(),
    replaced: fallback.replaced || (known?.replaced ?? true),
    before: (known?.before ?? 0) + transaction,
  };
  environment.table('identity').put(recordKey, Buffer.from(JSON.stringify(next), 'utf8'));
}

/** Each is written only by a hub that has a store. */
async function tracesIn(folder: DataFolder): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of ['credentials.json', 'analytics.duckdb']) {
    if (((await sizeOf(folder.file(name))) ?? 0) > 0) found.push(name);
  }
  return found;
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
