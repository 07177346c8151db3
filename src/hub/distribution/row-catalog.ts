import { CatalogAssembly } from '../../domain/catalog-assembly.js';
import { type CatalogTable, catalogTables, decodeRow, type RowItem } from '../../domain/catalog-row.js';
import { type Definition, sameVisibility } from '../../domain/definition.js';
import { limits } from '../../domain/limits.js';
import type { User } from '../../domain/organisation.js';
import { bySource, type Claim } from '../../domain/resolve-claims.js';
import type { SwitchedOff } from '../../domain/switched-off.js';
import { holdsEscapedDots } from '../../domain/unescape-dots.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Catalog, CatalogState } from '../../ports/catalog.js';
import type { CatalogRow, CatalogRows, KnownRows, RowSink } from '../../ports/catalog-rows.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { Backoff } from '../../std/backoff.js';
import { LeftOutRows } from './left-out-rows.js';

export interface RowCatalogOptions {
  /** How often the rows are compared. */
  readonly checkPeriodMs: number;
  /** OpenAPI documents are stored with escaped dots in their field names. */
  readonly unescapeDots: boolean;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface RowCatalogParts {
  readonly rows: CatalogRows;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A catalog that can be told to look at once: something else has heard that the control plane changed. */
export interface PokedCatalog extends Catalog, Component {
  poke(): void;
  /** The wall clock of its server, in ms since 1970; undefined: this kind of server is not asked. */
  wallClockMs(): Promise<number | undefined>;
}

/** One row as it was when it was last read. */
interface RowRecord {
  readonly source: string;
  readonly version: string;
  readonly item: RowItem;
}

/** A notification is often one of several, and may overtake the transaction it tells of. */
const pokeSettleMs = 20;
/** Comparing takes at most this share of the time, however large the tables are. */
const checkDutyMax = 1 / 20;
const retryDelayMinMs = 500;
const retryDelayMaxMs = 15_000;

/**
 * A catalog in the tables or collections of a database: reads what differs from what it knows, and nothing else.
 *
 * It looks when it is told to (`poke`, or the database itself) and, because no notification is certain, in a period.
 * A refresh that fails rejects the load that waits for it, and is tried again with backoff for ever; the rows read
 * before stay known, so that afterwards only the difference is read.
 */
export class RowCatalog implements PokedCatalog {
  readonly name: string;
  readonly #parts: RowCatalogParts;
  readonly #options: RowCatalogOptions;
  readonly #assembly = new CatalogAssembly({ orphans: 'left-out' });
  readonly #tables: ReadonlyMap<CatalogTable, Map<string, RowRecord>>;
  readonly #known: KnownRows;
  readonly #leftOut: LeftOutRows;
  readonly #listeners = new Set<() => void>();
  readonly #backoff: Backoff;
  #tail: Promise<unknown> = Promise.resolve();
  /** Refreshed, told, and not loaded since: the load that follows needs no second look. */
  #fresh = false;
  #failure: string | undefined;
  #timer: Timer | undefined;
  #pokeTimer: Timer | undefined;
  #unwatch: (() => void) | undefined;
  #stopped = false;
  #warnedOfDots = false;

  constructor(parts: RowCatalogParts, options: RowCatalogOptions) {
    this.name = parts.rows.name;
    this.#parts = parts;
    this.#options = options;
    this.#leftOut = new LeftOutRows(parts);
    this.#backoff = new Backoff({
      firstDelayMs: retryDelayMinMs,
      delayMsMax: retryDelayMaxMs,
      random: options.random,
    });
    const tables = new Map(catalogTables.map((table) => [table, new Map<string, RowRecord>()]));
    this.#tables = tables;
    this.#known = {
      versionOf: (table, key) => tables.get(table)?.get(key)?.version,
      keysOf: (table) => tables.get(table)?.keys() ?? [],
    };
  }

  /** Resolves at once: a database that is away is no reason not to start. */
  async start(): Promise<void> {}

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    this.#stopLooking();
    this.#listeners.clear();
    await this.#parts.rows.close();
    const { clock } = this.#parts;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), resolve);
    });
    await Promise.race([this.#tail, late]);
    timer?.cancel();
  }

  notReady(): string | undefined {
    return this.#failure;
  }

  async wallClockMs(): Promise<number | undefined> {
    return this.#parts.rows.wallClockMs?.();
  }

  load(lastGood: (source: string) => readonly Definition[]): Promise<CatalogState> {
    return this.#inTurn(async () => {
      if (!this.#fresh) await this.#refresh(true);
      this.#fresh = false;
      return this.#assemble(lastGood);
    });
  }

  subscribe(onChange: () => void): () => void {
    const listener = () => onChange();
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      this.#unwatch = this.#parts.rows.watch?.(() => this.poke());
      this.#lookAfter(this.#options.checkPeriodMs);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stopLooking();
    };
  }

  /** Looks at once instead of at the end of the period. Cheap when nothing changed; calls in a row are one. */
  poke(): void {
    if (this.#stopped || this.#listeners.size === 0) return;
    this.#pokeTimer ??= this.#parts.clock.after(pokeSettleMs, () => {
      this.#pokeTimer = undefined;
      void this.#look(false);
    });
  }

  #lookAfter(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#listeners.size > 0) this.#timer = this.#parts.clock.after(delayMs, () => void this.#look(true));
  }

  #stopLooking(): void {
    this.#timer?.cancel();
    this.#pokeTimer?.cancel();
    this.#pokeTimer = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  async #look(thorough: boolean): Promise<void> {
    const wasAway = this.#failure !== undefined;
    const startedMs = this.#parts.clock.monotonicMs();
    const changed = await this.#inTurn(() => this.#refresh(thorough)).catch(() => undefined);
    if (this.#stopped) return;
    if (changed === undefined) {
      // The first failure is told, so that whoever loads hears of it; the next ones are the timer's.
      if (!wasAway) this.#tell();
      this.#lookAfter(this.#backoff.nextDelayMs());
      return;
    }
    if (changed || wasAway) {
      this.#fresh = true;
      this.#tell();
    }
    if (!thorough) return;
    const tookMs = this.#parts.clock.monotonicMs() - startedMs;
    this.#lookAfter(Math.max(this.#options.checkPeriodMs, tookMs / checkDutyMax));
  }

  /** Resolves to whether anything that counts differs. */
  async #refresh(thorough: boolean): Promise<boolean> {
    let changed = false;
    const note = (row: Pick<CatalogRow, 'table' | 'key' | 'version' | 'source'>, item: RowItem): void => {
      const records = this.#tables.get(row.table);
      const former = records?.get(row.key)?.item;
      const same = former !== undefined && sameItem(former, item);
      // An equal item stays the object it was: what is in force and what is known are then one copy.
      records?.set(row.key, { source: row.source, version: row.version, item: same ? former : item });
      if (!same) changed = true;
    };
    const sink: RowSink = {
      put: (row) => note(row, this.#decode(row)),
      broken: (row, reason) => note(row, { type: 'problem', reason }),
      remove: (table, key) => {
        if (this.#tables.get(table)?.delete(key)) changed = true;
      },
    };
    if (this.#stopped) throw new CausewayError('SHUTTING_DOWN', `${this.name} is closed`);
    try {
      await this.#parts.rows.refresh(this.#known, sink, thorough);
    } catch (thrown) {
      throw this.#noteFailure(thrown);
    }
    this.#backoff.reset();
    if (this.#failure !== undefined) this.#parts.log.info(`${this.name} answers again`);
    this.#failure = undefined;
    return changed;
  }

  #noteFailure(thrown: unknown): CausewayError {
    const error =
      thrown instanceof CausewayError
        ? thrown
        : new CausewayError('STORE_UNAVAILABLE', `${this.name}: not readable`, {
            detail: describeError(thrown),
            cause: thrown,
          });
    this.#parts.metrics.add('causeway_store_errors_total', { store: this.name });
    if (this.#failure !== error.message) this.#parts.log.warn(error.message, { detail: error.detail });
    this.#failure = error.message;
    return error;
  }

  #decode(row: CatalogRow): RowItem {
    const size = row.fields.length + (row.document?.length ?? 0);
    if (size > limits.catalogFileBytesMax) {
      this.#parts.metrics.add('causeway_limit_hits_total', { limit: 'catalogFileBytesMax' });
      const reason = `${size} bytes are more than the limit of ${limits.catalogFileBytesMax} (catalogFileBytesMax)`;
      return { type: 'problem', reason };
    }
    let item: RowItem;
    try {
      item = decodeRow(row, this.#options);
    } catch (thrown) {
      // Whatever is thrown here lies in the row: taken for the database's, it would stop every other edit.
      return { type: 'problem', reason: `it cannot be read: ${describeError(thrown)}` };
    }
    if (item.type === 'definition' && item.definition.oas !== undefined)
      this.#hintAtDots(item.definition.oas);
    return item;
  }

  /** A dashboard that escapes and a hub that does not undo it: middleware of those paths would not apply. */
  #hintAtDots(oas: Buffer): void {
    if (this.#options.unescapeDots || this.#warnedOfDots || !holdsEscapedDots(oas)) return;
    this.#warnedOfDots = true;
    this.#parts.log.warn(
      'OpenAPI documents seem to be stored with escaped dots: set escape_dots_in_oas_paths',
    );
  }

  #assemble(lastGood: (source: string) => readonly Definition[]): CatalogState {
    const organisations = this.#claims('organisations', (item) =>
      item.type === 'organisation' ? item.organisation : undefined,
    );
    const groupsOf = this.#groupsByMember();
    const users = this.#claims('users', (item): User | undefined => {
      if (item.type !== 'user') return undefined;
      const more = groupsOf.get(item.user.id);
      return more === undefined
        ? item.user
        : { ...item.user, groups: [...new Set([...item.user.groups, ...more])] };
    });
    const definitions = (['apis', 'client_idps', 'policies'] as const).flatMap((table) =>
      this.#claims(table, (item) => (item.type === 'definition' ? item.definition : undefined)),
    );
    const { orphans, ...state } = this.#assembly.assemble(
      { organisations, users, definitions: definitions.sort(bySource) },
      lastGood,
    );
    this.#leftOut.tell(this.#tables, new Set(orphans));
    const brokenGroups = this.#claims('user_groups', () => undefined).flatMap(({ problem }) => problem ?? []);
    return {
      ...state,
      quarantined: [...state.quarantined, ...brokenGroups].sort(bySource),
      switchedOff: this.#switchedOff(),
    };
  }

  #switchedOff(): SwitchedOff[] {
    const items = [...(this.#tables.get('apis')?.values() ?? [])];
    return items.flatMap(({ item }) => (item.type === 'switched-off' ? [item.api] : [])).sort(bySource);
  }

  #groupsByMember(): ReadonlyMap<string, readonly string[]> {
    const groups = new Map<string, string[]>();
    for (const { item } of this.#tables.get('user_groups')?.values() ?? []) {
      if (item.type !== 'group') continue;
      for (const member of item.group.members) {
        groups.set(member, [...(groups.get(member) ?? []), item.group.id].sort());
      }
    }
    return groups;
  }

  #claims<Item>(table: CatalogTable, itemOf: (item: RowItem) => Item | undefined): Claim<Item>[] {
    const claims: Claim<Item>[] = [];
    for (const { source, item } of this.#tables.get(table)?.values() ?? []) {
      if (item.type === 'left-out' || item.type === 'switched-off') continue;
      const isProblem = item.type === 'problem';
      const problem = isProblem ? { source, reason: item.reason } : undefined;
      const organisation = isProblem ? item.organisation : undefined;
      claims.push({ source, item: itemOf(item), problem, organisation, missing: false });
    }
    return claims.sort(bySource);
  }

  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function sameItem(former: RowItem, item: RowItem): boolean {
  if (former.type !== item.type) return false;
  if (former.type !== 'definition' || item.type !== 'definition') {
    return JSON.stringify(former) === JSON.stringify(item);
  }
  const a = former.definition;
  const b = item.definition;
  return (
    a.hash === b.hash &&
    a.id === b.id &&
    a.organisation === b.organisation &&
    a.source === b.source &&
    a.name === b.name &&
    sameVisibility(a.visibility, b.visibility)
  );
}
