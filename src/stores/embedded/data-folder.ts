import { randomBytes } from 'node:crypto';
import { chmod, open, readdir, realpath, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import { makeFolder } from '../../std/make-folder.js';
import { lockFolder } from './folder-lock.js';

/** The folder that holds everything an embedded hub keeps. One process at a time. */
export interface DataFolder {
  readonly path: string;
  /** Absolute path of a file in the folder. */
  file(name: string): string;
  /** Lets another process have the folder. */
  close(): Promise<void>;
}

/**
 * Creates the folder if needed, checks that it can be written, and takes it for this process. The claim
 * ends with the process, also after kill -9.
 *
 * Rejects with DATA_FOLDER_UNUSABLE or, naming the holder, with DATA_FOLDER_LOCKED.
 */
export async function openDataFolder(givenPath: string): Promise<DataFolder> {
  const path = await prepare(resolve(givenPath));
  const result = await lockFolder(path).catch((error: unknown) => {
    throw unusable(path, error);
  });
  if ('lock' in result) {
    return { path, file: (name) => join(path, name), close: () => result.lock.release() };
  }
  const { holder } = result;
  const who =
    holder === undefined
      ? 'another hub, which does not answer'
      : `the hub with process id ${holder.pid} on host ${holder.host}`;
  throw new CausewayError('DATA_FOLDER_LOCKED', `the data folder ${path} is in use by ${who}`);
}

/** Access keys and certificates are in there: nobody but the owner reads them. */
const folderMode = 0o700;
const fileMode = 0o600;

async function prepare(path: string): Promise<string> {
  try {
    const created = await makeFolder(path, folderMode);
    const real = await realpath(path);
    // A folder made for us by a person or a volume is empty at first; one with other things in it keeps
    // its mode, because it may be meant to be shared.
    if (!created && (await readdir(real)).length === 0) await chmod(real, folderMode).catch(() => {});
    await checkWritable(join(real, `write-check-${randomBytes(8).toString('hex')}`));
    return real;
  } catch (error) {
    throw unusable(path, error);
  }
}

async function checkWritable(file: string): Promise<void> {
  const handle = await open(file, 'w', fileMode);
  try {
    await handle.write('causeway');
    await handle.sync();
  } finally {
    await handle.close();
    await unlink(file);
  }
}

function unusable(path: string, error: unknown): CausewayError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const reason = reasons[code] ?? 'it cannot be written';
  return new CausewayError('DATA_FOLDER_UNUSABLE', `the data folder ${path} cannot be used: ${reason}`, {
    detail: describeError(error),
    cause: error,
  });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (EACCES)',
  EPERM: 'not permitted (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
  ENOSPC: 'no space is left (ENOSPC)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  ENOTDIR: 'a part of the path is not a folder (ENOTDIR)',
  EEXIST: 'there is a file of that name (EEXIST)',
  ELOOP: 'the path has a loop of links (ELOOP)',
  ENAMETOOLONG: 'the path is too long (ENAMETOOLONG)',
  ENOTSUP: 'the file system has no local sockets, use a local disk (ENOTSUP)',
  EOPNOTSUPP: 'the file system has no local sockets, use a local disk (EOPNOTSUPP)',
};
