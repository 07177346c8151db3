import { readSync } from 'node:fs';
import { type Head, readHead, readPageTransaction } from './lmdb-format.js';

export interface Heads {
  /** The one that counts, as far as can be told. */
  readonly head: Head;
  /** The other cannot be believed: it may have been the newer. */
  readonly fault: string | undefined;
}

const pageBytesMin = 512;
const pageBytesMax = 65_536;
const headBytes = 168;

/**
 * What the two heads of a file say; undefined: there is none that can be believed, and no file of the engine if
 * `readAnyHead` finds none either.
 *
 * Transaction n writes head n modulo 2 and, with every change to a table, the root of the list of tables, which bears
 * its number. The engine just takes the head with the greater number: a bit that turns in it would take the hub back
 * by a transaction without a word.
 */
export function readHeads(descriptor: number): Heads | undefined {
  const { first, second } = readBoth(descriptor);
  const credible = [first, second].filter(
    (head, place): head is Head => head !== undefined && isCredible(descriptor, head, place),
  );
  const [one, other] = credible.sort((a, b) => b.transaction - a.transaction);
  if (one === undefined) return undefined;
  if (other === undefined) return { head: one, fault: 'one of its heads cannot be believed' };
  if (one.transaction - other.transaction > 1)
    return { head: one, fault: 'its heads are too far from each other' };
  const agree = one.flags === other.flags && one.pageBytes === other.pageBytes;
  return { head: one, fault: agree ? undefined : 'its heads contradict each other' };
}

/** Undefined: this is no file of the engine. */
export function readAnyHead(descriptor: number): Head | undefined {
  const { first, second } = readBoth(descriptor);
  if (first === undefined || second === undefined) return first ?? second;
  return first.transaction > second.transaction ? first : second;
}

function readBoth(descriptor: number): {
  readonly first: Head | undefined;
  readonly second: Head | undefined;
} {
  const first = readAt(descriptor, 0);
  const second = first === undefined ? findSecond(descriptor) : readAt(descriptor, first.pageBytes);
  return { first, second };
}

/** A new file has two heads of transaction 0. */
function isCredible(descriptor: number, head: Head, place: number): boolean {
  const { transaction, pageBytes, lastPage, tables } = head;
  if (transaction === 0) return true;
  if (transaction % 2 !== place || tables.root < 2 || tables.root > lastPage) return false;
  const root = Buffer.alloc(16);
  // A root that is missing or damaged says nothing about the head.
  if (readSync(descriptor, root, 0, root.length, tables.root * pageBytes) < root.length) return true;
  const written = readPageTransaction(root, tables.root);
  return written === undefined || written === transaction;
}

function findSecond(descriptor: number): Head | undefined {
  for (let offset = pageBytesMin; offset <= pageBytesMax; offset *= 2) {
    const head = readAt(descriptor, offset);
    if (head?.pageBytes === offset) return head;
  }
  return undefined;
}

function readAt(descriptor: number, offset: number): Head | undefined {
  const bytes = Buffer.alloc(headBytes);
  return readSync(descriptor, bytes, 0, headBytes, offset) < headBytes ? undefined : readHead(bytes);
}
