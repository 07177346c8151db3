import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Metrics } from '../../ports/metrics.js';
import {
  type CatalogFolder,
  catalogFolders,
  decodeFile,
  type FileItem,
  mcpSuffix,
  oasSuffix,
} from './decode-file.js';

/** One file as it was when it was last read. */
export interface FileRecord {
  readonly source: string;
  /** Size, times and inode, as one text; undefined for a link that leads nowhere. */
  readonly fingerprint: string | undefined;
  readonly item: FileItem;
  /** Monotonic time when it was found to be gone; the record stays in force until removals have settled. */
  missingSinceMs: number | undefined;
}

/**
 * Writers are caught in the act: a file that is wrong is looked at again this much later, and as long as it keeps
 * changing in between. Long enough for an editor or `cp` to write the rest, short enough that nobody waits for it.
 */
const settleMs = 40;
const settleRoundsMax = 10;

/** Files read at once. More only fills the queue of the thread pool. */
const concurrentReads = 16;

/**
 * The files of a catalog folder, each read once and then only when it differs.
 *
 * Every method rejects with STORE_UNAVAILABLE when the folder cannot be listed; a single file that cannot be read
 * becomes a record with a problem.
 */
export class FileTable {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #records = new Map<string, FileRecord>();

  constructor(path: string, clock: Clock, metrics: Metrics) {
    this.#path = path;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  get records(): ReadonlyMap<string, FileRecord> {
    return this.#records;
  }

  /** What differs from the records, by size, times and inode; nothing is read and no record changes. */
  async compare(): Promise<{ readonly edited: readonly string[]; readonly missing: readonly string[] }> {
    await this.requireFolder();
    const listed = new Set<string>();
    for (const folder of catalogFolders) {
      for (const source of await this.#list(folder)) listed.add(source);
    }
    const edited: string[] = [];
    await forEachAtOnce([...listed], async (source) => {
      const record = this.#records.get(source);
      if (record === undefined || record.missingSinceMs !== undefined) edited.push(source);
      else if ((await fingerprintOf(this.#absolute(source))) !== record.fingerprint) edited.push(source);
    });
    const missing = [...this.#records.values()].filter(
      (record) => record.missingSinceMs === undefined && !listed.has(record.source),
    );
    return { edited: edited.sort(), missing: missing.map((record) => record.source) };
  }

  /** Which of these are there, and which are records without a file. */
  async probe(
    sources: Iterable<string>,
  ): Promise<{ readonly present: boolean; readonly missing: readonly string[] }> {
    let present = false;
    const missing: string[] = [];
    await forEachAtOnce([...sources], async (source) => {
      if ((await fingerprintOf(this.#absolute(source))) !== undefined) present = true;
      else if (this.#records.has(source)) missing.push(source);
    });
    return { present, missing };
  }

  /** Reads these files, whatever their times say, and waits for those being written. */
  async read(sources: Iterable<string>): Promise<void> {
    let suspects = await this.#readOnce([...sources]);
    for (let round = 0; suspects.length > 0 && round < settleRoundsMax; round++) {
      await this.#pause(settleMs);
      suspects = await this.#readOnce(await this.#stillChanging(suspects));
    }
  }

  /** Notes that a file is gone. True when that is news. */
  markMissing(source: string): boolean {
    const record = this.#records.get(source);
    if (record === undefined || record.missingSinceMs !== undefined) return false;
    record.missingSinceMs = this.#clock.monotonicMs();
    return true;
  }

  /** When the first and the last of the files that are gone were found to be; undefined: none is. */
  missing(): { readonly firstMs: number; readonly lastMs: number } | undefined {
    let firstMs = Number.POSITIVE_INFINITY;
    let lastMs = Number.NEGATIVE_INFINITY;
    for (const { missingSinceMs } of this.#records.values()) {
      firstMs = Math.min(firstMs, missingSinceMs ?? firstMs);
      lastMs = Math.max(lastMs, missingSinceMs ?? lastMs);
    }
    return lastMs === Number.NEGATIVE_INFINITY ? undefined : { firstMs, lastMs };
  }

  /** Lets go of all that is gone. */
  dropMissing(): void {
    for (const record of this.#records.values()) {
      if (record.missingSinceMs !== undefined) this.#records.delete(record.source);
    }
  }

  /** Takes back what was noted: the folder itself was going away. */
  unmarkMissing(): void {
    for (const record of this.#records.values()) record.missingSinceMs = undefined;
  }

  /** Rejects unless the catalog folder is there: without it nothing can be said about any file. */
  async requireFolder(): Promise<void> {
    let isFolder: boolean;
    try {
      isFolder = (await stat(this.#path)).isDirectory();
    } catch (cause) {
      throw unavailable('the catalog folder cannot be read', this.#path, cause);
    }
    if (!isFolder) throw unavailable('the catalog path is not a folder', this.#path, undefined);
  }

  /** Reads each file once and returns those that are wrong, with the partners that would make them right. */
  async #readOnce(sources: readonly string[]): Promise<string[]> {
    const suspects = new Set<string>();
    await forEachAtOnce(sources, async (source) => {
      const record = await this.#readFile(source);
      if (record === undefined) this.markMissing(source);
      else this.#records.set(source, record);
    });
    for (const source of sources) {
      const record = this.#records.get(source);
      if (record === undefined || record.missingSinceMs !== undefined) continue;
      if (record.item.type === 'problem') suspects.add(source);
      const partner = partnerOf(record, this.#records);
      if (partner !== undefined && !this.#records.has(partner)) suspects.add(partner);
    }
    return [...suspects];
  }

  async #stillChanging(sources: readonly string[]): Promise<string[]> {
    const changed: string[] = [];
    for (const source of sources) {
      const fingerprint = await fingerprintOf(this.#absolute(source));
      if (fingerprint !== this.#records.get(source)?.fingerprint) changed.push(source);
    }
    return changed;
  }

  /** Undefined: there is no such file. */
  async #readFile(source: string): Promise<FileRecord | undefined> {
    const path = this.#absolute(source);
    let handle: FileHandle | undefined;
    try {
      // Without O_NONBLOCK, opening a named pipe would wait for its writer.
      handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const before = await handle.stat({ bigint: true });
      const item = await this.#decode(source, handle, before);
      return { source, fingerprint: describeStats(before), item, missingSinceMs: undefined };
    } catch (thrown) {
      const code = errorCode(thrown);
      if (isOurTrouble(code)) throw unavailable('the catalog folder cannot be read', source, thrown);
      const reason = await readingProblem(path, code, thrown);
      if (reason === undefined) return undefined;
      const fingerprint = mayPass(code) ? code : await fingerprintOf(path);
      return { source, fingerprint, item: { type: 'problem', reason }, missingSinceMs: undefined };
    } finally {
      await handle?.close();
    }
  }

  async #decode(source: string, handle: FileHandle, stats: BigIntStats): Promise<FileItem> {
    if (!stats.isFile()) return { type: 'problem', reason: 'not a regular file' };
    const size = Number(stats.size);
    if (size > limits.catalogFileBytesMax) {
      this.#metrics.add('causeway_limit_hits_total', { limit: 'catalogFileBytesMax' });
      const reason = `${size} bytes are more than the limit of ${limits.catalogFileBytesMax} (catalogFileBytesMax)`;
      return { type: 'problem', reason };
    }
    // No more than the size that was checked, should the file grow meanwhile.
    const bytes = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return decodeFile(source, bytes.subarray(0, filled));
  }

  /** A folder that is not there holds nothing; one that cannot be listed is trouble. */
  async #list(folder: CatalogFolder): Promise<string[]> {
    try {
      const names = await readdir(join(this.#path, folder));
      return names.filter(isCatalogFile).map((name) => `${folder}/${name}`);
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return [];
      throw unavailable('a catalog folder cannot be listed', folder, cause);
    }
  }

  #absolute(source: string): string {
    return join(this.#path, source);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(delayMs, resolve);
    });
  }
}

/** Editors leave hidden and backup files beside; those are none of ours. */
export function isCatalogFile(name: string): boolean {
  return name.endsWith('.json') && !name.startsWith('.');
}

/** Where the OpenAPI document of a definition stands, or is to stand. */
export function oasSourceOf(source: string, records: ReadonlyMap<string, unknown>): string {
  const stem = source.slice(0, -'.json'.length);
  const mcp = stem + mcpSuffix;
  return records.has(mcp) ? mcp : stem + oasSuffix;
}

export function classicSourceOf(oasSource: string): string {
  // Both suffixes have as many letters.
  return `${oasSource.slice(0, -oasSuffix.length)}.json`;
}

/** The other file without which this one is of no use. */
function partnerOf(record: FileRecord, records: ReadonlyMap<string, unknown>): string | undefined {
  const { item, source } = record;
  if (item.type === 'oas') return classicSourceOf(source);
  return item.type === 'definition' && item.awaitsOas ? oasSourceOf(source, records) : undefined;
}

function describeStats(stats: BigIntStats): string {
  return `${stats.size} ${stats.mtimeNs} ${stats.ctimeNs} ${stats.ino}`;
}

/** Undefined: it is not there, or cannot be looked at. A dangling link is there: its name is in the listing. */
async function fingerprintOf(path: string): Promise<string | undefined> {
  try {
    return describeStats(await stat(path, { bigint: true }));
  } catch {
    return undefined;
  }
}

function errorCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}

/** Not the file's fault, and not its quarantine. */
function isOurTrouble(code: string): boolean {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM';
}

/** A failing disk or a stale mount may recover without a trace in the file's times: look again each time. */
function mayPass(code: string): boolean {
  return code === 'EIO' || code === 'ESTALE' || code === 'EBUSY' || code === 'EAGAIN';
}

async function readingProblem(path: string, code: string, thrown: unknown): Promise<string | undefined> {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return (await isLink(path)) ? 'a symbolic link that leads nowhere' : undefined;
    case 'ELOOP':
      return 'a symbolic link that leads in a circle';
    case 'ENXIO':
      return 'not a regular file';
    case 'EACCES':
    case 'EPERM':
      return `no permission to read it (${code})`;
    case '':
      throw thrown;
    default:
      return `cannot be read (${code})`;
  }
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch {
    return false;
  }
}

function unavailable(message: string, detail: string, cause: unknown): CausewayError {
  const detailText = cause === undefined ? detail : `${detail}: ${describeError(cause)}`;
  return new CausewayError('STORE_UNAVAILABLE', message, { detail: detailText, cause });
}

async function forEachAtOnce(
  sources: readonly string[],
  run: (source: string) => Promise<void>,
): Promise<void> {
  const queue = sources.values();
  const lane = async () => {
    for (const source of queue) await run(source);
  };
  await Promise.all(Array.from({ length: Math.min(concurrentReads, sources.length) }, lane));
}
