import { noPage, readNumber, type Tree } from './lmdb-format.js';
import type { LmdbPages } from './lmdb-pages.js';
import { LmdbWalk } from './lmdb-walk.js';

/**
 * Notes the pages that are free. An entry is a transaction (8 bytes) and a list (8 bytes each): how many follow, then
 * pages; 0 is an empty place, and a negative number says how long a run the page behind it begins.
 *
 * Resolves to what is wrong with the list: a page that is free and in use would be overwritten by the engine.
 */
export function takeFreePages(
  pages: LmdbPages,
  tree: Tree,
  newest: { readonly transaction: number; readonly lastPage: number },
): readonly string[] {
  const faults: string[] = [];
  const take = (page: number, count: number): boolean =>
    page + count - 1 <= newest.lastPage && pages.take(page, 'free', count);
  const entry = (key: Buffer, value: Buffer | undefined): boolean => {
    if (value === undefined || key.length !== 8 || value.length % 8 !== 0 || value.length < 8) return false;
    const count = readNumber(value, 0);
    if (count * 8 + 8 > value.length) return false;
    let run = 1;
    for (let at = 8; at <= count * 8; at += 8) {
      const high = value.readInt32LE(at + 4);
      if (high < 0) {
        if (high !== -1 || run !== 1) return false;
        run = -value.readInt32LE(at);
        continue;
      }
      const page = readNumber(value, at);
      if (page === 0) {
        if (run !== 1) return false;
        continue;
      }
      if (page === noPage || !take(page, run)) return false;
      run = 1;
    }
    return run === 1;
  };
  const byNumber = (a: Buffer, b: Buffer): number => readNumber(a, 0) - readNumber(b, 0);
  const { faults: walked } = new LmdbWalk(pages, newest.transaction, { entry }, byNumber).walk(tree);
  faults.push(...walked);
  return faults;
}
