import type { CatalogTable } from '../domain/catalog-row.js';

/** What is known of the tables: which rows, and in which version. */
export interface KnownRows {
  versionOf(table: CatalogTable, key: string): string | undefined;
  keysOf(table: CatalogTable): Iterable<string>;
}

export interface CatalogRow {
  readonly table: CatalogTable;
  /** Unique in its table. */
  readonly key: string;
  /** Another one whenever the row is another one. */
  readonly version: string;
  /** For people: `tyk_apis _id=66b1...`. */
  readonly source: string;
  /** JSON object: the row's fields, by their names in JSON. */
  readonly fields: Buffer;
  /** JSON text: the definition, where the row keeps it whole in one field. */
  readonly document: Buffer | undefined;
}

export interface RowSink {
  put(row: CatalogRow): void;
  /** A row that is there and cannot be read. */
  broken(row: Omit<CatalogRow, 'fields' | 'document'>, reason: string): void;
  remove(table: CatalogTable, key: string): void;
}

/** The catalog's tables in a database. */
export interface CatalogRows {
  /** What the store is called in readiness and log: `PostgreSQL catalog`. */
  readonly name: string;
  /**
   * Hands over what differs from `known`, and no more. With `thorough` false it may trust what the database told
   * through `watch`. Rejects with STORE_UNAVAILABLE when anything could not be read; what was handed over until then
   * stands, and the next call goes on from there.
   */
  refresh(known: KnownRows, sink: RowSink, thorough: boolean): Promise<void>;
  /**
   * Calls back when the database tells that something changed, until the returned function is called. Absent: this
   * kind of database never does. Quietly does nothing on a server that cannot.
   */
  watch?(onChange: () => void): () => void;
  /** The server's wall clock, in ms since 1970. */
  wallClockMs?(): Promise<number>;
  /** Lets go of connections. May be called twice. */
  close(): Promise<void>;
}
