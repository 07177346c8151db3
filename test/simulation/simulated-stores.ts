import type { Change, NewChange } from '../../src/domain/change.js';
import type { Catalog } from '../../src/ports/catalog.js';
import type { CatalogCopy } from '../../src/ports/catalog-copy.js';
import type { ChangeIntentions, Intention } from '../../src/ports/change-intentions.js';
import type { ChangeLog } from '../../src/ports/change-log.js';
import type { Clock, Timer } from '../../src/ports/clock.js';
import type { KeyStore } from '../../src/ports/key-store.js';
import { MemoryCatalogCopy } from '../memory/memory-catalog-copy.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { MemoryKeyStore } from '../memory/memory-key-store.js';
import { storeAway } from '../memory/memory-store.js';
import type { World } from './world.js';

export type StoreName = 'log' | 'copy' | 'keys' | 'catalog';

/** The disks and servers that outlive a hub. They never fail; the way to them does. */
export class Disks {
  readonly #world: World;
  readonly #entriesMax: number;
  #epoch = 1;
  changeLog: MemoryChangeLog;
  catalogCopy = new MemoryCatalogCopy();
  keyStore: MemoryKeyStore;

  constructor(world: World, entriesMax: number) {
    this.#world = world;
    this.#entriesMax = entriesMax;
    this.changeLog = this.#newLog();
    this.keyStore = new MemoryKeyStore(world.clock);
  }

  /** Keeps what is durable. */
  crash(): void {
    this.changeLog = this.changeLog.restart();
    this.catalogCopy = this.catalogCopy.restart();
    this.keyStore = this.keyStore.restart();
  }

  /** The log's disk is replaced by an empty one. */
  loseLog(): void {
    this.#epoch += 1;
    this.changeLog = this.#newLog();
  }

  #newLog(): MemoryChangeLog {
    const { clock, cursorFlushDelayMs } = this.#world;
    return new MemoryChangeLog({
      clock,
      entriesMax: this.#entriesMax,
      epoch: `log.${this.#epoch}`,
      cursorFlushDelayMs,
    });
  }
}

/**
 * One hub process's way to time and stores: calls take time, fail before or after they did their work, and
 * are never answered once the process is dead. Nothing that a dead process had planned happens.
 */
export class Process {
  readonly #world: World;
  readonly clock: Clock;
  readonly changeLog: ChangeLog & ChangeIntentions;
  readonly catalogCopy: CatalogCopy;
  readonly keyStore: KeyStore;
  readonly catalog: Catalog;
  /** Stores that answer nothing but errors; `log` only for writes when `writesOnly`. */
  readonly outages = new Set<StoreName>();
  readonly #failRate: number;
  #alive = true;

  constructor(world: World, disks: Disks) {
    this.#world = world;
    this.#failRate = world.random.pick([0, 0.01, 0.05]);
    this.clock = {
      nowMs: () => world.clock.nowMs(),
      monotonicMs: () => world.clock.monotonicMs(),
      after: (delayMs, run) => this.#after(delayMs, run),
    };
    const { changeLog, catalogCopy, keyStore } = disks;
    this.changeLog = this.#overChangeLog(changeLog);
    this.catalogCopy = {
      read: () => this.#call('copy', () => catalogCopy.read()),
      writeDefinitions: (put, removed) =>
        this.#call('copy', () => catalogCopy.writeDefinitions(put, removed)),
      writePeople: (organisations, users) =>
        this.#call('copy', () => catalogCopy.writePeople(organisations, users)),
    };
    this.keyStore = {
      getMany: (names) => this.#call('keys', () => keyStore.getMany(names)),
      put: (name, value, ttlMs) => this.#call('keys', () => keyStore.put(name, value, ttlMs)),
      remove: (names) => this.#call('keys', () => keyStore.remove(names)),
      scan: (prefix, pageSize) => keyStore.scan(prefix, pageSize),
      increment: (name, ttlMs) => this.#call('keys', () => keyStore.increment(name, ttlMs)),
      addToWindow: (name, windowMs, nowMs) =>
        this.#call('keys', () => keyStore.addToWindow(name, windowMs, nowMs)),
    };
    this.catalog = {
      load: () => this.#call('catalog', () => world.catalog.load()),
      subscribe: (onChange) => world.catalog.subscribe(() => this.#soon(onChange)),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
  }

  #overChangeLog(log: MemoryChangeLog): ChangeLog & ChangeIntentions {
    return {
      epoch: log.epoch,
      append: (changes) => this.#call('log', () => this.#append(log, changes), true),
      read: (organisation, after, limit) => this.#call('log', () => log.read(organisation, after, limit)),
      bounds: (organisation) => this.#call('log', () => log.bounds(organisation)),
      subscribe: (onAppended) =>
        log.subscribe((organisation, newest) => this.#soon(() => onAppended(organisation, newest))),
      readCursor: (owner) => this.#call('log', () => log.readCursor(owner)),
      moveCursor: (cursor) => this.#call('log', () => log.moveCursor(cursor), true),
      moveCursorDurably: (cursor) => this.#call('log', () => log.moveCursorDurably(cursor), true),
      removeCursor: (owner) => this.#call('log', () => log.removeCursor(owner), true),
      cursors: () => this.#call('log', () => log.cursors()),
      intend: (name, changes) => this.#call('log', () => log.intend(name, changes), true),
      settle: (intention, changes) => this.#call('log', () => this.#settle(log, intention, changes), true),
      intentions: () => this.#call('log', () => log.intentions()),
    };
  }

  async #append(log: MemoryChangeLog, changes: readonly NewChange[]): Promise<readonly Change[]> {
    const numbered = await log.append(changes);
    this.#world.history.note(log.epoch, numbered);
    return numbered;
  }

  async #settle(
    log: MemoryChangeLog,
    intention: Intention,
    changes: readonly NewChange[],
  ): Promise<readonly Change[]> {
    const numbered = await log.settle(intention, changes);
    this.#world.history.note(log.epoch, numbered);
    return numbered;
  }

  async #call<Result>(store: StoreName, run: () => Promise<Result>, writes = false): Promise<Result> {
    await this.#delay();
    if (this.#fails(store, writes)) throw storeAway(`${store}, before`);
    const result = await run();
    await this.#delay();
    if (this.#fails(store, writes)) throw storeAway(`${store}, after`);
    return result;
  }

  #fails(store: StoreName, writes: boolean): boolean {
    const { chaos, random } = this.#world;
    if (!chaos) return false;
    // A log that is full can still be read.
    if (this.outages.has(store) && (store !== 'log' || writes || random.chance(0.3))) return true;
    return random.chance(this.#failRate);
  }

  /** Often no time at all, so that everything can also happen at once. For ever when the process dies. */
  #delay(): Promise<void> {
    const { random } = this.#world;
    const delayMs = random.chance(0.5)
      ? 0
      : random.chance(0.9)
        ? random.between(1, 5)
        : random.between(5, 300);
    return new Promise((resolve) => {
      if (delayMs === 0 && this.#alive) resolve();
      else this.#after(delayMs, resolve);
    });
  }

  #soon(run: () => void): void {
    if (this.#world.random.chance(0.5)) {
      if (this.#alive) run();
    } else this.#after(this.#world.random.between(0, 30), run);
  }

  #after(delayMs: number, run: () => void): Timer {
    if (!this.#alive) return { cancel: () => {} };
    return this.#world.clock.after(delayMs, () => {
      if (this.#alive) run();
    });
  }
}
