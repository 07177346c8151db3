import { fstatSync, readSync } from 'node:fs';

/** The pages of a file, read as they are wanted, and what each was found to be. */
export class LmdbPages {
  readonly pageBytes: number;
  /** Whole pages that the file has. */
  readonly count: number;
  readonly #descriptor: number;
  readonly #uses: Uint8Array;

  constructor(descriptor: number, pageBytes: number) {
    this.#descriptor = descriptor;
    this.pageBytes = pageBytes;
    this.count = Math.floor(fstatSync(descriptor).size / pageBytes);
    this.#uses = new Uint8Array(this.count);
  }

  /** undefined: the file ends before. */
  read(page: number, pages = 1): Buffer | undefined {
    if (!Number.isSafeInteger(page) || page < 0 || page + pages > this.count) return undefined;
    const bytes = Buffer.allocUnsafe(pages * this.pageBytes);
    const read = readSync(this.#descriptor, bytes, 0, bytes.length, page * this.pageBytes);
    return read === bytes.length ? bytes : undefined;
  }

  /** False when one of them is taken already, or is none of the file: then nothing is noted. */
  take(page: number, use: PageUse, pages = 1): boolean {
    if (!Number.isSafeInteger(page) || page < 2 || pages < 1) return false;
    // Free pages may lie behind the end: what was never written needs no room.
    const end = use === 'free' ? Math.min(page + pages, this.count) : page + pages;
    if (end > this.count) return false;
    for (let one = page; one < end; one += 1) if (this.#uses[one] !== 0) return false;
    this.#uses.fill(useNumbers[use], Math.min(page, this.count), end);
    return true;
  }

  /** Pages of nothing that was read, up to and including `last`. */
  *untaken(last: number): Generator<number> {
    for (let page = 2; page < this.count && page <= last; page += 1) {
      if (this.#uses[page] === 0) yield page;
    }
  }
}

export type PageUse = 'free' | 'live';
const useNumbers = { free: 1, live: 2 } as const;
