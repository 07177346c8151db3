import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/*
 * The engine does not survive a file that is none of its own or that was cut short (a backup that broke off,
 * a wrong file copied here): it ends the process without a word. So the file is looked at first.
 *
 * Start of each of the two first pages, little-endian on every platform we have binaries for:
 *   24  magic number            4 bytes
 *   48  bytes in a page         4 bytes
 *   88  root of the free list   8 bytes, all ones when there is none
 *  136  root of the tables      8 bytes, the same
 *  152  transaction             8 bytes, the page with the greater one counts
 *
 * The number of the last page says nothing about the length of the file: pages at its end that were taken and
 * given back in one transaction are never written. The roots are.
 */
const headBytes = 160;
const magicNumber = 0xbeefc0de;
const noPage = 2n ** 64n - 1n;

interface Head {
  readonly pageBytes: number;
  readonly roots: readonly bigint[];
  readonly transaction: number;
}

/** Why the engine must not open the file; undefined: it may. An empty file is a new one. */
export function findLmdbFileFault(file: string): string | undefined {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size === 0) return undefined;
    const first = readHead(descriptor, 0);
    if (first === undefined) return 'it is not a database of this hub';
    const second = readHead(descriptor, first.pageBytes);
    if (second === undefined) return 'it is damaged';
    const newest = first.transaction > second.transaction ? first : second;
    const pages = BigInt(Math.floor(size / newest.pageBytes));
    return newest.roots.some((root) => root !== noPage && root >= pages)
      ? 'it has been cut short'
      : undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** Number of the last transaction; 0 for a file that has none. Throws the errors of the file system. */
export function readNewestTransaction(file: string): number {
  const descriptor = openSync(file, 'r');
  try {
    const first = readHead(descriptor, 0);
    const second = first && readHead(descriptor, first.pageBytes);
    return Math.max(first?.transaction ?? 0, second?.transaction ?? 0);
  } finally {
    closeSync(descriptor);
  }
}

function readHead(descriptor: number, offset: number): Head | undefined {
  const bytes = Buffer.alloc(headBytes);
  if (readSync(descriptor, bytes, 0, headBytes, offset) < headBytes) return undefined;
  const pageBytes = bytes.readUInt32LE(48);
  if (bytes.readUInt32LE(24) !== magicNumber || pageBytes < 512 || pageBytes > 65_536) return undefined;
  return {
    pageBytes,
    roots: [bytes.readBigUInt64LE(88), bytes.readBigUInt64LE(136)],
    transaction: Number(bytes.readBigUInt64LE(152)),
  };
}
