import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Creates a folder and what is missing above it; false: it was there. Rejects with the system's error.
 *
 * Not `mkdir` with `recursive`: where the parent exists but refuses new entries by saying "not found", as
 * /proc does, Node asks for ever.
 */
export async function makeFolder(path: string, mode: number): Promise<boolean> {
  try {
    return await makeOne(path, mode);
  } catch (thrown) {
    const parent = dirname(path);
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw thrown;
    await makeFolder(parent, mode);
    // Somebody else may have made the parent, or this folder, meanwhile; a second refusal is final.
    return makeOne(path, mode);
  }
}

async function makeOne(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (thrown) {
    const there = (thrown as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(path)).isDirectory();
    if (!there) throw thrown;
    return false;
  }
}
