import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { AnnouncedWrite } from '../../ports/announced-writes.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { KeyStore, ReadOptions, StoredValue } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import type { LoopProgress } from '../../ports/progress.js';
import { yieldTurn } from '../../std/yield-turn.js';
import { numberPart, readNumberPart } from './byte-key.js';
import { type KeyGaps, readKeyGaps } from './key-gaps.js';
import {
  decodeKeyRecord,
  encodeKeyRecord,
  encodeRemovedRecord,
  type KeyRecord,
  keyOfName,
  keyPrefixOf,
  nameOfKey,
} from './key-record.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';
import { StoreTime } from './store-time.js';

export interface LmdbKeyStoreOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the removal of what has expired. */
  readonly progress?: LoopProgress | undefined;
  /** How often expired entries are removed. Default 10 s; they are invisible at once in any case. */
  readonly sweepIntervalMs?: number;
}

/**
 * Tables:
 *   keys          see key-record.ts
 *   key-expiries  expiry (8 bytes), key → nothing; finds what to sweep without reading every key
 *   lost-keys     see key-gaps.ts
 *   key-windows   hash of the key (16 bytes), mark in ms (8 bytes), number (8 bytes) → nothing
 */
export class LmdbKeyStore implements KeyStore {
  readonly #environment: LmdbEnvironment;
  readonly #clock: Clock;
  readonly #time: StoreTime;
  readonly #log: Log;
  readonly #sweepIntervalMs: number;
  readonly #progress: LoopProgress | undefined;
  readonly #keys: LmdbTable;
  readonly #expiries: LmdbTable;
  readonly #windows: LmdbTable;
  readonly #gaps: KeyGaps;
  /** Sizes of values beyond `modestValueBytesMax`, by their keys. */
  readonly #largeValues = new LRUCache<string, number>({ max: largeValuesMax });
  #timer: Timer | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(environment: LmdbEnvironment, options: LmdbKeyStoreOptions) {
    this.#environment = environment;
    this.#clock = options.clock;
    this.#time = new StoreTime(environment, options.clock);
    this.#log = options.log;
    this.#progress = options.progress;
    this.#sweepIntervalMs = options.sweepIntervalMs ?? 10_000;
    this.#keys = environment.table('keys');
    this.#expiries = environment.table('key-expiries');
    this.#windows = environment.table('key-windows');
    this.#gaps = readKeyGaps(environment);
    this.#sweepAfter(this.#sweepIntervalMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sweeping;
  }

  async getMany(
    names: readonly string[],
    { valueBytesMax = limits.storedValueBytesMax }: ReadOptions = {},
  ): Promise<readonly (StoredValue | undefined)[]> {
    const found: (StoredValue | undefined)[] = [];
    while (found.length < names.length) {
      // Values are copied when they are read: many large ones take turns.
      if (found.length > 0) await yieldTurn();
      this.#environment.read(() => {
        let bytesLeft = turnBytes;
        while (found.length < names.length && bytesLeft > 0) {
          const key = keyOfName(names[found.length] as string);
          const value = this.#valueOf(key, valueBytesMax);
          bytesLeft -= value?.read ?? 0;
          found.push(value?.stored);
        }
      });
    }
    return found;
  }

  /** `read`: the bytes that had to be. */
  #valueOf(
    key: Buffer,
    valueBytesMax: number,
  ): { readonly stored: StoredValue; readonly read: number } | undefined {
    const known = this.#largeValues.get(key.toString('latin1'));
    if (known !== undefined && known > valueBytesMax) {
      return { stored: { value: nothing, remainingTtlMs: undefined, oversize: known }, read: 0 };
    }
    const record = this.#record(key);
    if (record === 'damaged' || (record === undefined && this.#gaps.cover(key))) throw damagedKey();
    if (record?.kind !== 'value' || this.#isExpired(record)) return undefined;
    const { value, expiresAtMs } = record;
    const { length } = value;
    if (length > limits.modestValueBytesMax) this.#largeValues.set(key.toString('latin1'), length);
    const remainingTtlMs = expiresAtMs === undefined ? undefined : expiresAtMs - this.#time.nowMs();
    const stored =
      length > valueBytesMax
        ? { value: nothing, remainingTtlMs, oversize: length }
        : { value, remainingTtlMs };
    return { stored, read: length };
  }

  async put(name: string, value: Buffer, ttlMs: number | undefined): Promise<void> {
    await this.#environment.transact(this.preparedWrite(name, { value, ttlMs }));
  }

  /** What `put` does, or `remove` without `stored`: to be run in a transaction that also writes other tables. */
  preparedWrite(name: string, stored: AnnouncedWrite['stored']): () => void {
    const key = keyOfName(name);
    if (stored === undefined) return () => this.#forget(key);
    const copy = Buffer.from(stored.value);
    return () => {
      this.#replace(name, key, { kind: 'value', expiresAtMs: this.#deadline(stored.ttlMs), value: copy });
    };
  }

  async remove(names: readonly string[]): Promise<number> {
    if (names.length === 0) return 0;
    return this.#environment.transact(() => {
      let existed = 0;
      for (const name of names) {
        const key = keyOfName(name);
        const record = this.#alive(key);
        if (record !== undefined && record.kind !== 'removed') existed += 1;
        this.#forget(key);
      }
      return existed;
    });
  }

  async *scan(prefix: string, pageSize: number): AsyncIterable<readonly string[]> {
    const keyPrefix = keyPrefixOf(prefix);
    let after: Buffer | undefined;
    for (;;) {
      const { names, last } = this.#environment.read(() => this.#page(prefix, keyPrefix, after, pageSize));
      if (names.length > 0) yield names;
      if (last === undefined) return;
      after = last;
      await yieldTurn();
    }
  }

  async increment(name: string, ttlMs: number | undefined): Promise<number> {
    const key = keyOfName(name);
    return this.#environment.transact(() => {
      const record = this.#counted(key);
      const before = record === undefined ? 0 : Number(record.value.toString('utf8'));
      if ((record !== undefined && record.kind !== 'value') || !Number.isSafeInteger(before)) {
        throw new CausewayError('STORE_ITEM_UNREADABLE', 'the value is not a counter');
      }
      const count = before + 1;
      const expiresAtMs = count === 1 ? this.#deadline(ttlMs) : record?.expiresAtMs;
      this.#replace(name, key, { kind: 'value', expiresAtMs, value: Buffer.from(String(count)) });
      return count;
    });
  }

  async addToWindow(name: string, windowMs: number, nowMs: number): Promise<number> {
    const key = keyOfName(name);
    return this.#environment.transact(() => {
      const record = this.#counted(key);
      if (record !== undefined && record.kind !== 'window') {
        throw new CausewayError('STORE_ITEM_UNREADABLE', 'the value is not a sliding window');
      }
      const dropped = record === undefined ? 0 : this.#dropMarks(key, nowMs - windowMs);
      const count = (record?.value.readUInt32BE(0) ?? 0) - dropped;
      const number = record?.value.readUInt32BE(4) ?? 0;
      const value = Buffer.alloc(8);
      value.writeUInt32BE(count + 1, 0);
      value.writeUInt32BE((number + 1) % 2 ** 32, 4);
      this.#write(name, key, { kind: 'window', expiresAtMs: this.#deadline(windowMs), value });
      this.#windows.put(markKey(key, nowMs, number), nothing);
      return count;
    });
  }

  #deadline(ttlMs: number | undefined): number | undefined {
    // Zero means "never" in the record, and a life of less than nothing has ended.
    return ttlMs === undefined ? undefined : Math.max(1, Math.floor(this.#time.nowMs() + ttlMs));
  }

  /** What is damaged has been told of by the table. */
  #record(key: Buffer): (KeyRecord & { readonly name: string | undefined }) | 'damaged' | undefined {
    let bytes: Buffer | undefined;
    try {
      bytes = this.#keys.get(key);
    } catch (error) {
      if (error instanceof CausewayError && error.code === 'STORE_ITEM_UNREADABLE') return 'damaged';
      throw error;
    }
    if (bytes === undefined) return undefined;
    const record = decodeKeyRecord(bytes);
    if (record !== undefined) return record;
    this.#log.error('stored key cannot be read', { code: 'STORE_ITEM_UNREADABLE' });
    return 'damaged';
  }

  /** What is damaged may be written over. */
  #whole(key: Buffer): KeyRecord | undefined {
    const record = this.#record(key);
    return record === 'damaged' ? undefined : record;
  }

  #alive(key: Buffer): KeyRecord | undefined {
    const record = this.#whole(key);
    return record === undefined || this.#isExpired(record) ? undefined : record;
  }

  /** What is damaged is no counter that starts anew: what it had counted is not known. */
  #counted(key: Buffer): KeyRecord | undefined {
    const record = this.#record(key);
    if (record === 'damaged') throw damagedKey();
    return record === undefined || record.kind === 'removed' || this.#isExpired(record) ? undefined : record;
  }

  #isExpired(record: KeyRecord): boolean {
    return record.expiresAtMs !== undefined && record.expiresAtMs <= this.#time.nowMs();
  }

  /** Anything else of that name goes first. */
  #replace(name: string, key: Buffer, record: KeyRecord): void {
    this.#dropWindowOf(key);
    this.#write(name, key, record);
  }

  #write(name: string, key: Buffer, record: KeyRecord): void {
    this.#largeValues.delete(key.toString('latin1'));
    this.#dropExpiryOf(key);
    this.#keys.put(key, encodeKeyRecord(name, record));
    if (this.#time.hasJumped) this.#time.note();
    if (record.expiresAtMs !== undefined) this.#expiries.put(expiryKey(record.expiresAtMs, key), nothing);
  }

  #forget(key: Buffer): void {
    this.#largeValues.delete(key.toString('latin1'));
    this.#dropWindowOf(key);
    this.#dropExpiryOf(key);
    // Where keys were lost, "removed" must be told from "not known any more".
    if (this.#gaps.cover(key)) this.#keys.put(key, encodeRemovedRecord());
    else this.#keys.remove(key);
  }

  #dropExpiryOf(key: Buffer): void {
    const expiresAtMs = this.#whole(key)?.expiresAtMs;
    if (expiresAtMs !== undefined) this.#expiries.remove(expiryKey(expiresAtMs, key));
  }

  #dropWindowOf(key: Buffer): void {
    if (this.#whole(key)?.kind === 'window') this.#dropMarks(key, Number.MAX_SAFE_INTEGER);
  }

  /** Removes the marks up to and including that time; how many there were. */
  #dropMarks(key: Buffer, throughMs: number): number {
    const range = { start: markKey(key, 0, 0), end: markKey(key, throughMs + 1, 0) };
    const marks = [...this.#windows.getKeys(range)];
    for (const mark of marks) this.#windows.remove(mark);
    return marks.length;
  }

  #page(
    prefix: string,
    keyPrefix: Buffer,
    after: Buffer | undefined,
    pageSize: number,
  ): { readonly names: readonly string[]; readonly last: Buffer | undefined } {
    const names: string[] = [];
    const range = after === undefined ? { start: keyPrefix } : { start: after, exclusiveStart: true };
    let last: Buffer | undefined;
    for (const { key, value } of this.#keys.getRange(range)) {
      if (key.compare(keyPrefix, 0, keyPrefix.length, 0, Math.min(key.length, keyPrefix.length)) !== 0) {
        return { names, last: undefined };
      }
      last = key;
      const record = value === undefined ? undefined : decodeKeyRecord(value);
      if (record === undefined || record.kind !== 'value' || this.#isExpired(record)) continue;
      const name = nameOfKey(key) ?? record.name ?? '';
      if (!name.startsWith(prefix)) continue;
      names.push(name);
      if (names.length >= pageSize) return { names, last };
    }
    return { names, last: undefined };
  }

  #sweepAfter(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(delayMs, () => {
      this.#sweeping = this.#sweep();
    });
  }

  async #sweep(): Promise<void> {
    let more = false;
    try {
      const nowMs = this.#time.nowMs();
      const due = this.#environment.read(() => [
        ...this.#expiries.getKeys({ start: firstExpiry, end: numberPart(nowMs + 1), limit: sweptPerTurnMax }),
      ]);
      more = due.length === sweptPerTurnMax;
      this.#progress?.hasWork();
      if (due.length > 0 || this.#time.hasJumped) {
        await this.#environment.transact(() => {
          if (this.#time.hasJumped) this.#time.note();
          for (const entry of due) {
            // The key may have got a new life since: only what is written now counts.
            const key = entry.subarray(8);
            const record = this.#whole(key);
            if (record?.expiresAtMs === readNumberPart(entry, 0)) this.#forget(key);
            else this.#expiries.remove(entry);
          }
        });
      }
      this.#progress?.madeProgress();
    } catch (error) {
      this.#progress?.hasWork();
      this.#log.warn('expired keys could not be removed, trying again', { reason: describeError(error) });
      more = false;
    }
    this.#sweepAfter(more ? 0 : this.#sweepIntervalMs);
  }
}

/** In a transaction: they follow from the keys. */
export function rebuildExpiries(environment: LmdbEnvironment): void {
  const expiries = environment.table('key-expiries');
  for (const key of [...expiries.getKeys({ start: firstExpiry })]) expiries.remove(key);
  for (const { key, value } of environment.table('keys').getRange({ start: firstExpiry })) {
    const expiresAtMs = value === undefined ? undefined : decodeKeyRecord(value)?.expiresAtMs;
    if (expiresAtMs !== undefined) expiries.put(expiryKey(expiresAtMs, key), nothing);
  }
}

function damagedKey(): CausewayError {
  return new CausewayError(
    'STORE_ITEM_UNREADABLE',
    'a stored key is damaged; write it again, put the store back, or start once with --accept-data-loss',
  );
}

const nothing = Buffer.alloc(0);
const largeValuesMax = 10_000;
/** Bytes read between two turns of the event loop. */
const turnBytes = 4 * 1024 * 1024;
const firstExpiry = numberPart(0);
const sweptPerTurnMax = 1_000;

function expiryKey(expiresAtMs: number, key: Buffer): Buffer {
  return Buffer.concat([numberPart(expiresAtMs), key]);
}

function markKey(key: Buffer, atMs: number, number: number): Buffer {
  const hash = createHash('sha256').update(key).digest().subarray(0, 16);
  return Buffer.concat([hash, numberPart(Math.max(0, Math.floor(atMs))), numberPart(number)]);
}
