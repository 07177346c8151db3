import type { Definition } from '../../domain/definition.js';
import type { Catalog, CatalogState } from '../../ports/catalog.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { StateAssembler } from './assemble-state.js';
import { FileTable } from './file-table.js';
import { FolderWatcher } from './folder-watcher.js';

export interface FolderCatalogOptions {
  /** The catalog folder. */
  readonly path: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Quiet time after an edit before it is told: a save is several events. */
const editSettleMs = 15;
/** An endless stream of edits is told this often. */
const editSettleMaxMs = 100;
/** Quiet time after a removal: `rm` of many files, or a save that removes first, must be seen as one act. */
const removalSettleMs = 250;
const removalSettleMaxMs = 2_000;
/** All files are compared this often, which heals events that were lost. */
const comparePeriodMs = 30_000;
/** The same while the folder is away or cannot be watched. */
const troubledComparePeriodMs = 1_000;

/**
 * The catalog in a folder of JSON files, one object per file, which people and programs edit at will:
 *
 *   organisations/*.json   users/*.json   policies/*.json   client-idps/*.json
 *   apis/orders.json       a classic definition; with `is_oas` its document stands in apis/orders-oas.json,
 *                          or one file holds both: {"api_definition": {...}, "oas": {...}}
 *
 * Fields are spelled as in the gateway and its dashboard. A folder below that is absent counts as empty; when the
 * catalog folder itself is absent, nothing is known and `load` rejects.
 */
export class FolderCatalog implements Catalog {
  readonly #options: FolderCatalogOptions;
  readonly #clock: Clock;
  readonly #table: FileTable;
  readonly #assembler = new StateAssembler();
  readonly #listeners = new Set<() => void>();
  #loading: Promise<unknown> = Promise.resolve();

  /** Files to read at the next load. */
  #dirty = new Set<string>();
  /** Compare all files at the next load. */
  #everything = true;
  #loaded = false;
  /** The folder could not be read when last looked at. */
  #away = false;

  #watcher: FolderWatcher | undefined;
  #unprobed = new Set<string>();
  #firstEditMs: number | undefined;
  #editTimer: Timer | undefined;
  #removalTimer: Timer | undefined;
  #compareTimer: Timer | undefined;

  constructor(options: FolderCatalogOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#table = new FileTable(options.path, options.clock, options.metrics);
  }

  /**
   * Reads what was touched since the last load; with nothing touched, or nobody subscribed, compares every file.
   * Loads run one after the other.
   */
  load(lastGood: (source: string) => readonly Definition[]): Promise<CatalogState> {
    const loaded = this.#loading.then(() => this.#load(lastGood));
    this.#loading = loaded.catch(() => undefined);
    return loaded;
  }

  subscribe(onChange: () => void): () => void {
    const listener = () => onChange();
    this.#listeners.add(listener);
    if (this.#watcher === undefined) this.#startWatching();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stopWatching();
    };
  }

  async #load(lastGood: (source: string) => readonly Definition[]): Promise<CatalogState> {
    const dirty = this.#dirty;
    const compareAll = this.#everything || this.#watcher === undefined || dirty.size === 0;
    this.#dirty = new Set();
    this.#everything = false;
    try {
      await this.#readFiles(dirty, compareAll);
    } catch (thrown) {
      this.#everything = true;
      this.#table.unmarkMissing();
      this.#setAway(true);
      throw thrown;
    }
    this.#loaded = true;
    this.#setAway(false);
    this.#settleRemovals();
    return this.#assembler.assemble(this.#table.records, lastGood);
  }

  async #readFiles(dirty: ReadonlySet<string>, compareAll: boolean): Promise<void> {
    if (compareAll) {
      const { edited, missing } = await this.#table.compare();
      for (const source of missing) this.#table.markMissing(source);
      await this.#table.read(new Set([...dirty, ...edited]));
    } else {
      await this.#table.read(dirty);
    }
    // A folder that goes away loses its files one after the other: those are no removals.
    await this.#table.requireFolder();
  }

  /** Files that are gone stay in force until no more have gone for a while. */
  #settleRemovals(): void {
    const missing = this.#table.missing();
    if (missing === undefined) return;
    const dueMs = Math.min(missing.lastMs + removalSettleMs, missing.firstMs + removalSettleMaxMs);
    const waitMs = dueMs - this.#clock.monotonicMs();
    if (waitMs <= 0 || this.#watcher === undefined) {
      this.#table.dropMissing();
      return;
    }
    this.#removalTimer?.cancel();
    this.#removalTimer = this.#clock.after(Math.ceil(waitMs), () => this.#tell());
  }

  #startWatching(): void {
    const watcher = new FolderWatcher(this.#options.path, this.#options.log, (source) =>
      this.#onTouched(source),
    );
    this.#watcher = watcher;
    void this.#compare(watcher);
  }

  #stopWatching(): void {
    this.#watcher?.stop();
    this.#watcher = undefined;
    this.#everything = true;
    this.#firstEditMs = undefined;
    for (const timer of [this.#editTimer, this.#removalTimer, this.#compareTimer]) timer?.cancel();
  }

  #onTouched(source: string | undefined): void {
    if (source === undefined) {
      this.#everything = true;
      void this.#rearm();
    } else {
      this.#dirty.add(source);
      this.#unprobed.add(source);
    }
    this.#awaitEdits();
  }

  /** What happened in a folder before its new watch went unseen. */
  async #rearm(): Promise<void> {
    if ((await this.#watcher?.arm()) !== true) return;
    this.#everything = true;
    this.#awaitEdits();
  }

  #awaitEdits(): void {
    if (this.#watcher === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    this.#firstEditMs ??= nowMs;
    const waitMs = Math.min(editSettleMs, this.#firstEditMs + editSettleMaxMs - nowMs);
    this.#editTimer?.cancel();
    this.#editTimer = this.#clock.after(Math.max(0, waitMs), () => void this.#tellEdits());
  }

  /** Edits are told at once, removals when they have settled. */
  async #tellEdits(): Promise<void> {
    this.#firstEditMs = undefined;
    const unprobed = this.#unprobed;
    this.#unprobed = new Set();
    if (this.#everything) {
      this.#tell();
      return;
    }
    const { present, missing } = await this.#table.probe(unprobed);
    for (const source of missing) this.#table.markMissing(source);
    if (present) this.#tell();
    else this.#settleRemovals();
  }

  /** Finds what no event told of, and whether the folder is there. */
  async #compare(watcher: FolderWatcher): Promise<void> {
    try {
      await watcher.arm();
      await this.#loading;
      const { edited, missing } = await this.#table.compare();
      if (this.#loaded && (this.#away || edited.length > 0 || missing.length > 0)) {
        this.#everything = true;
        this.#tell();
      }
    } catch {
      if (!this.#away) this.#tell();
      this.#everything = true;
      this.#setAway(true);
    }
    this.#scheduleCompare(watcher);
  }

  #scheduleCompare(watcher: FolderWatcher | undefined): void {
    if (watcher === undefined || watcher !== this.#watcher) return;
    const periodMs = this.#away || !watcher.working ? troubledComparePeriodMs : comparePeriodMs;
    this.#compareTimer?.cancel();
    this.#compareTimer = this.#clock.after(periodMs, () => void this.#compare(watcher));
  }

  #setAway(away: boolean): void {
    if (away === this.#away) return;
    this.#away = away;
    this.#scheduleCompare(this.#watcher);
    if (!away) void this.#rearm();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
