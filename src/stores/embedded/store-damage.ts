import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';

/** What is known of damage to the store: said once for each table, counted always. */
export class StoreDamage {
  /** What was mended when it was opened. */
  mended: string | undefined;
  /** Places where keys were lost, until the operator accepts it. */
  keyGaps = 0;
  readonly #log: Log;
  readonly #metrics: Metrics | undefined;
  readonly #tables = new Set<string>();

  constructor(log: Log, metrics: Metrics | undefined) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** While the store is in use. */
  found(table: string): void {
    this.#metrics?.add('causeway_store_damage_total', { table });
    if (this.#tables.has(table)) return;
    this.#tables.add(table);
    this.#log.error(
      'a record of the embedded store is damaged; a restart looks through all of it and mends what can be',
      {
        code: 'STORE_ITEM_UNREADABLE',
        table,
      },
    );
  }

  describe(): string | undefined {
    const parts: string[] = [];
    if (this.#tables.size > 0)
      parts.push(`damaged records in ${[...this.#tables].join(', ')}; restart to mend`);
    if (this.mended !== undefined) parts.push(this.mended);
    if (this.keyGaps > 0) {
      parts.push(
        `there are gaps where keys were lost (${this.keyGaps}): write them again and start once with --accept-data-loss, or put the store back`,
      );
    }
    return parts.length === 0 ? undefined : parts.join('; ');
  }
}
