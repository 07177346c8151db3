import { closeSync, openSync } from 'node:fs';
import { readAnyHead } from './lmdb-heads.js';

/** Number of the last transaction; 0 for a file that has none. Throws the errors of the file system. */
export function readNewestTransaction(file: string): number {
  const descriptor = openSync(file, 'r');
  try {
    return readAnyHead(descriptor)?.transaction ?? 0;
  } finally {
    closeSync(descriptor);
  }
}
