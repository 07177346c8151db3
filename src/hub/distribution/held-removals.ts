import { type Definition, type DefinitionKey, definitionKey } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { OrganisationSnapshot } from './organisation-snapshot.js';
import { RemovalHold } from './removal-hold.js';

export interface HeldRemoval {
  readonly organisation: OrganisationId;
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly sinceMs: number;
}

/** Which removals wait for a person, and which a person has accepted: the books of all organisations. */
export class HeldRemovals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #holds = new Map<OrganisationId, RemovalHold>();
  readonly #held = new Map<OrganisationId, Map<DefinitionKey, HeldRemoval>>();
  readonly #accepted = new Map<OrganisationId, ReadonlySet<DefinitionKey>>();

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
  pass(current: OrganisationSnapshot, wanted: readonly Definition[]): readonly Definition[] {
    const { organisation } = current;
    const hold = this.#holds.get(organisation) ?? new RemovalHold();
    this.#holds.set(organisation, hold);
    const accepted = this.#accepted.get(organisation) ?? new Set<DefinitionKey>();
    this.#accepted.delete(organisation);
    const nowMs = this.#clock.monotonicMs();
    const held = new Set(hold.decide(current.definitions, wanted, accepted, nowMs));
    const passed = wanted.filter((definition) => !held.has(definition));
    hold.passed(passed, accepted, nowMs);
    this.#remember(organisation, held);
    return passed;
  }

  measure(metrics: Metrics): void {
    metrics.reset('causeway_catalog_held_removals');
    for (const [organisation, byKey] of this.#held) {
      metrics.set('causeway_catalog_held_removals', { organisation }, byKey.size);
    }
  }

  #remember(organisation: OrganisationId, held: ReadonlySet<Definition>): void {
    const before = this.#held.get(organisation);
    if (held.size === 0) {
      if (this.#held.delete(organisation)) this.#log.info('held removals are settled', { organisation });
      return;
    }
    const sinceMs = this.#clock.nowMs();
    const now = new Map<DefinitionKey, HeldRemoval>();
    for (const { kind, id, name } of held) {
      const key = definitionKey(kind, id);
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
}
