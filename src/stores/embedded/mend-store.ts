import { copyFile, link, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { LmdbEnvironment } from './lmdb-environment.js';
import { copyStore, type Survey, surveyStore } from './lmdb-survey.js';
import { settleLosses } from './settle-losses.js';
import { type TableName, tableNames } from './table-names.js';

export interface MendStoreOptions {
  readonly file: string;
  /** Identity of the data folder, for a store that has lost its own. */
  readonly identity: string | undefined;
  /** Set a store aside of which nothing can be read. */
  readonly acceptLoss: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics | undefined;
}

/**
 * Looks at the store before the engine opens it, and makes a damaged one whole: all that can be read goes into a new
 * file, what can be made anew is, what cannot is marked so that nobody takes it for "was never there". The damaged
 * file is kept beside. Resolves to what was wrong, in one line; undefined: nothing.
 *
 * Rejects with DATA_FOLDER_UNUSABLE for a file that is none of ours, or when there is no room to mend it, and with
 * DATA_FOLDER_LOST for one of which nothing can be read; each is left as it is.
 */
export async function mendStore(options: MendStoreOptions): Promise<string | undefined> {
  const { file, acceptLoss, log } = options;
  const survey = surveyStore(file);
  if (survey.state === 'whole') return undefined;
  if (survey.state === 'damaged') return rebuild(options, survey);
  const why = survey.faults[0] ?? 'it cannot be read';
  if (!acceptLoss) {
    const advice = 'Put the right file back, or start once with --accept-data-loss to go on without it';
    throw new CausewayError(
      survey.state === 'foreign' ? 'DATA_FOLDER_UNUSABLE' : 'DATA_FOLDER_LOST',
      `${file} cannot be opened: ${why}. ${advice}`,
    );
  }
  const kept = await setAside(options, rename);
  log.error('the store cannot be read and was set aside', { code: 'DATA_FOLDER_LOST', reason: why, kept });
  return undefined;
}

async function rebuild(options: MendStoreOptions, { faults, sealed }: Survey): Promise<string> {
  const { file, clock, log, metrics } = options;
  const mended = `${file}.mending`;
  try {
    await removeStore(mended);
    const environment = new LmdbEnvironment(mended);
    let losses: readonly string[];
    try {
      for (const name of tableNames) environment.table(name);
      losses = await environment.transact(() => {
        const copied = copyStore(file, sealed, (name, key, value) => {
          if (name !== 'format') environment.table(name as TableName).put(key, value);
        });
        for (const { name, gaps } of copied.tables) {
          if (gaps.length > 0) metrics?.add('causeway_store_damage_total', { table: name }, gaps.length);
        }
        return settleLosses(environment, copied, { identity: options.identity, nowMs: clock.nowMs() });
      });
    } finally {
      await environment.close();
    }
    const kept = await setAside(options, (from, to) => link(from, to).catch(() => copyFile(from, to)));
    await rename(mended, file);
    await rm(`${mended}-lock`, { force: true });
    await syncFolder(file);
    log.error('the store was damaged and has been mended', {
      code: 'STORE_ITEM_UNREADABLE',
      faults: faults.slice(0, shownFaultsMax),
      faultCount: faults.length,
      losses,
      kept,
    });
    return losses.length === 0 ? 'damage to the store was mended without loss' : losses.join('; ');
  } catch (error) {
    await removeStore(mended).catch(() => {});
    throw new CausewayError(
      'DATA_FOLDER_UNUSABLE',
      `${file} is damaged (${faults[0]}) and cannot be mended`,
      {
        detail: describeError(error),
        cause: error,
      },
    );
  }
}

const shownFaultsMax = 20;

/** Name of the copy. The oldest go when there are too many: each is as large as the store. */
async function setAside(
  { file, clock, log, metrics }: MendStoreOptions,
  move: (from: string, to: string) => Promise<void>,
): Promise<string> {
  const prefix = `${basename(file)}.damaged-`;
  const names = (await readdir(dirname(file))).filter((name) => name.startsWith(prefix)).sort();
  for (const name of names.slice(0, Math.max(0, names.length + 1 - limits.damagedStoresMax))) {
    metrics?.add('causeway_limit_hits_total', { limit: 'damagedStoresMax' });
    log.warn('an old damaged store is removed', { limit: 'damagedStoresMax', name });
    await rm(join(dirname(file), name), { force: true });
  }
  const time = new Date(clock.nowMs()).toISOString().replaceAll(/[-:]/g, '');
  let kept = join(dirname(file), `${prefix}${time}`);
  for (let copy = 2; names.includes(basename(kept)); copy += 1) {
    kept = join(dirname(file), `${prefix}${time}-${copy}`);
  }
  await move(file, kept);
  await syncFolder(file);
  return basename(kept);
}

async function removeStore(file: string): Promise<void> {
  await rm(file, { force: true });
  await rm(`${file}-lock`, { force: true });
}

async function syncFolder(file: string): Promise<void> {
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
