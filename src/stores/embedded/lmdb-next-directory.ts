import { type Head, headerFault, noPage, readLeafPage, readPageTransaction } from './lmdb-format.js';
import { LmdbPages } from './lmdb-pages.js';
import { tableNames } from './table-names.js';

/**
 * The head of one transaction later, put together from its list of tables: a leaf page that bears its number and
 * leads to tables that are known. Undefined: there was no such transaction, or it wrote more than one such page.
 *
 * Its list of free pages is not known; the one before it would call pages free that it took.
 */
export function findNextDirectory(descriptor: number, head: Head): Head | undefined {
  const transaction = head.transaction + 1;
  const pages = new LmdbPages(descriptor, head.pageBytes);
  const found: number[] = [];
  let lastPage = head.lastPage;
  for (let number = 2; number < pages.count; number += 1) {
    const page = pages.read(number);
    if (page === undefined || readPageTransaction(page, number) !== transaction) continue;
    lastPage = Math.max(lastPage, number);
    if (headerFault(page, number, 'leaf', transaction) === undefined && isDirectory(page)) found.push(number);
  }
  const [root, another] = found;
  if (root === undefined || another !== undefined) return undefined;
  const page = pages.read(root);
  const entries = page === undefined ? 0 : readLeafPage(page).nodes.length;
  const one = { flags: 0, depth: 1, branchPages: 0, leafPages: 1, overflowPages: 0 };
  const free = { ...one, depth: 0, leafPages: 0, entries: 0, root: noPage };
  return { ...head, transaction, lastPage, free, tables: { ...one, entries, root } };
}

function isDirectory(page: Buffer): boolean {
  const { nodes, fault } = readLeafPage(page);
  const known = new Set<string>(tableNames);
  return (
    fault === undefined &&
    nodes.every(
      (node) => node?.value.kind === 'tree' && known.has(node.key.toString('utf8').replace(/\0$/, '')),
    )
  );
}
