import {
  type Head,
  headerFault,
  type LeafNode,
  overflowPagesOf,
  pageHeaderBytes,
  readLeafPage,
} from './lmdb-format.js';
import type { LmdbPages } from './lmdb-pages.js';
import type { SurveyedTable, TakeEntry } from './lmdb-survey.js';
import type { Gap } from './lmdb-walk.js';
import { isSealed, sealBytes, seedOf } from './record-seal.js';

/**
 * Entries below a page that is damaged. Every page that is neither free nor found in a tree is one of these, because
 * the engine loses none; so a leaf page among them is in force, and the checksums of its records say of which table.
 * A table that has all its entries again has no gaps.
 */
export function readOrphans(
  pages: LmdbPages,
  { lastPage, transaction }: Head,
  tables: readonly SurveyedTable[],
  take: TakeEntry,
): readonly SurveyedTable[] {
  const damaged = tables.filter(({ gaps }) => gaps.length > 0);
  if (damaged.length === 0) return tables;
  const found = new Map<string, number>();
  for (const number of pages.untaken(lastPage)) {
    const page = pages.read(number);
    if (page === undefined || headerFault(page, number, 'leaf', transaction) !== undefined) continue;
    for (const node of readLeafPage(page).nodes) {
      if (node === undefined) continue;
      const record = recordOf(pages, node, transaction);
      const owner = record && damaged.find((table) => isOf(table, node.key, record));
      if (record === undefined || owner === undefined) continue;
      take(owner.name, node.key, record.subarray(sealBytes));
      found.set(owner.name, (found.get(owner.name) ?? 0) + 1);
    }
  }
  return tables.map((table) => {
    const entries = table.entries + (found.get(table.name) ?? 0);
    return { ...table, entries, gaps: entries === table.expected ? [] : table.gaps };
  });
}

function isOf({ name, gaps }: SurveyedTable, key: Buffer, record: Buffer): boolean {
  return gaps.some((gap) => lies(key, gap)) && isSealed(seedOf(name), key, record);
}

function lies(key: Buffer, { after, before }: Gap): boolean {
  if (after !== undefined && key.compare(after) <= 0) return false;
  return before === undefined || key.compare(before) < 0;
}

function recordOf(pages: LmdbPages, { value }: LeafNode, transaction: number): Buffer | undefined {
  if (value.kind === 'here') return value.bytes;
  if (value.kind === 'tree') return undefined;
  if (value.pages !== Math.ceil((pageHeaderBytes + value.bytes) / pages.pageBytes)) return undefined;
  const bytes = pages.read(value.page, value.pages);
  if (bytes === undefined || headerFault(bytes, value.page, 'overflow', transaction) !== undefined) {
    return undefined;
  }
  if (overflowPagesOf(bytes) !== value.pages) return undefined;
  return bytes.subarray(pageHeaderBytes, pageHeaderBytes + value.bytes);
}
