import { byteKey } from './byte-key.js';
import { continueIdentity } from './data-identity.js';
import { writeKeyGaps } from './key-gaps.js';
import { rebuildSpool } from './lmdb-analytics-spool.js';
import { clearHistory, trimDamaged } from './lmdb-change-log.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import { rebuildExpiries } from './lmdb-key-store.js';
import type { Survey } from './lmdb-survey.js';
import type { Gap } from './lmdb-walk.js';
import type { TableName } from './table-names.js';

/**
 * After a store was put together from what could be read of another, in the same transaction: makes what follows from
 * the rest, and marks what is lost. Results are what an operator is told.
 *
 *   keys         the gaps are noted: names in them are answered with an error, see key-gaps.ts
 *   ends of keys follow from the keys
 *   log          entries: those before the newest gap count as trimmed, so that workers get snapshots. Its heads, its
 *                epoch, noted writes: it starts anew
 *   cursors      the log starts anew: a zone without a cursor would be taken for one that has heard all
 *   catalog      all of the copy goes: a part would tell workers to remove the rest. The log starts anew, because what
 *                the control plane removed meanwhile cannot be told
 *   spool        counts follow from the batches; a batch that lacks a piece comes out empty and is counted as dropped
 */
export function settleLosses(
  environment: LmdbEnvironment,
  { tables, transaction }: Pick<Survey, 'tables' | 'transaction'>,
  { identity, nowMs }: { readonly identity: string | undefined; readonly nowMs: number },
): readonly string[] {
  const gaps = new Map<string, readonly Gap[]>(tables.map((table) => [table.name, table.gaps]));
  const gapsOf = (name: TableName) => gaps.get(name) ?? [];
  const isDamaged = (...names: readonly TableName[]) => names.some((name) => gapsOf(name).length > 0);
  const losses: string[] = [];

  const keyGaps = isDamaged('lost-keys') ? [wholeTable] : gapsOf('keys');
  if (keyGaps.length > 0) {
    writeKeyGaps(environment, keyGaps);
    losses.push('keys were lost: names that may have been theirs are answered with an error');
  }
  rebuildExpiries(environment);
  if (isDamaged('key-windows')) losses.push('counts of sliding windows were lost');

  const catalogDamaged = isDamaged('catalog-definitions', 'catalog-people');
  if (catalogDamaged) {
    clear(environment, 'catalog-definitions');
    clear(environment, 'catalog-people');
    // Not a first start, all the same.
    environment.table('catalog-people').put(byteKey('written'), Buffer.alloc(0));
    losses.push('the copy of the catalog was lost: it is loaded anew');
  }
  const replaced = catalogDamaged || isDamaged('change-heads', 'change-epoch', 'intentions', 'cursors');
  if (replaced) {
    clearHistory(environment);
    losses.push('the change log starts anew: workers get snapshots, zones are marked for a full push');
  } else if (isDamaged('changes')) {
    trimDamaged(environment);
    losses.push('entries of the change log were lost: workers that have not heard them get snapshots');
  }
  continueIdentity(environment, transaction, { id: identity, replaced });

  if (isDamaged('spool-batches', 'spool-payloads', 'spool-ids', 'spool-id-order', 'spool-state')) {
    rebuildSpool(environment, nowMs);
    if (isDamaged('spool-batches', 'spool-payloads')) losses.push('analytics not yet stored were lost');
    if (isDamaged('spool-ids', 'spool-id-order'))
      losses.push('repeats of analytics batches may be stored twice');
  }
  if (isDamaged('quarantine-records', 'quarantine-texts')) losses.push('records set aside were lost');
  return losses;
}

const wholeTable: Gap = { after: undefined, before: undefined };

function clear(environment: LmdbEnvironment, name: TableName): void {
  const table = environment.table(name);
  for (const key of [...table.getKeys({ start: firstKey })]) table.remove(key);
}

const firstKey = Buffer.from([0]);
