import type { NewChange } from '../../domain/change.js';
import { type Definition, type DefinitionKey, definitionKey } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { Organisation, User } from '../../domain/organisation.js';
import { describeError } from '../../errors/causeway-error.js';
import type { Catalog, CatalogState, QuarantinedItem } from '../../ports/catalog.js';
import type { CatalogCopy } from '../../ports/catalog-copy.js';
import type { ChangeLog } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import {
  applyDifference,
  changesOf,
  differenceOf,
  emptySnapshot,
  type OrganisationSnapshot,
} from './organisation-snapshot.js';
import { RemovalHold } from './removal-hold.js';

const retryDelayMinMs = 500;
const retryDelayMaxMs = 30_000;

export interface DistributorParts {
  readonly catalog: Catalog;
  readonly catalogCopy: CatalogCopy;
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Hold removals that look like an accident. */
  readonly holdRemovals: boolean;
  readonly onPeople: (organisations: readonly Organisation[], users: readonly User[]) => void;
}

export interface HeldRemoval {
  readonly organisation: OrganisationId;
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly sinceMs: number;
}

/**
 * Turns what the catalog says into snapshots in force and entries of the change log.
 *
 * Order of an accepted change: memory, log, copy on disk. Memory first, because the fan-out reads the bytes
 * of a log entry from the snapshot; log before copy, because a crash between them repeats a change while
 * the other order would lose it.
 */
export class Distributor implements Component {
  readonly name = 'catalog';
  readonly #parts: DistributorParts;
  readonly #snapshots = new Map<OrganisationId, OrganisationSnapshot>();
  readonly #holds = new Map<OrganisationId, RemovalHold>();
  readonly #held = new Map<OrganisationId, Map<DefinitionKey, HeldRemoval>>();
  readonly #accepted = new Map<OrganisationId, Set<DefinitionKey>>();
  #organisations: readonly Organisation[] = [];
  #users: readonly User[] = [];
  #quarantined: readonly QuarantinedItem[] = [];
  #peopleKnown = false;
  #peopleWritten: string | undefined;
  #failure: string | undefined = 'the catalog has not been loaded yet';
  #loading: Promise<void> | undefined;
  #loadAgain = false;
  #retryDelayMs = retryDelayMinMs;
  #retry: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #stopped = false;

  constructor(parts: DistributorParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const saved = await this.#parts.catalogCopy.read();
    if (saved !== undefined) {
      this.#restore(saved.definitions);
      this.#setPeople(saved.organisations, saved.users);
    }
    this.#unsubscribe = this.#parts.catalog.subscribe(() => void this.reload());
    await this.reload();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#retry?.cancel();
    await this.#loading;
  }

  notReady(): string | undefined {
    return this.#failure;
  }

  /** What is in force; undefined when nothing has ever been loaded: an error is never an empty list. */
  snapshotOf(organisation: OrganisationId): OrganisationSnapshot | undefined {
    const known = this.#snapshots.get(organisation);
    return known ?? (this.#peopleKnown ? emptySnapshot(organisation) : undefined);
  }

  definitionOf(organisation: OrganisationId, key: DefinitionKey): Definition | undefined {
    return this.#snapshots.get(organisation)?.definitions.get(key);
  }

  /** Whether that organisation, and no other, has an API of that id. */
  isSoleOwnerOfApi(organisation: OrganisationId, apiId: string): boolean {
    const key = definitionKey('api', apiId);
    let owned = false;
    for (const snapshot of this.#snapshots.values()) {
      if (!snapshot.definitions.has(key)) continue;
      if (snapshot.organisation !== organisation) return false;
      owned = true;
    }
    return owned;
  }

  organisations(): readonly Organisation[] {
    return this.#organisations;
  }

  users(): readonly User[] {
    return this.#users;
  }

  snapshots(): Iterable<OrganisationSnapshot> {
    return this.#snapshots.values();
  }

  quarantined(): readonly QuarantinedItem[] {
    return this.#quarantined;
  }

  held(): readonly HeldRemoval[] {
    return [...this.#held.values()].flatMap((byKey) => [...byKey.values()]);
  }

  /** Ships what is held, for one organisation or for all. Resolves to how many removals that were. */
  async accept(organisation?: OrganisationId): Promise<number> {
    let count = 0;
    for (const [owner, byKey] of this.#held) {
      if (organisation !== undefined && owner !== organisation) continue;
      this.#accepted.set(owner, new Set(byKey.keys()));
      count += byKey.size;
    }
    if (count > 0) await this.reload();
    return count;
  }

  /** Loads the catalog now. Calls that come meanwhile are answered by one more load after this one. */
  reload(): Promise<void> {
    this.#loadAgain = true;
    this.#loading ??= this.#loadUntilQuiet().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadUntilQuiet(): Promise<void> {
    while (this.#loadAgain && !this.#stopped) {
      this.#loadAgain = false;
      try {
        await this.#apply(await this.#parts.catalog.load((source) => this.#inForceFrom(source)));
        this.#parts.metrics.add('causeway_catalog_loads_total', { result: 'ok' });
        if (this.#failure !== undefined) this.#parts.log.info('catalog loaded', this.#counts());
        this.#failure = undefined;
        this.#retryDelayMs = retryDelayMinMs;
      } catch (thrown) {
        this.#parts.metrics.add('causeway_catalog_loads_total', { result: 'failed' });
        this.#failure = describeError(thrown);
        this.#parts.log.warn('catalog not loaded; the last good one stays in force', {
          reason: this.#failure,
          retryInMs: this.#retryDelayMs,
        });
        this.#retryLater();
      }
    }
  }

  #retryLater(): void {
    this.#retry?.cancel();
    this.#retry = this.#parts.clock.after(this.#retryDelayMs, () => void this.reload());
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMaxMs);
  }

  async #apply(state: CatalogState): Promise<void> {
    this.#reportQuarantine(state.quarantined);
    const next = new Map<OrganisationId, Map<DefinitionKey, Definition>>();
    for (const organisation of this.#snapshots.keys()) next.set(organisation, new Map());
    for (const definition of state.definitions) {
      let own = next.get(definition.organisation);
      if (own === undefined) {
        own = new Map();
        next.set(definition.organisation, own);
      }
      own.set(definitionKey(definition.kind, definition.id), definition);
    }
    const changes: NewChange[] = [];
    const put: Definition[] = [];
    const removed: Definition[] = [];
    for (const [organisation, definitions] of next) {
      const applied = this.#applyOrganisation(organisation, definitions, changes);
      put.push(...applied.put);
      removed.push(...applied.removed);
    }
    this.#setPeople(
      withHeld(state.organisations, this.#organisations, (one) => this.#held.has(one.id)),
      withHeld(state.users, this.#users, (one) => this.#held.has(one.organisation)),
    );
    await this.#record(changes, put, removed);
    this.#measure();
  }

  #applyOrganisation(
    organisation: OrganisationId,
    next: ReadonlyMap<DefinitionKey, Definition>,
    changes: NewChange[],
  ): { readonly put: readonly Definition[]; readonly removed: readonly Definition[] } {
    const current = this.#snapshots.get(organisation) ?? emptySnapshot(organisation);
    const difference = differenceOf(current.definitions, next);
    const removed = this.#withoutHeld(organisation, current, difference.removed);
    const shipped = { put: difference.put, removed };
    if (shipped.put.length === 0 && shipped.removed.length === 0) {
      if (!this.#snapshots.has(organisation)) this.#snapshots.set(organisation, current);
      return shipped;
    }
    const atMs = this.#parts.clock.nowMs();
    for (const body of changesOf(current.definitions, shipped)) changes.push({ organisation, atMs, body });
    this.#snapshots.set(organisation, applyDifference(current, shipped));
    return shipped;
  }

  /** Splits off what has to be confirmed first, and keeps the books about it. */
  #withoutHeld(
    organisation: OrganisationId,
    current: OrganisationSnapshot,
    wanted: readonly Definition[],
  ): readonly Definition[] {
    const hold = this.#holds.get(organisation) ?? new RemovalHold();
    this.#holds.set(organisation, hold);
    const accepted = this.#accepted.get(organisation) ?? new Set<DefinitionKey>();
    const nowMs = this.#parts.clock.nowMs();
    const held = this.#parts.holdRemovals
      ? hold.decide(current.definitions, wanted, accepted, nowMs)
      : ([] as readonly Definition[]);
    const heldKeys = new Set(held.map((definition) => definitionKey(definition.kind, definition.id)));
    const passed = wanted.filter(
      (definition) => !heldKeys.has(definitionKey(definition.kind, definition.id)),
    );
    hold.passed(passed, accepted, nowMs);
    this.#accepted.delete(organisation);
    this.#rememberHeld(organisation, held, nowMs);
    return passed;
  }

  #rememberHeld(organisation: OrganisationId, held: readonly Definition[], nowMs: number): void {
    const before = this.#held.get(organisation);
    if (held.length === 0) {
      if (this.#held.delete(organisation))
        this.#parts.log.info('held removals are settled', { organisation });
      return;
    }
    const now = new Map<DefinitionKey, HeldRemoval>();
    for (const { kind, id, name } of held) {
      const key = definitionKey(kind, id);
      now.set(key, before?.get(key) ?? { organisation, kind, id, name, sinceMs: nowMs });
    }
    this.#held.set(organisation, now);
    if (before?.size !== now.size) {
      this.#parts.log.error('removals held: run `causeway catalog accept` to ship them', {
        organisation,
        removals: now.size,
      });
    }
  }

  async #record(
    changes: readonly NewChange[],
    put: readonly Definition[],
    removed: readonly Definition[],
  ): Promise<void> {
    if (changes.length > 0) {
      await this.#untilDone('change log', () => this.#parts.changeLog.append(changes));
      this.#parts.metrics.add('causeway_changes_total', { type: 'definition' }, changes.length);
    }
    await this.#untilDone('catalog copy', async () => {
      if (put.length > 0 || removed.length > 0) {
        await this.#parts.catalogCopy.writeDefinitions(
          put,
          removed.map(({ organisation, kind, id }) => ({ organisation, key: definitionKey(kind, id) })),
        );
      }
      const people = JSON.stringify([this.#organisations, this.#users]);
      if (people === this.#peopleWritten) return;
      await this.#parts.catalogCopy.writePeople(this.#organisations, this.#users);
      this.#peopleWritten = people;
    });
  }

  /** What is in force already must reach log and copy: there is no way back, so it is tried until it works. */
  async #untilDone(what: string, attempt: () => Promise<unknown>): Promise<void> {
    for (let delayMs = retryDelayMinMs; ; delayMs = Math.min(delayMs * 2, retryDelayMaxMs)) {
      try {
        await attempt();
        return;
      } catch (thrown) {
        if (this.#stopped) throw thrown;
        this.#parts.metrics.add('causeway_store_errors_total', { store: what });
        this.#parts.log.error(`${what} not written; trying again`, {
          reason: describeError(thrown),
          delayMs,
        });
        await new Promise<void>((resolve) => void this.#parts.clock.after(delayMs, resolve));
      }
    }
  }

  #restore(definitions: readonly Definition[]): void {
    const byOrganisation = new Map<OrganisationId, Map<DefinitionKey, Definition>>();
    for (const definition of definitions) {
      const own = byOrganisation.get(definition.organisation) ?? new Map<DefinitionKey, Definition>();
      own.set(definitionKey(definition.kind, definition.id), definition);
      byOrganisation.set(definition.organisation, own);
    }
    for (const [organisation, own] of byOrganisation) {
      this.#snapshots.set(organisation, { organisation, revision: 1, definitions: own });
    }
  }

  #inForceFrom(source: string): readonly Definition[] {
    const found: Definition[] = [];
    for (const snapshot of this.#snapshots.values()) {
      for (const definition of snapshot.definitions.values()) {
        if (definition.source === source) found.push(definition);
      }
    }
    return found;
  }

  #setPeople(organisations: readonly Organisation[], users: readonly User[]): void {
    this.#organisations = organisations;
    this.#users = users;
    this.#peopleKnown = true;
    this.#parts.onPeople(organisations, users);
  }

  #reportQuarantine(items: readonly QuarantinedItem[]): void {
    const known = new Set(this.#quarantined.map(({ source, reason }) => `${source}\n${reason}`));
    for (const { source, reason } of items) {
      if (known.delete(`${source}\n${reason}`)) continue;
      this.#parts.log.error('quarantined; the last good version stays in force', { source, reason });
    }
    const still = new Set(items.map(({ source }) => source));
    for (const { source } of this.#quarantined) {
      if (!still.has(source)) this.#parts.log.info('no longer quarantined', { source });
    }
    this.#quarantined = items;
    this.#parts.metrics.set('causeway_catalog_quarantined', {}, items.length);
  }

  #counts(): { organisations: number; definitions: number; quarantined: number } {
    let definitions = 0;
    for (const snapshot of this.#snapshots.values()) definitions += snapshot.definitions.size;
    return {
      organisations: this.#organisations.length,
      definitions,
      quarantined: this.#quarantined.length,
    };
  }

  #measure(): void {
    const { metrics } = this.#parts;
    metrics.reset('causeway_catalog_definitions');
    metrics.reset('causeway_catalog_held_removals');
    for (const { organisation, definitions } of this.#snapshots.values()) {
      const byKind = { api: 0, policy: 0, 'client-idp': 0 };
      for (const { kind } of definitions.values()) byKind[kind] += 1;
      for (const [kind, count] of Object.entries(byKind)) {
        metrics.set('causeway_catalog_definitions', { organisation, kind }, count);
      }
    }
    for (const [organisation, byKey] of this.#held) {
      metrics.set('causeway_catalog_held_removals', { organisation }, byKey.size);
    }
  }
}

/** The new list, plus those of the old one that are missing from it but whose removal is held. */
function withHeld<Person extends { readonly id: string }>(
  next: readonly Person[],
  before: readonly Person[],
  isHeld: (person: Person) => boolean,
): readonly Person[] {
  const present = new Set(next.map(({ id }) => id));
  return [...next, ...before.filter((person) => !present.has(person.id) && isHeld(person))];
}
