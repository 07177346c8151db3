import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';

/** What `identity.json` says about the store that this data folder had last. */
export interface IdentityNote {
  readonly id: string;
  /** The store was at least as far: its transactions are numbered, and a backup has a lower number. */
  readonly transaction: number;
  /** There was an analytics file. */
  readonly analytics: boolean;
}

const shape = z.object({
  id: z.string().min(1),
  transaction: z.number().int().nonnegative(),
  analytics: z.boolean(),
});
const written = shape.extend({ checksum: z.string() });

/** Rejects with the errors of the file system. `damaged`: there is one, and it cannot be believed. */
export async function readIdentityNote(path: string): Promise<IdentityNote | 'damaged' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
  try {
    const { checksum, ...note } = written.parse(JSON.parse(text));
    return checksum === checksumOf(note) ? note : 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Durable when it resolves; a crash leaves the old one or the new one. */
export async function writeIdentityNote(path: string, note: IdentityNote): Promise<void> {
  const { id, transaction, analytics } = note;
  const text = JSON.stringify({ id, transaction, analytics, checksum: checksumOf(note) }, null, 2);
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(`${text}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function checksumOf({ id, transaction, analytics }: IdentityNote): string {
  return crc32(JSON.stringify([id, transaction, analytics]))
    .toString(16)
    .padStart(8, '0');
}
