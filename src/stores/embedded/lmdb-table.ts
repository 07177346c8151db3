import type { Database } from 'lmdb';
import { CausewayError } from '../../errors/causeway-error.js';
import { isSealed, seal, sealBytes, seedOf } from './record-seal.js';

export interface RangeOptions {
  readonly start?: Buffer;
  readonly reverse?: boolean;
  /** Excluded. */
  readonly end?: Buffer;
  readonly exclusiveStart?: boolean;
  readonly limit?: number;
}

export interface TableEntry {
  readonly key: Buffer;
  /** Undefined: it is not what was written. */
  readonly value: Buffer | undefined;
}

/** Told of each record that is not what was written. */
export type OnDamage = (table: string, key: Buffer) => void;

/**
 * Keys and values are bytes; a key has 1 to 1,978 of them and may be empty nowhere. Every record has a checksum, see
 * record-seal.ts: what is read is what was written, or it is said to be damaged.
 */
export class LmdbTable {
  readonly name: string;
  readonly #database: Database<Buffer, Buffer>;
  readonly #onDamage: OnDamage;
  readonly #seed: number;

  constructor(name: string, database: Database<Buffer, Buffer>, onDamage: OnDamage) {
    this.name = name;
    this.#database = database;
    this.#onDamage = onDamage;
    this.#seed = seedOf(name);
  }

  /** undefined: there is nothing. Throws STORE_ITEM_UNREADABLE for what is damaged. */
  get(key: Buffer): Buffer | undefined {
    // `get` of the library makes a block of memory of its own for each value: with them the collector has more work
    // than all the rest of a read is. This one is LMDB's, is larger than it says, and belongs to the next read.
    const lent = this.#database.getBinaryFast(key);
    if (lent === undefined) return undefined;
    const record = lent.subarray(0, lent.length);
    if (!isSealed(this.#seed, key, record)) throw this.#damaged(key);
    return Buffer.from(record.subarray(sealBytes));
  }

  has(key: Buffer): boolean {
    return this.#database.doesExist(key);
  }

  put(key: Buffer, value: Buffer): void {
    this.#database.put(key, seal(this.#seed, key, value));
  }

  remove(key: Buffer): void {
    this.#database.remove(key);
  }

  *getRange(options: RangeOptions): Generator<TableEntry> {
    for (const { key, value } of this.#database.getRange(options)) {
      const whole = isSealed(this.#seed, key, value);
      if (!whole) this.#onDamage(this.name, key);
      yield { key, value: whole ? value.subarray(sealBytes) : undefined };
    }
  }

  getKeys(options: RangeOptions): Iterable<Buffer> {
    return this.#database.getKeys(options);
  }

  /** In a transaction; of records that have no checksum yet. False: one has, and nothing may be made of it. */
  sealAll(): boolean {
    for (const key of [...this.#database.getKeys({ start: Buffer.from([0]) })]) {
      const lent = this.#database.getBinaryFast(key);
      if (lent === undefined) continue;
      const value = Buffer.from(lent.subarray(0, lent.length));
      if (isSealed(this.#seed, key, value)) return false;
      this.put(key, value);
    }
    return true;
  }

  #damaged(key: Buffer): CausewayError {
    this.#onDamage(this.name, key);
    return new CausewayError('STORE_ITEM_UNREADABLE', 'a record of the embedded store is damaged');
  }
}
