/**
 * Items by owner, and at any time the owner that has most of them: what is needed to make room for somebody who has
 * little by taking from somebody who has much. Every step costs the same however many there are.
 */
export class FairShares<Item> {
  readonly #items = new Map<string, Set<Item>>();
  /** Owners by how many items they have. */
  readonly #owners = new Map<number, Set<string>>();
  #largest = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  countOf(owner: string): number {
    return this.#items.get(owner)?.size ?? 0;
  }

  add(owner: string, item: Item): void {
    const items = this.#items.get(owner) ?? new Set();
    if (items.has(item)) return;
    this.#items.set(owner, items.add(item));
    this.#size += 1;
    this.#move(owner, items.size - 1, items.size);
  }

  delete(owner: string, item: Item): void {
    const items = this.#items.get(owner);
    if (items?.delete(item) !== true) return;
    this.#size -= 1;
    if (items.size === 0) this.#items.delete(owner);
    this.#move(owner, items.size + 1, items.size);
  }

  /** The oldest item of the owner that has most, when that is more than `owner` would have with one more. */
  takenFromFor(owner: string): Item | undefined {
    if (this.#largest <= this.countOf(owner) + 1) return undefined;
    const [richest] = this.#owners.get(this.#largest) ?? [];
    const [oldest] = (richest === undefined ? undefined : this.#items.get(richest)) ?? [];
    return oldest;
  }

  #move(owner: string, from: number, to: number): void {
    const before = this.#owners.get(from);
    before?.delete(owner);
    if (before?.size === 0) this.#owners.delete(from);
    if (to > 0) this.#owners.set(to, (this.#owners.get(to) ?? new Set()).add(owner));
    if (to > this.#largest || (from === this.#largest && !this.#owners.has(from))) this.#largest = to;
  }
}
