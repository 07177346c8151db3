import type { AnnouncedWrite, AnnouncedWrites } from '../../ports/announced-writes.js';
import type { LmdbChangeLog } from './lmdb-change-log.js';
import type { LmdbKeyStore } from './lmdb-key-store.js';

/** Keys and change log are tables of one file: a write and its announcement are one commit. */
export class LmdbAnnouncedWrites implements AnnouncedWrites {
  readonly #keys: LmdbKeyStore;
  readonly #changeLog: LmdbChangeLog;

  /** Both over the same environment. */
  constructor(keys: LmdbKeyStore, changeLog: LmdbChangeLog) {
    this.#keys = keys;
    this.#changeLog = changeLog;
  }

  async write({ name, stored, changes }: AnnouncedWrite): Promise<void> {
    const write = this.#keys.preparedWrite(name, stored);
    await this.#changeLog.appendWith(changes, write);
  }
}
