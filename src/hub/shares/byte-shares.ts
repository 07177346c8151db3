import { type LimitName, limits } from '../../domain/limits.js';

export interface ShareBounds {
  /** What one owner may have. */
  readonly owner: LimitName;
  /** What all may have together. */
  readonly all: LimitName;
}

/**
 * Bytes of memory that owners take of one pool: each has a bound, and all have one together. An owner is an
 * organisation, so that what one of them piles up is in its own way before it is in anybody else's.
 *
 * It only counts. Who asks and is told no waits for `onRoom`, or refuses.
 */
export class ByteShares {
  readonly #ownerMax: number;
  readonly #allMax: number;
  readonly #bounds: ShareBounds;
  readonly #used = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #all = 0;
  #telling = false;

  constructor(bounds: ShareBounds) {
    this.#bounds = bounds;
    this.#ownerMax = limits[bounds.owner];
    this.#allMax = limits[bounds.all];
  }

  get used(): number {
    return this.#all;
  }

  usedBy(owner: string): number {
    return this.#used.get(owner) ?? 0;
  }

  /** The bound that `bytes` more would go beyond; undefined: there is room. */
  boundAgainst(owner: string, bytes: number): LimitName | undefined {
    if (this.usedBy(owner) + bytes > this.#ownerMax) return this.#bounds.owner;
    if (this.#all + bytes > this.#allMax) return this.#bounds.all;
    return undefined;
  }

  /** Counts without asking: for what is there already. */
  take(owner: string, bytes: number): void {
    if (bytes === 0) return;
    this.#all += bytes;
    this.#used.set(owner, this.usedBy(owner) + bytes);
  }

  release(owner: string, bytes: number): void {
    if (bytes === 0) return;
    const left = this.usedBy(owner) - bytes;
    this.#all -= bytes;
    if (left > 0) this.#used.set(owner, left);
    else this.#used.delete(owner);
    if (this.#listeners.size > 0) this.#tell();
  }

  /** Calls back once, when something was given back. Returns the way to take that back. */
  onRoom(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Those who wait, in the order in which they began to; who finds no room waits again, behind the others. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      const waiting = [...this.#listeners];
      this.#listeners.clear();
      for (const listener of waiting) listener();
    });
  }
}
