import { chmod, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../std/make-folder.js';

/** Files written at the same time: enough to hide the disk, few enough for small descriptor tables. */
const parallelMax = 32;

export interface FileWrite {
  readonly path: string;
  /** Undefined: the file goes away. */
  readonly bytes: Buffer | undefined;
}

/** Readable by its owner only, also when it is there already. */
export async function makePrivateFolder(path: string): Promise<void> {
  await makeFolder(path, 0o700);
  await chmod(path, 0o700);
}

/**
 * Each file is replaced as a whole, mode 0600, and all of them survive a power cut once this resolves. A
 * crash in between leaves some replaced, and `*.tmp` files behind.
 */
export async function writeDurably(writes: readonly FileWrite[]): Promise<void> {
  for (let start = 0; start < writes.length; start += parallelMax) {
    await Promise.all(writes.slice(start, start + parallelMax).map(writeOne));
  }
  await Promise.all([...new Set(writes.map(({ path }) => dirname(path)))].map(syncFolder));
}

async function writeOne({ path, bytes }: FileWrite): Promise<void> {
  if (bytes === undefined) {
    await rm(path, { force: true });
    return;
  }
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
