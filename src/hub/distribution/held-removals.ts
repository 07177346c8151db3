import { type Definition, type DefinitionKey, definitionKey } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { heldNote, type NotedRemoval } from './held-note.js';
import type { OrganisationSnapshot } from './organisation-snapshot.js';
import { RemovalHold } from './removal-hold.js';
import { Successors } from './successors.js';

export interface HeldRemoval {
  readonly organisation: OrganisationId;
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly sinceMs: number;
}

/** What one load wants to be rid of, and why that may be no accident. */
export interface WantedRemovals {
  readonly removed: readonly Definition[];
  /** Everything the control plane has now. */
  readonly next: ReadonlyMap<DefinitionKey, Definition>;
  /** Still there, and switched off by a person. */
  readonly isSwitchedOff: (definition: Definition) => boolean;
}

/** Which removals wait for a person, and which a person has accepted: the books of all organisations. */
export class HeldRemovals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #holds = new Map<OrganisationId, RemovalHold>();
  readonly #successors = new Map<OrganisationId, Successors>();
  readonly #held = new Map<OrganisationId, Map<DefinitionKey, HeldRemoval>>();
  readonly #accepted = new Map<OrganisationId, ReadonlySet<DefinitionKey>>();
  /** As the copy on disk has them. */
  readonly #noted = new Map<OrganisationId, readonly NotedRemoval[]>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  list(): readonly HeldRemoval[] {
    return [...this.#held.values()].flatMap((byKey) => [...byKey.values()]);
  }

  has(organisation: OrganisationId): boolean {
    return this.#held.has(organisation);
  }

  /** What an earlier life of the hub held. To be called before the first load. */
  restore(organisation: OrganisationId, noted: readonly NotedRemoval[]): void {
    this.#noted.set(organisation, noted);
    this.#holds.set(organisation, new RemovalHold(noted.map(({ key }) => key)));
  }

  /** Lets go at the next load what is held now, for one organisation or for all. Answers how many. */
  accept(organisation: OrganisationId | undefined): number {
    let count = 0;
    for (const [owner, byKey] of this.#held) {
      if (organisation !== undefined && owner !== organisation) continue;
      this.#accepted.set(owner, new Set(byKey.keys()));
      count += byKey.size;
    }
    return count;
  }

  /** Of the removals that a load wants, those that may be shipped; the others are held from here on. */
  pass(current: OrganisationSnapshot, wanted: WantedRemovals): readonly Definition[] {
    const { organisation, definitions } = current;
    const hold = this.#of(this.#holds, organisation, () => new RemovalHold());
    const successors = this.#of(this.#successors, organisation, () => new Successors());
    const accepted = this.#accepted.get(organisation) ?? new Set<DefinitionKey>();
    this.#accepted.delete(organisation);
    const nowMs = this.#clock.monotonicMs();
    const replaced = successors.replaced(definitions, wanted.next, wanted.removed, nowMs);
    const lost = wanted.removed.filter((one) => !replaced.has(one) && !wanted.isSwitchedOff(one));
    const held = new Set(hold.decide(definitions, lost, accepted, nowMs));
    hold.passed(
      lost.filter((definition) => !held.has(definition)),
      accepted,
      nowMs,
    );
    if (replaced.size > 0) {
      this.#log.info('definitions were replaced: others have taken their places', {
        organisation,
        replaced: replaced.size,
      });
    }
    this.#remember(organisation, held);
    return wanted.removed.filter((definition) => !held.has(definition));
  }

  /** What has to be written beside the definitions for the next life of the hub. */
  notes(): { readonly put: readonly Definition[]; readonly settled: readonly OrganisationId[] } {
    const put: Definition[] = [];
    const settled: OrganisationId[] = [];
    for (const [organisation, removals] of this.#heldByNote()) {
      const noted = this.#noted.get(organisation) ?? [];
      if (JSON.stringify(noted) === JSON.stringify(removals)) continue;
      if (removals.length === 0) settled.push(organisation);
      else put.push(heldNote(organisation, removals));
    }
    return { put, settled };
  }

  /** `notes` are on disk. */
  notesWritten(): void {
    for (const [organisation, removals] of this.#heldByNote()) this.#noted.set(organisation, removals);
  }

  measure(metrics: Metrics): void {
    metrics.reset('causeway_catalog_held_removals');
    for (const [organisation, byKey] of this.#held) {
      metrics.set('causeway_catalog_held_removals', { organisation }, byKey.size);
    }
  }

  #heldByNote(): ReadonlyMap<OrganisationId, readonly NotedRemoval[]> {
    const byOrganisation = new Map<OrganisationId, readonly NotedRemoval[]>();
    for (const organisation of this.#noted.keys()) byOrganisation.set(organisation, []);
    for (const [organisation, byKey] of this.#held) {
      const removals = [...byKey].map(([key, { sinceMs }]) => ({ key, sinceMs }));
      byOrganisation.set(organisation, removals);
    }
    return byOrganisation;
  }

  #remember(organisation: OrganisationId, held: ReadonlySet<Definition>): void {
    const before = this.#held.get(organisation);
    if (held.size === 0) {
      if (this.#held.delete(organisation)) this.#log.info('held removals are settled', { organisation });
      return;
    }
    const noted = new Map(this.#noted.get(organisation)?.map(({ key, sinceMs }) => [key, sinceMs]));
    const nowMs = this.#clock.nowMs();
    const now = new Map<DefinitionKey, HeldRemoval>();
    for (const { kind, id, name } of held) {
      const key = definitionKey(kind, id);
      const sinceMs = noted.get(key) ?? nowMs;
      now.set(key, before?.get(key) ?? { organisation, kind, id, name, sinceMs });
    }
    this.#held.set(organisation, now);
    if ([...now.keys()].some((key) => !before?.has(key))) {
      this.#log.error('removals held: run `causeway catalog accept` to ship them', {
        organisation,
        removals: now.size,
      });
    }
  }

  #of<Book>(books: Map<OrganisationId, Book>, organisation: OrganisationId, make: () => Book): Book {
    const book = books.get(organisation) ?? make();
    books.set(organisation, book);
    return book;
  }
}
