import { limits } from '../../src/domain/limits.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import type { Clock } from '../../src/ports/clock.js';
import type { KeyStore, ReadOptions, StoredValue } from '../../src/ports/key-store.js';
import { steadyNowMs } from '../../src/std/steady-time.js';
import { MemoryStore } from './memory-store.js';

interface Entry {
  readonly value: Buffer | undefined;
  /** Only for sliding windows; a name is either a value or a window. */
  readonly marks: number[] | undefined;
  readonly expiresAtMs: number | undefined;
}

export class MemoryKeyStore extends MemoryStore implements KeyStore {
  readonly #clock: Clock;
  readonly #entries: Map<string, Entry>;

  constructor(clock: Clock, entries: Map<string, Entry> = new Map()) {
    super();
    this.#clock = clock;
    this.#entries = entries;
  }

  /** A crash: everything that resolved is there. */
  restart(): MemoryKeyStore {
    this.sever();
    return new MemoryKeyStore(this.#clock, new Map(this.#entries));
  }

  getMany(
    names: readonly string[],
    { valueBytesMax = limits.storedValueBytesMax }: ReadOptions = {},
  ): Promise<readonly (StoredValue | undefined)[]> {
    return this.operation('getMany', () =>
      names.map((name) => {
        const entry = this.#alive(name);
        if (entry?.value === undefined) return undefined;
        const { expiresAtMs } = entry;
        const remainingTtlMs = expiresAtMs === undefined ? undefined : expiresAtMs - steadyNowMs(this.#clock);
        const { length } = entry.value;
        if (length > valueBytesMax) return { value: Buffer.alloc(0), remainingTtlMs, oversize: length };
        return { value: Buffer.from(entry.value), remainingTtlMs };
      }),
    );
  }

  put(name: string, value: Buffer, ttlMs: number | undefined): Promise<void> {
    const copy = Buffer.from(value);
    return this.operation('put', () => {
      this.#entries.set(name, { value: copy, marks: undefined, expiresAtMs: this.#deadline(ttlMs) });
    });
  }

  remove(names: readonly string[]): Promise<number> {
    return this.operation('remove', () => {
      let existed = 0;
      for (const name of names) {
        if (this.#alive(name) !== undefined) existed += 1;
        this.#entries.delete(name);
      }
      return existed;
    });
  }

  async *scan(prefix: string, pageSize: number): AsyncIterable<readonly string[]> {
    const names = await this.operation('scan', () =>
      [...this.#entries.keys()].filter(
        (name) => name.startsWith(prefix) && this.#alive(name)?.value !== undefined,
      ),
    );
    for (let start = 0; start < names.length; start += pageSize) {
      yield await this.operation('scan', () => names.slice(start, start + pageSize));
    }
  }

  increment(name: string, ttlMs: number | undefined): Promise<number> {
    return this.operation('increment', () => {
      const entry = this.#alive(name);
      const before = entry === undefined ? 0 : Number(entry.value?.toString('utf8') ?? Number.NaN);
      if (!Number.isSafeInteger(before)) {
        throw new CausewayError('STORE_ITEM_UNREADABLE', 'the value is not a counter');
      }
      const count = before + 1;
      this.#entries.set(name, {
        value: Buffer.from(String(count)),
        marks: undefined,
        expiresAtMs: count === 1 ? this.#deadline(ttlMs) : entry?.expiresAtMs,
      });
      return count;
    });
  }

  addToWindow(name: string, windowMs: number, nowMs: number): Promise<number> {
    return this.operation('addToWindow', () => {
      const entry = this.#alive(name);
      if (entry !== undefined && entry.marks === undefined) {
        throw new CausewayError('STORE_ITEM_UNREADABLE', 'the value is not a sliding window');
      }
      const kept = (entry?.marks ?? []).filter((mark) => mark > nowMs - windowMs);
      this.#entries.set(name, {
        value: undefined,
        marks: [...kept, nowMs],
        expiresAtMs: this.#deadline(windowMs),
      });
      return kept.length;
    });
  }

  #alive(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    if (entry?.expiresAtMs !== undefined && entry.expiresAtMs <= steadyNowMs(this.#clock)) {
      this.#entries.delete(name);
      return undefined;
    }
    return entry;
  }

  #deadline(ttlMs: number | undefined): number | undefined {
    return ttlMs === undefined ? undefined : steadyNowMs(this.#clock) + ttlMs;
  }
}
