import type { CatalogTable, RowItem } from '../../domain/catalog-row.js';
import type { LeftOutReason } from '../../domain/left-out.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';

interface KnownRow {
  readonly source: string;
  readonly item: RowItem;
}

/** Of rows that are left out for these reasons, all may be. */
const ordinary: ReadonlySet<LeftOutReason> = new Set(['deleted', 'no key']);

/**
 * Tells of rows that are left out: no alarm, and no silence either, for whoever looks for one of them. A table of which
 * nothing is left is another matter: then the hub reads it in another way than it was meant.
 */
export class LeftOutRows {
  readonly #log: Log;
  readonly #metrics: Metrics;
  #told = '';

  constructor({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** `orphans`: sources whose organisation does not exist. Says only what it has not said already. */
  tell(tables: ReadonlyMap<CatalogTable, ReadonlyMap<string, KnownRow>>, orphans: ReadonlySet<string>): void {
    this.#metrics.reset('causeway_catalog_rows_left_out');
    const lines: {
      readonly table: CatalogTable;
      readonly rows: Record<string, number>;
      readonly all: boolean;
    }[] = [];
    for (const [table, records] of tables) {
      const rows: Partial<Record<LeftOutReason, number>> = {};
      let used = 0;
      for (const { source, item } of records.values()) {
        const reason =
          item.type === 'left-out' ? item.reason : orphans.has(source) ? 'organisation unknown' : undefined;
        if (reason === undefined) used += 1;
        else rows[reason] = (rows[reason] ?? 0) + 1;
      }
      const reasons = Object.keys(rows) as LeftOutReason[];
      for (const reason of reasons) {
        this.#metrics.set('causeway_catalog_rows_left_out', { table, reason }, rows[reason] ?? 0);
      }
      const unusual = reasons.filter((reason) => !ordinary.has(reason));
      if (unusual.length === 0) continue;
      const told = Object.fromEntries(unusual.map((reason) => [reason, rows[reason] ?? 0]));
      lines.push({ table, rows: told, all: used === 0 });
    }
    const said = JSON.stringify(lines);
    if (said === this.#told) return;
    this.#told = said;
    for (const { table, rows, all } of lines) {
      if (all) this.#log.warn('no row of a table is of use to any worker', { table, ...rows });
      else this.#log.info('rows that are no business of any worker are left out', { table, ...rows });
    }
  }
}
