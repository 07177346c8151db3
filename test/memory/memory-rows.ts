import type { CatalogTable } from '../../src/domain/catalog-row.js';
import type { CatalogRows, KnownRows, RowSink } from '../../src/ports/catalog-rows.js';
import { MemoryStore } from './memory-store.js';

/** Rows that a test edits in place; says what it was asked. */
export class MemoryRows extends MemoryStore implements CatalogRows {
  readonly name = 'memory catalog';
  readonly #rows = new Map<string, { table: CatalogTable; key: string; text: string }>();
  /** Of each refresh, how many rows were handed over. */
  readonly handedOver: number[] = [];
  readonly thorough: boolean[] = [];
  onChange: (() => void) | undefined;
  closed = false;

  put(table: CatalogTable, key: string, row: unknown): void {
    this.#rows.set(`${table}/${key}`, { table, key, text: JSON.stringify(row) });
  }

  remove(table: CatalogTable, key: string): void {
    this.#rows.delete(`${table}/${key}`);
  }

  refresh(known: KnownRows, sink: RowSink, thorough: boolean): Promise<void> {
    return this.operation('refresh', () => {
      let count = 0;
      this.thorough.push(thorough);
      for (const { table, key, text } of this.#rows.values()) {
        if (known.versionOf(table, key) === text) continue;
        count += 1;
        const source = `${table} _id=${key}`;
        sink.put({ table, key, version: text, source, fields: Buffer.from(text), document: undefined });
      }
      for (const table of ['users', 'apis', 'policies'] as const) {
        for (const key of [...known.keysOf(table)]) {
          if (this.#rows.has(`${table}/${key}`)) continue;
          count += 1;
          sink.remove(table, key);
        }
      }
      this.handedOver.push(count);
    });
  }

  watch(onChange: () => void): () => void {
    this.onChange = onChange;
    return () => {
      this.onChange = undefined;
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
