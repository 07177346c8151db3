import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describeError } from '../../errors/causeway-error.js';
import type { Log } from '../../ports/log.js';
import { catalogFolders } from './decode-file.js';
import { isCatalogFile } from './file-table.js';

interface ArmedWatch {
  /** Device and inode: a folder that was swapped for another of the same name needs a new watch. */
  readonly identity: string;
  readonly watcher: FSWatcher;
}

/**
 * Says which files of a catalog folder were touched, as soon as the system tells and with nothing held back.
 *
 * One watch for each folder, not one for each file: a watch per file costs a second and 40 MB at 5,000 files and
 * meets the system's bound on watches. A library that merges the events of a file (chokidar drops a change within
 * 50 ms of the one before) loses the second of two quick saves, so the plain events of the platform are used: they
 * are only a hint where to look, and the periodic comparison heals those that are lost.
 */
export class FolderWatcher {
  readonly #path: string;
  readonly #log: Log;
  /** `source` undefined: anything may have changed. */
  readonly #onTouched: (source: string | undefined) => void;
  readonly #armed = new Map<string, ArmedWatch>();
  #arming: Promise<boolean> = Promise.resolve(false);
  #stopped = false;
  #complained = false;

  constructor(path: string, log: Log, onTouched: (source: string | undefined) => void) {
    this.#path = path;
    this.#log = log;
    this.#onTouched = onTouched;
  }

  /** False when the system refuses watches: then only comparing helps. */
  get working(): boolean {
    return !this.#complained;
  }

  /** Watches the folders that are there now. True when a watch is new, so that events before it went unseen. */
  arm(): Promise<boolean> {
    this.#arming = this.#arming.then(() => this.#armAll());
    return this.#arming;
  }

  stop(): void {
    this.#stopped = true;
    for (const folder of [...this.#armed.keys()]) this.#disarm(folder);
  }

  async #armAll(): Promise<boolean> {
    let renewed = false;
    for (const folder of ['', ...catalogFolders]) {
      if (await this.#armFolder(folder)) renewed = true;
    }
    return renewed;
  }

  async #armFolder(folder: string): Promise<boolean> {
    const path = join(this.#path, folder);
    const identity = await identityOf(path);
    if (this.#stopped || identity === this.#armed.get(folder)?.identity) return false;
    this.#disarm(folder);
    if (identity === undefined) return false;
    try {
      const watcher = watch(path, { persistent: false });
      watcher.on('change', (_kind, name) => this.#onEvent(folder, name));
      watcher.on('error', () => {
        this.#disarm(folder);
        this.#onTouched(undefined);
      });
      this.#armed.set(folder, { identity, watcher });
      this.#complained = false;
    } catch (thrown) {
      if (!this.#complained) {
        this.#log.warn('the system refuses to watch the catalog folder; it is compared each second instead', {
          folder: folder === '' ? '.' : folder,
          reason: describeError(thrown),
        });
      }
      this.#complained = true;
    }
    return true;
  }

  #onEvent(folder: string, name: string | Buffer | null): void {
    const text = name?.toString();
    if (folder === '') {
      // A folder came, went or was swapped, or the catalog folder itself was; other names are none of ours.
      if (text !== undefined && text !== basename(this.#path) && !isFolderName(text)) return;
      this.#onTouched(undefined);
    } else if (text !== undefined && isCatalogFile(text)) {
      this.#onTouched(`${folder}/${text}`);
    } else if (text === undefined || text === folder || text.startsWith('..')) {
      // The folder itself, or `..data`: how Kubernetes swaps all files of a mounted volume at once.
      this.#onTouched(undefined);
    }
  }

  #disarm(folder: string): void {
    this.#armed.get(folder)?.watcher.close();
    this.#armed.delete(folder);
  }
}

function isFolderName(name: string): boolean {
  return (catalogFolders as readonly string[]).includes(name);
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
