import {
  type BranchNode,
  headerFault,
  type LeafNode,
  noPage,
  overflowPagesOf,
  pageHeaderBytes,
  readBranchPage,
  readLeafPage,
  type Tree,
} from './lmdb-format.js';
import type { LmdbPages } from './lmdb-pages.js';

/** A place between two entries that can be read, where others were; undefined: the start or the end. */
export interface Gap {
  readonly after: Buffer | undefined;
  readonly before: Buffer | undefined;
}

export interface WalkHandler {
  /** In the order of the keys. False: it is not what was written. `value` undefined: it cannot be read. */
  readonly entry: (key: Buffer, value: Buffer | undefined) => boolean;
  /** Entries that are a tree of their own; default: there are none. */
  readonly tree?: (key: Buffer, tree: Tree) => void;
  /** Large values need not be read: `value` is then undefined, and what `entry` answers counts all the same. */
  readonly skipLargeValues?: boolean;
}

export interface WalkedTree {
  readonly faults: readonly string[];
  readonly gaps: readonly Gap[];
  /** That were handed over and are what was written. */
  readonly entries: number;
}

interface Bounds {
  readonly from: Buffer | undefined;
  readonly to: Buffer | undefined;
}

const treeDepthMax = 32;

/**
 * Reads a tree from its root, page by page, and believes nothing: that a page is the one that was asked for, belongs
 * to nobody else, is not newer than the file, that its nodes fill it, that keys ascend and stay between those of the
 * page above, that there are as many pages and entries as the tree says.
 *
 * A page that fails is left out with all below it; an entry that fails is left out. Where one is left out is a gap.
 */
export class LmdbWalk {
  readonly #pages: LmdbPages;
  readonly #transaction: number;
  readonly #handler: WalkHandler;
  readonly #compare: (a: Buffer, b: Buffer) => number;
  readonly #faults: string[] = [];
  readonly #gaps: Gap[] = [];
  #counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
  #whole = 0;
  #last: Buffer | undefined;
  /** Begins behind the last entry that could be read when it was opened. */
  #gap: { readonly after: Buffer | undefined } | undefined;
  /** Pages on the way of which it is not known where something is missing: all of them is a gap. */
  #doubtful = 0;

  constructor(
    pages: LmdbPages,
    transaction: number,
    handler: WalkHandler,
    compare: (a: Buffer, b: Buffer) => number = Buffer.compare,
  ) {
    this.#pages = pages;
    this.#transaction = transaction;
    this.#handler = handler;
    this.#compare = compare;
  }

  walk(tree: Tree): WalkedTree {
    const isEmpty = tree.root === noPage;
    if (tree.depth > treeDepthMax || (isEmpty ? tree.depth !== 0 : tree.depth === 0)) {
      this.#lose('the tree has an impossible depth');
    } else if (!isEmpty) this.#page(tree.root, tree.depth, { from: undefined, to: undefined });
    this.#closeGap(undefined);
    if (this.#faults.length === 0) {
      for (const name of ['branchPages', 'leafPages', 'overflowPages', 'entries'] as const) {
        if (this.#counts[name] !== tree[name]) this.#faults.push(`it has another number of ${name}`);
      }
    }
    return { faults: this.#faults, gaps: this.#gaps, entries: this.#whole };
  }

  /** Nothing of it can be believed. */
  giveUp(fault: string): WalkedTree {
    this.#lose(fault);
    this.#closeGap(undefined);
    return { faults: this.#faults, gaps: this.#gaps, entries: 0 };
  }

  #page(number: number, depth: number, bounds: Bounds): void {
    const kind = depth > 1 ? 'branch' : 'leaf';
    const page = this.#pages.read(number);
    const fault = page === undefined ? 'it is not in the file' : this.#claim(page, number, kind);
    if (page === undefined || fault !== undefined) this.#lose(`page ${number}: ${fault}`);
    else if (kind === 'branch') this.#branch(number, page, depth, bounds);
    else this.#leaf(number, page, bounds);
  }

  #claim(page: Buffer, number: number, kind: 'branch' | 'leaf'): string | undefined {
    const fault = headerFault(page, number, kind, this.#transaction);
    if (fault !== undefined) return fault;
    return this.#pages.take(number, 'live') ? undefined : 'it is used twice';
  }

  #branch(number: number, page: Buffer, depth: number, bounds: Bounds): void {
    this.#counts.branchPages += 1;
    const { nodes, fault } = readBranchPage(page);
    this.#visit(number, fault, () => {
      // The first child has no lower bound but that of the page itself.
      const starts = nodes.map((node, index) => (index === 0 ? bounds.from : node?.key));
      for (const [index, node] of nodes.entries()) {
        const from = starts[index];
        if (node === undefined || !this.#fits(index, node, starts, bounds)) {
          this.#lose(`page ${number}: a child cannot be found`);
          continue;
        }
        const to = index + 1 < nodes.length ? starts[index + 1] : bounds.to;
        this.#page(node.child, depth - 1, { from, to });
      }
    });
  }

  #fits(index: number, node: BranchNode, starts: readonly (Buffer | undefined)[], bounds: Bounds): boolean {
    if (index === 0) return true;
    const before = starts[index - 1];
    if (before !== undefined && this.#compare(before, node.key) >= 0) return false;
    if (bounds.from !== undefined && this.#compare(bounds.from, node.key) >= 0) return false;
    return bounds.to === undefined || this.#compare(node.key, bounds.to) < 0;
  }

  #leaf(number: number, page: Buffer, bounds: Bounds): void {
    this.#counts.leafPages += 1;
    const { nodes, fault } = readLeafPage(page);
    this.#visit(number, fault, () => {
      for (const node of nodes) {
        this.#counts.entries += 1;
        const why = node === undefined ? 'an entry makes no sense' : this.#entry(node, bounds);
        if (why !== undefined) this.#lose(`page ${number}: ${why}`);
      }
    });
  }

  #visit(number: number, fault: string | undefined, run: () => void): void {
    if (fault === undefined) {
      run();
      return;
    }
    this.#lose(`page ${number}: ${fault}`);
    this.#doubtful += 1;
    run();
    this.#doubtful -= 1;
  }

  /** Why it is none; undefined: it was handed over. */
  #entry({ key, value }: LeafNode, bounds: Bounds): string | undefined {
    const isLate = this.#last !== undefined && this.#compare(key, this.#last) <= 0;
    const isBelow = bounds.from !== undefined && this.#compare(key, bounds.from) < 0;
    const isAbove = bounds.to !== undefined && this.#compare(key, bounds.to) >= 0;
    if (isLate || isBelow || isAbove) return 'an entry is out of order';
    if (value.kind === 'tree') {
      if (this.#handler.tree === undefined) return 'an entry is a tree';
      this.#handler.tree(key, value.tree);
    } else {
      const bytes = value.kind === 'here' ? value.bytes : this.#large(value);
      if (typeof bytes === 'string') return bytes;
      if (!this.#handler.entry(key, bytes)) return 'an entry is not what was written';
    }
    this.#closeGap(key);
    this.#whole += 1;
    this.#last = key;
    return undefined;
  }

  #large(value: { readonly bytes: number; readonly page: number; readonly pages: number }) {
    const { page, pages, bytes } = value;
    const { pageBytes } = this.#pages;
    if (pages !== Math.ceil((pageHeaderBytes + bytes) / pageBytes)) return 'a large value has a wrong size';
    const wanted = this.#handler.skipLargeValues === true ? 1 : pages;
    const read = this.#pages.read(page, wanted);
    if (read === undefined) return 'a large value is not in the file';
    const wrong = headerFault(read, page, 'overflow', this.#transaction);
    if (wrong !== undefined) return `large value at page ${page}: ${wrong}`;
    if (overflowPagesOf(read) !== pages || !this.#pages.take(page, 'live', pages)) {
      return 'a large value is not where it should be';
    }
    this.#counts.overflowPages += pages;
    if (wanted !== pages) return undefined;
    return read.subarray(pageHeaderBytes, pageHeaderBytes + bytes);
  }

  #lose(fault: string): void {
    this.#faults.push(fault);
    this.#gap ??= { after: this.#last };
  }

  #closeGap(before: Buffer | undefined): void {
    if (this.#gap === undefined || this.#doubtful > 0) return;
    this.#gaps.push({ after: this.#gap.after, before });
    this.#gap = undefined;
  }
}
