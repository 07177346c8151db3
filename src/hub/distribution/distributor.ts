import type { DefinitionChange } from '../../domain/change.js';
import { type Definition, type DefinitionKey, definitionKey } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { Organisation, User } from '../../domain/organisation.js';
import { refitDefinition } from '../../domain/refit-definition.js';
import { describeError } from '../../errors/causeway-error.js';
import type { Catalog, CatalogState, QuarantinedItem } from '../../ports/catalog.js';
import type { CatalogCopy } from '../../ports/catalog-copy.js';
import type { ChangeLog } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { TokenBucket } from '../../std/token-bucket.js';
import { heldNoteKey, readHeldNote } from './held-note.js';
import { type HeldRemoval, HeldRemovals, type WantedRemovals } from './held-removals.js';
import {
  applyDifference,
  changesOf,
  differenceOf,
  emptySnapshot,
  type OrganisationSnapshot,
  type SnapshotDifference,
} from './organisation-snapshot.js';
import { readPlaces } from './successors.js';
import { readUnsettledNote, settlingChanges, unsettledNote, unsettledNoteKey } from './unsettled-changes.js';

const retryDelayMinMs = 500;
const retryDelayMaxMs = 30_000;
/** Lines about changes: a person who edits is always told of, a tool that edits without end is not. */
const changeLinesBurst = 60;
const changeLinesPerMinute = 60;
/** Items named in one such line. */
const namedMax = 10;

export interface DistributorParts {
  readonly catalog: Catalog;
  readonly catalogCopy: CatalogCopy;
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Undefined: nobody watches how it gets on. */
  readonly progress?: LoopProgress | undefined;
  /** Hold removals that look like an accident. */
  readonly holdRemovals: boolean;
  readonly onPeople: (organisations: readonly Organisation[], users: readonly User[]) => void;
}

/** What one load changes for one organisation. */
interface PlannedChange {
  readonly organisation: OrganisationId;
  readonly shipped: SnapshotDifference;
  readonly changes: readonly DefinitionChange[];
}

/**
 * Turns what the catalog says into snapshots in force and entries of the change log.
 *
 * Order of an accepted change: a note in the copy on disk, memory, log, copy. Memory before log, because the
 * fan-out reads the bytes of a log entry from the snapshot; log before copy, because a crash between them
 * repeats a change while the other order would lose it; the note before all, see unsettled-changes.ts.
 */
export class Distributor implements Component {
  readonly name = 'catalog';
  readonly #parts: DistributorParts;
  readonly #snapshots = new Map<OrganisationId, OrganisationSnapshot>();
  readonly #held: HeldRemovals;
  /** Noted in the copy: seen by workers perhaps, and not known to be in the log and the copy. */
  readonly #unsettled = new Map<OrganisationId, readonly DefinitionChange[]>();
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
  #endWait: (() => void) | undefined;
  readonly #changeLines: TokenBucket;
  #stopped = false;

  constructor(parts: DistributorParts) {
    this.#parts = parts;
    this.#changeLines = new TokenBucket(
      { capacity: changeLinesBurst, tokensPerMinute: changeLinesPerMinute },
      parts.clock.monotonicMs(),
    );
    this.#held = new HeldRemovals(parts.clock, parts.log);
  }

  async start(): Promise<void> {
    const saved = await this.#parts.catalogCopy.read();
    if (saved !== undefined) {
      this.#restore(saved.definitions);
      // A hub that died in its first load has definitions and nobody yet: that is not "nobody may log in".
      if (saved.organisations.length > 0) this.#setPeople(saved.organisations, saved.users);
    }
    this.#unsubscribe = this.#parts.catalog.subscribe(() => void this.reload());
    await this.reload();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#retry?.cancel();
    this.#endWait?.();
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

  /** The organisations that have an API of that id. */
  ownersOfApi(apiId: string): readonly OrganisationId[] {
    const key = definitionKey('api', apiId);
    const owners: OrganisationId[] = [];
    for (const { organisation, definitions } of this.#snapshots.values()) {
      if (definitions.has(key)) owners.push(organisation);
    }
    return owners;
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
    return this.#held.list();
  }

  /** Ships what is held, for one organisation or for all. Resolves to how many removals that were. */
  async accept(organisation?: OrganisationId): Promise<number> {
    const count = this.#held.accept(organisation);
    if (count > 0) await this.reload();
    return count;
  }

  /** Loads the catalog now. Calls that come meanwhile are answered by one more load after this one. */
  reload(): Promise<void> {
    this.#loadAgain = true;
    this.#loading ??= Promise.resolve().then(() => this.#loadUntilQuiet());
    return this.#loading;
  }

  async #loadUntilQuiet(): Promise<void> {
    while (this.#loadAgain && !this.#stopped) {
      this.#loadAgain = false;
      this.#parts.progress?.hasWork();
      this.#retry?.cancel();
      try {
        await this.#apply(await this.#parts.catalog.load((source) => this.#inForceFrom(source)));
        this.#parts.metrics.add('causeway_catalog_loads_total', { result: 'ok' });
        if (this.#failure !== undefined) this.#parts.log.info('catalog loaded', this.#counts());
        this.#failure = undefined;
        this.#parts.progress?.madeProgress();
        this.#retryDelayMs = retryDelayMinMs;
      } catch (thrown) {
        this.#parts.metrics.add('causeway_catalog_loads_total', { result: 'failed' });
        this.#failure = describeError(thrown);
        const stays =
          this.#snapshots.size > 0 ? '; the last good one stays in force' : ', and there is no earlier one';
        this.#parts.log.warn(`catalog not loaded${stays}`, {
          reason: this.#failure,
          retryInMs: this.#retryDelayMs,
        });
        if (!this.#stopped) this.#retryLater();
      }
    }
    // Here and not after the promise: a call that came between the two would wait for a load that never is.
    this.#loading = undefined;
  }

  #retryLater(): void {
    this.#retry?.cancel();
    this.#retry = this.#parts.clock.after(this.#retryDelayMs, () => void this.reload());
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMaxMs);
  }

  async #apply(state: CatalogState): Promise<void> {
    this.#reportQuarantine(state.quarantined);
    const next = new Map<OrganisationId, Map<DefinitionKey, Definition>>();
    for (const organisation of [...this.#snapshots.keys(), ...this.#unsettled.keys()]) {
      next.set(organisation, new Map());
    }
    for (const definition of state.definitions) {
      let own = next.get(definition.organisation);
      if (own === undefined) {
        own = new Map();
        next.set(definition.organisation, own);
      }
      own.set(definitionKey(definition.kind, definition.id), definition);
    }
    const switchedOff = new Set(state.switchedOff.map(nameOf));
    const planned: PlannedChange[] = [];
    for (const [organisation, definitions] of next) {
      await readPlaces(this.#snapshots.get(organisation)?.definitions, definitions);
      const plan = this.#plan(organisation, definitions, (one) => switchedOff.has(nameOf(one)));
      if (plan.changes.length > 0 || this.#unsettled.has(organisation)) planned.push(plan);
    }
    await this.#note(planned);
    for (const organisation of next.keys()) {
      if (!this.#snapshots.has(organisation)) this.#snapshots.set(organisation, emptySnapshot(organisation));
    }
    for (const { organisation, shipped } of planned) {
      const current = this.#snapshots.get(organisation) ?? emptySnapshot(organisation);
      this.#snapshots.set(organisation, applyDifference(current, shipped));
    }
    this.#setPeople(
      withHeld(state.organisations, this.#organisations, (one) => this.#held.has(one.id)),
      withHeld(state.users, this.#users, (one) => this.#held.has(one.organisation)),
    );
    await this.#record(planned);
    this.#measure();
  }

  #plan(
    organisation: OrganisationId,
    next: ReadonlyMap<DefinitionKey, Definition>,
    isSwitchedOff: WantedRemovals['isSwitchedOff'],
  ): PlannedChange {
    const current = this.#snapshots.get(organisation) ?? emptySnapshot(organisation);
    const difference = differenceOf(current.definitions, next);
    const removed = this.#parts.holdRemovals
      ? this.#held.pass(current, { removed: difference.removed, next, isSwitchedOff })
      : difference.removed;
    const shipped = { put: difference.put, removed };
    const changes = changesOf(current.definitions, shipped);
    const noted = this.#unsettled.get(organisation);
    if (noted === undefined) return { organisation, shipped, changes };
    const { definitions } = applyDifference(current, shipped);
    return { organisation, shipped, changes: [...changes, ...settlingChanges(noted, definitions, changes)] };
  }

  /** From here on workers may see what is planned, and a crash may come between any two steps. */
  async #note(planned: readonly PlannedChange[]): Promise<void> {
    const held = this.#held.notes();
    if (planned.length + held.put.length + held.settled.length === 0) return;
    for (const { organisation, changes } of planned) {
      this.#unsettled.set(organisation, [...(this.#unsettled.get(organisation) ?? []), ...changes]);
    }
    const notes = [...this.#unsettled].map(([organisation, changes]) => unsettledNote(organisation, changes));
    const settled = held.settled.map((organisation) => ({ organisation, key: heldNoteKey }));
    await this.#untilDone('catalog copy', () =>
      this.#parts.catalogCopy.writeDefinitions([...notes, ...held.put], settled),
    );
    this.#held.notesWritten();
  }

  async #record(planned: readonly PlannedChange[]): Promise<void> {
    const atMs = this.#parts.clock.nowMs();
    const changes = planned.flatMap(({ organisation, changes: own }) =>
      own.map((body) => ({ organisation, atMs, body })),
    );
    if (changes.length > 0) {
      await this.#untilDone('change log', () => this.#parts.changeLog.append(changes));
      this.#parts.metrics.add('causeway_changes_total', { type: 'definition' }, changes.length);
      for (const plan of planned) this.#tellChanged(plan);
    }
    await this.#untilDone('catalog copy', async () => {
      if (planned.length > 0) {
        await this.#parts.catalogCopy.writeDefinitions(
          planned.flatMap(({ shipped }) => shipped.put),
          planned.flatMap(({ organisation, shipped }) => [
            ...shipped.removed.map(({ kind, id }) => ({ organisation, key: definitionKey(kind, id) })),
            { organisation, key: unsettledNoteKey },
          ]),
        );
        for (const { organisation } of planned) this.#unsettled.delete(organisation);
      }
      const people = JSON.stringify([this.#organisations, this.#users]);
      if (people === this.#peopleWritten) return;
      await this.#parts.catalogCopy.writePeople(this.#organisations, this.#users);
      this.#peopleWritten = people;
    });
  }

  #tellChanged({ organisation, shipped: { put, removed } }: PlannedChange): void {
    const { clock, log } = this.#parts;
    if (put.length + removed.length === 0 || !this.#changeLines.take(clock.monotonicMs())) return;
    const names = (some: readonly { readonly kind: string; readonly id: string }[]) =>
      some.slice(0, namedMax).map(({ kind, id }) => `${kind} ${id}`);
    log.info('the catalog changed', {
      ...{ organisation, changed: put.length, removed: removed.length },
      ...(put.length > 0 && { changedItems: names(put) }),
      ...(removed.length > 0 && { removedItems: names(removed) }),
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
        await this.#wait(delayMs);
        if (this.#stopped) throw thrown;
      }
    }
  }

  /** Ends early when the hub stops. */
  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(delayMs, resolve);
      this.#endWait = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #restore(definitions: readonly Definition[]): void {
    const byOrganisation = new Map<OrganisationId, Map<DefinitionKey, Definition>>();
    for (const definition of definitions) {
      const noted = readUnsettledNote(definition);
      if (noted !== undefined) {
        const known = this.#unsettled.get(definition.organisation) ?? [];
        this.#unsettled.set(definition.organisation, [...known, ...noted]);
        continue;
      }
      const held = readHeldNote(definition);
      if (held !== undefined) {
        this.#held.restore(definition.organisation, held);
        continue;
      }
      const refitted = refitDefinition(definition);
      if ('problem' in refitted || refitted.definition !== definition) this.#settleLater(definition);
      if ('problem' in refitted) {
        const { source } = definition;
        this.#parts.log.error('not taken from the copy on disk', { source, reason: refitted.problem });
        continue;
      }
      const own = byOrganisation.get(definition.organisation) ?? new Map<DefinitionKey, Definition>();
      own.set(definitionKey(definition.kind, definition.id), refitted.definition);
      byOrganisation.set(definition.organisation, own);
    }
    for (const [organisation, own] of byOrganisation) {
      this.#snapshots.set(organisation, { organisation, revision: 1, definitions: own });
    }
  }

  /** Workers hold it as it was kept: they are told what has become of it, though catalog and memory agree. */
  #settleLater({ organisation, kind, id, visibility }: Definition): void {
    const change: DefinitionChange = {
      type: 'definition',
      kind,
      id,
      hash: undefined,
      before: visibility,
      after: undefined,
    };
    this.#unsettled.set(organisation, [...(this.#unsettled.get(organisation) ?? []), change]);
  }

  #hasGood(source: string): boolean {
    return this.#inForceFrom(source).length > 0;
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
    const lineOf = ({ source, reason }: QuarantinedItem) => `${source}\n${reason}`;
    const known = new Set(this.#quarantined.map(lineOf));
    for (const item of items) {
      if (known.has(lineOf(item))) continue;
      known.add(lineOf(item));
      const { source, reason } = item;
      const stays = this.#hasGood(source)
        ? '; the last good version stays in force'
        : ', and there is no good version';
      this.#parts.log.error(`quarantined${stays}`, { source, reason });
    }
    const still = new Set(items.map(({ source }) => source));
    for (const source of new Set(this.#quarantined.map((item) => item.source))) {
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
    for (const { organisation, definitions } of this.#snapshots.values()) {
      const byKind = { api: 0, policy: 0, 'client-idp': 0 };
      for (const { kind } of definitions.values()) byKind[kind] += 1;
      for (const [kind, count] of Object.entries(byKind)) {
        metrics.set('causeway_catalog_definitions', { organisation, kind }, count);
      }
    }
    this.#held.measure(metrics);
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

function nameOf({ organisation, kind, id }: Pick<Definition, 'organisation' | 'kind' | 'id'>): string {
  return `${organisation}/${definitionKey(kind, id)}`;
}
