/*
 * The parts of LMDB's file format that this hub reads by itself, little-endian on every platform we have binaries
 * for. Source: mdb.c of the engine, data version 2 with 64-bit page numbers.
 *
 * Page header (24 bytes), then pointers to nodes (2 bytes each, counted from the end of the header):
 *    0  number of the page       8 bytes
 *    8  transaction              8 bytes, that wrote it
 *   18  flags                    2 bytes
 *   20  end of the pointers      2 bytes, counted from the end of the header   } with overflow pages, how many
 *   22  start of the nodes       2 bytes, the same                            } there are, 4 bytes
 *
 * Node: low and high half of the size of its value (2 bytes each), flags (2 bytes), size of its key (2 bytes), key,
 * value. In a branch page the first three are the number of the child. Nodes start at even offsets and lie without
 * gaps at the end of their page. A large value stands in overflow pages of its own, behind one header; the node has
 * the first page, the transaction and the number of pages (8 bytes each) instead.
 *
 * Tree (48 bytes): page size or 0 (4), flags (2), depth (2), branch pages, leaf pages, overflow pages, entries, root
 * (8 each; all ones: the tree is empty).
 *
 * The first two pages are heads; transaction n writes the head n modulo 2:
 *   24  magic number             4 bytes
 *   28  version                  4 bytes
 *   32  address of the mapping   8 bytes, 0
 *   40  bytes of the mapping     8 bytes
 *   48  tree of free pages       48 bytes, its first field is the size of a page
 *   96  tree of tables           48 bytes, name to tree
 *  144  last page                8 bytes
 *  152  transaction              8 bytes
 */
export const pageHeaderBytes = 24;
export const noPage = Number.POSITIVE_INFINITY;

const magicNumber = 0xbeefc0de;
const dataVersion = 2;
const headBytes = 168;
/** 64 TiB. */
const mappedBytesMax = 2 ** 46;
const nodeHeaderBytes = 8;
const overflowReferenceBytes = 24;

const pageFlags = { branch: 0x01, leaf: 0x02, overflow: 0x04, head: 0x08 } as const;
const nodeFlags = { large: 0x01, tree: 0x02 } as const;

export interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  readonly root: number;
}

export interface Head {
  readonly pageBytes: number;
  /** Of the environment. */
  readonly flags: number;
  readonly free: Tree;
  readonly tables: Tree;
  readonly lastPage: number;
  readonly transaction: number;
}

/** Where a value is: in its node, in overflow pages, or it is a tree. */
export type NodeValue =
  | { readonly kind: 'here'; readonly bytes: Buffer }
  | { readonly kind: 'tree'; readonly tree: Tree }
  | {
      readonly kind: 'large';
      readonly bytes: number;
      readonly page: number;
      readonly pages: number;
    };

export interface LeafNode {
  readonly key: Buffer;
  readonly value: NodeValue;
}

export interface BranchNode {
  readonly key: Buffer;
  readonly child: number;
}

/** Nodes that make sense, in their order; undefined where one does not. */
export interface Page<Node> {
  readonly nodes: readonly (Node | undefined)[];
  readonly fault: string | undefined;
}

/** Numbers above 2^53 are none that a file can have: they come out as `noPage`, which no check lets pass. */
export function readNumber(bytes: Buffer, offset: number): number {
  const high = bytes.readUInt32LE(offset + 4);
  return high >= 2 ** 21 ? noPage : bytes.readUInt32LE(offset) + high * 2 ** 32;
}

/** undefined: these bytes are no head. */
export function readHead(bytes: Buffer): Head | undefined {
  if (bytes.length < headBytes) return undefined;
  const pageBytes = bytes.readUInt32LE(48);
  if (bytes.readUInt32LE(24) !== magicNumber || bytes.readUInt32LE(28) !== dataVersion) return undefined;
  if (bytes.readUInt16LE(18) !== pageFlags.head) return undefined;
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return undefined;
  const lastPage = readNumber(bytes, 144);
  const mappedBytes = readNumber(bytes, 40);
  const fixedAddress = readNumber(bytes, 32);
  // The engine maps as much as this says, at the address that this says.
  if (fixedAddress !== 0 || mappedBytes > mappedBytesMax || mappedBytes % pageBytes !== 0) return undefined;
  if (mappedBytes < (lastPage + 1) * pageBytes) return undefined;
  const tables = readTree(bytes, 96);
  if (tables.flags !== 0) return undefined;
  return {
    pageBytes,
    flags: bytes.readUInt16LE(52),
    free: readTree(bytes, 48),
    tables,
    lastPage,
    transaction: readNumber(bytes, 152),
  };
}

/** Which transaction wrote the page; undefined: it is another page. */
export function readPageTransaction(page: Buffer, number: number): number | undefined {
  return readNumber(page, 0) === number ? readNumber(page, 8) : undefined;
}

export function readTree(bytes: Buffer, offset: number): Tree {
  return {
    flags: bytes.readUInt16LE(offset + 4),
    depth: bytes.readUInt16LE(offset + 6),
    branchPages: readNumber(bytes, offset + 8),
    leafPages: readNumber(bytes, offset + 16),
    overflowPages: readNumber(bytes, offset + 24),
    entries: readNumber(bytes, offset + 32),
    root: readNumber(bytes, offset + 40),
  };
}

/** What is wrong with the header of a page; undefined: nothing. */
export function headerFault(
  page: Buffer,
  number: number,
  kind: 'branch' | 'leaf' | 'overflow',
  newestTransaction: number,
): string | undefined {
  if (readNumber(page, 0) !== number) return 'it has the number of another page';
  if (readNumber(page, 8) > newestTransaction) return 'it is newer than the file';
  if (page.readUInt16LE(18) !== pageFlags[kind]) return `it is no ${kind} page`;
  return undefined;
}

export function overflowPagesOf(page: Buffer): number {
  return page.readUInt32LE(20);
}

export function readLeafPage(page: Buffer): Page<LeafNode> {
  return readPage(page, (node) => {
    const flags = node.readUInt16LE(4);
    const keyBytes = node.readUInt16LE(6);
    const valueBytes = node.readUInt16LE(0) + node.readUInt16LE(2) * 2 ** 16;
    const here = flags === nodeFlags.large ? overflowReferenceBytes : valueBytes;
    const end = nodeHeaderBytes + keyBytes + here;
    if (end > node.length || keyBytes === 0) return undefined;
    const key = node.subarray(nodeHeaderBytes, nodeHeaderBytes + keyBytes);
    const value = node.subarray(nodeHeaderBytes + keyBytes, end);
    const read = readValue(flags, value, valueBytes);
    return read === undefined ? undefined : { bytes: end, node: { key, value: read } };
  });
}

export function readBranchPage(page: Buffer): Page<BranchNode> {
  return readPage(page, (node) => {
    const keyBytes = node.readUInt16LE(6);
    const end = nodeHeaderBytes + keyBytes;
    if (end > node.length) return undefined;
    const child = node.readUInt16LE(0) + node.readUInt16LE(2) * 2 ** 16 + node.readUInt16LE(4) * 2 ** 32;
    return { bytes: end, node: { key: node.subarray(nodeHeaderBytes, end), child } };
  });
}

function readValue(flags: number, value: Buffer, valueBytes: number): NodeValue | undefined {
  if (flags === 0) return { kind: 'here', bytes: value };
  if (flags === nodeFlags.tree) {
    return value.length === 48 ? { kind: 'tree', tree: readTree(value, 0) } : undefined;
  }
  if (flags !== nodeFlags.large) return undefined;
  return { kind: 'large', bytes: valueBytes, page: readNumber(value, 0), pages: readNumber(value, 16) };
}

/** Nodes fill the end of a page: one that overlaps another, or a gap, says that a pointer or a size is wrong. */
function readPage<Node>(
  page: Buffer,
  read: (bytes: Buffer) => { readonly bytes: number; readonly node: Node } | undefined,
): Page<Node> {
  const room = page.length - pageHeaderBytes;
  const pointersEnd = page.readUInt16LE(20);
  const nodesStart = page.readUInt16LE(22);
  if (pointersEnd % 2 !== 0 || pointersEnd > nodesStart || nodesStart > room || pointersEnd === 0) {
    return { nodes: [], fault: 'its bounds make no sense' };
  }
  const nodes: (Node | undefined)[] = [];
  const taken = new Set<number>();
  let fault: string | undefined;
  let total = 0;
  for (let at = pageHeaderBytes; at < pageHeaderBytes + pointersEnd; at += 2) {
    const pointer = page.readUInt16LE(at);
    const fits = pointer >= nodesStart && pointer % 2 === 0 && pointer + nodeHeaderBytes <= room;
    const found = fits && !taken.has(pointer) ? read(page.subarray(pageHeaderBytes + pointer)) : undefined;
    taken.add(pointer);
    if (found === undefined) fault = 'one of its nodes makes no sense';
    else total += found.bytes + (found.bytes % 2);
    nodes.push(found?.node);
  }
  if (total !== room - nodesStart) fault ??= 'its nodes overlap or have gaps';
  return { nodes, fault };
}
