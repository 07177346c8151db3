import type { Change } from '../../src/domain/change.js';
import { type Definition, type DefinitionKey, definitionKey } from '../../src/domain/definition.js';
import type { OrganisationId } from '../../src/domain/identifiers.js';
import type { FakeClock } from '../memory/fake-clock.js';
import type { MemoryCatalog } from '../memory/memory-catalog.js';
import type { Random } from './random.js';

/** A broken promise of the hub. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Every change that was ever appended, also those that the log has trimmed since. */
export class FullHistory {
  readonly #byLog = new Map<string, Change[]>();

  note(epoch: string, changes: readonly Change[]): void {
    for (const change of changes) this.of(epoch, change.organisation).push(change);
  }

  /** The entry of sequence n stands at n - 1. */
  of(epoch: string, organisation: OrganisationId): Change[] {
    const name = JSON.stringify([epoch, organisation]);
    const found = this.#byLog.get(name);
    if (found !== undefined) return found;
    const made: Change[] = [];
    this.#byLog.set(name, made);
    return made;
  }

  between(epoch: string, organisation: OrganisationId, after: number, through: number): readonly Change[] {
    return this.of(epoch, organisation).slice(after, through);
  }
}

/** Every version of every definition that ever was in the catalog. */
export class Versions {
  readonly #versions = new Map<string, Definition[]>();

  note(definition: Definition): void {
    const name = nameOf(definition);
    this.#versions.set(name, [...(this.#versions.get(name) ?? []), definition]);
  }

  of(named: Pick<Definition, 'organisation' | 'kind' | 'id'>): readonly Definition[] {
    return this.#versions.get(nameOf(named)) ?? [];
  }
}

function nameOf({ organisation, kind, id }: Pick<Definition, 'organisation' | 'kind' | 'id'>): string {
  return `${organisation} ${definitionKey(kind, id)}`;
}

/** What every part of a simulation shares. */
export interface World {
  readonly random: Random;
  readonly clock: FakeClock;
  readonly catalog: MemoryCatalog;
  readonly history: FullHistory;
  readonly versions: Versions;
  /** Off once the simulation wants to see everything come to rest. */
  chaos: boolean;
  /** At most once can be promised only where a cursor is durable when its move resolves. */
  readonly cursorFlushDelayMs: number;
  trace(line: string): void;
  violation(message: string): never;
  /** Definitions that a crash may have left half announced: the hub still owes word of them. */
  isOwed(organisation: OrganisationId, key: DefinitionKey): boolean;
}
