import type { KeyStore, StoredValue } from '../../src/ports/key-store.js';

/** What a store costs when it costs nothing: a map, read without a copy. Knows only what reading keys needs. */
export class MapKeyStore implements KeyStore {
  readonly #values = new Map<string, StoredValue>();

  async getMany(names: readonly string[]): Promise<readonly (StoredValue | undefined)[]> {
    return names.map((name) => this.#values.get(name));
  }

  async put(name: string, value: Buffer): Promise<void> {
    this.#values.set(name, { value, remainingTtlMs: undefined });
  }

  async *scan(prefix: string): AsyncIterable<readonly string[]> {
    yield [...this.#values.keys()].filter((name) => name.startsWith(prefix));
  }

  remove(): Promise<number> {
    return notMeasured();
  }

  increment(): Promise<number> {
    return notMeasured();
  }

  addToWindow(): Promise<number> {
    return notMeasured();
  }
}

async function notMeasured(): Promise<number> {
  throw new Error('no part of this benchmark');
}
