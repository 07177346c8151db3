import { closeSync, openSync } from 'node:fs';
import type { Head, Tree } from './lmdb-format.js';
import { takeFreePages } from './lmdb-free-list.js';
import { readAnyHead, readHeads } from './lmdb-heads.js';
import { findNextDirectory } from './lmdb-next-directory.js';
import { readOrphans } from './lmdb-orphans.js';
import { LmdbPages } from './lmdb-pages.js';
import { type Gap, LmdbWalk, type WalkedTree } from './lmdb-walk.js';
import { isSealed, sealBytes, seedOf } from './record-seal.js';
import { tableNames } from './table-names.js';

/** What was found in one table. */
export interface SurveyedTable {
  readonly name: string;
  /** Entries that are what was written. */
  readonly entries: number;
  /** How many there should be; undefined: that is not known. */
  readonly expected: number | undefined;
  /** Where some are missing. */
  readonly gaps: readonly Gap[];
}

export interface Survey {
  /** `foreign`: no file of the engine. `lost`: nothing of it can be read. `damaged`: a part cannot. */
  readonly state: 'whole' | 'damaged' | 'lost' | 'foreign';
  readonly faults: readonly string[];
  readonly tables: readonly SurveyedTable[];
  /** Records carry checksums: it is not of the version before. */
  readonly sealed: boolean;
  /** Number of its last one. */
  readonly transaction: number;
}

/** Takes entries that are what was written, table by table. `value` is without its checksum. */
export type TakeEntry = (table: string, key: Buffer, value: Buffer) => void;

/**
 * Reads all of a store that is not open, without the engine: that ends the process over a page that makes no sense,
 * and serves what it finds on one that makes another. Payloads of the spool are many and large, and checked when
 * they are read: they are passed over.
 */
export function surveyStore(file: string): Survey {
  return withFile(file, (descriptor) => {
    const found = survey(descriptor, { sealed: true });
    const isOld = !found.sealed && found.tables.every(({ name }) => name !== 'format');
    return isOld && found.state === 'damaged' ? survey(descriptor, { sealed: false }) : found;
  });
}

/** As `surveyStore`, with the payloads, and hands over all that can be read. */
export function copyStore(file: string, sealed: boolean, take: TakeEntry): Survey {
  return withFile(file, (descriptor) => survey(descriptor, { sealed, take }));
}

interface SurveyOptions {
  readonly sealed: boolean;
  readonly take?: TakeEntry;
}

function withFile<Result>(file: string, run: (descriptor: number) => Result): Result {
  const descriptor = openSync(file, 'r');
  try {
    return run(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function survey(descriptor: number, options: SurveyOptions): Survey {
  const nothing = { tables: [], sealed: false, transaction: 0 };
  if (readAnyHead(descriptor) === undefined) {
    return { ...nothing, state: 'foreign', faults: ['it is not a database of this hub'] };
  }
  const heads = readHeads(descriptor);
  if (heads === undefined) {
    return { ...nothing, state: 'lost', faults: ['neither of its heads can be believed'] };
  }
  const { head, fault } = heads;
  if (fault === undefined) return surveyFrom(descriptor, head, [], options);
  // The head that cannot be believed may have been that of one transaction later, which is on disk before its head is.
  const newest = findNextDirectory(descriptor, head) ?? head;
  return surveyFrom(descriptor, newest, [fault], options);
}

function surveyFrom(
  descriptor: number,
  head: Head,
  headFaults: readonly string[],
  { sealed, take }: SurveyOptions,
): Survey {
  const pages = new LmdbPages(descriptor, head.pageBytes);
  const free = takeFreePages(pages, head.free, head);
  const trees: (readonly [string, Tree])[] = [];
  const directory = new LmdbWalk(pages, head.transaction, {
    entry: () => false,
    tree: (name, tree) => void trees.push([name.toString('utf8').replace(/\0$/, ''), tree]),
  }).walk(head.tables);
  const faults = [
    ...headFaults,
    ...free.map((fault) => `list of free pages: ${fault}`),
    ...directory.faults.map((fault) => `list of tables: ${fault}`),
  ];
  const tables: SurveyedTable[] = [];
  let seals = 0;
  for (const [listed, tree] of trees) {
    const reader = new TableReader(listed, sealed, take);
    const walked = reader.walk(pages, head.transaction, tree);
    const { name } = reader;
    seals += reader.seals;
    if (name !== listed) faults.push(`table ${name}: its name is damaged`);
    faults.push(...walked.faults.map((fault) => `table ${name}: ${fault}`));
    tables.push({ name, entries: walked.entries, expected: tree.entries, gaps: walked.gaps });
  }
  if (directory.faults.length > 0) tables.push(...unlisted(tables));
  const found = sealed && free.length === 0 ? readOrphans(pages, head, tables, take ?? (() => {})) : tables;
  const entries = found.reduce((sum, table) => sum + table.entries, 0);
  const state = faults.length === 0 ? 'whole' : entries === 0 ? 'lost' : 'damaged';
  return { state, faults, tables: found, sealed: seals > 0, transaction: head.transaction };
}

/** A table that is not in the list may never have been made; one that is not in a damaged list may have been. */
function unlisted(tables: readonly SurveyedTable[]): readonly SurveyedTable[] {
  const known = new Set(tables.map(({ name }) => name));
  const gaps = [{ after: undefined, before: undefined }];
  return tableNames
    .filter((name) => !known.has(name))
    .map((name) => ({ name, entries: 0, expected: undefined, gaps }));
}

/** Checks the records of one table. A name that is damaged is found again by the checksums of its records. */
class TableReader {
  name: string;
  seals = 0;
  readonly #sealed: boolean;
  readonly #take: TakeEntry | undefined;
  #seed: number;
  #isNamed: boolean;

  constructor(listed: string, sealed: boolean, take: TakeEntry | undefined) {
    this.name = listed;
    this.#sealed = sealed;
    this.#take = take;
    this.#seed = seedOf(listed);
    this.#isNamed = (tableNames as readonly string[]).includes(listed);
  }

  walk(pages: LmdbPages, transaction: number, tree: Tree): WalkedTree {
    const skipLargeValues = this.name === 'spool-payloads' && this.#take === undefined;
    const entry = (key: Buffer, record: Buffer | undefined) => this.#entry(key, record);
    const walk = new LmdbWalk(pages, transaction, { entry, skipLargeValues });
    return tree.flags === 0 ? walk.walk(tree) : walk.giveUp('its flags are damaged');
  }

  #entry(key: Buffer, record: Buffer | undefined): boolean {
    if (record === undefined) return true;
    if (!this.#sealed) {
      this.#take?.(this.name, key, record);
      return true;
    }
    if (!this.#isNamed) this.#findName(key, record);
    if (!isSealed(this.#seed, key, record)) return false;
    this.seals += 1;
    this.#take?.(this.name, key, record.subarray(sealBytes));
    return true;
  }

  /** Of a later version, if the name is its own. */
  #findName(key: Buffer, record: Buffer): void {
    const name = [this.name, ...tableNames].find((one) => isSealed(seedOf(one), key, record));
    if (name === undefined) return;
    this.name = name;
    this.#seed = seedOf(name);
    this.#isNamed = true;
  }
}
