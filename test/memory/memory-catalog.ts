import type { Definition } from '../../src/domain/definition.js';
import type { Organisation, User } from '../../src/domain/organisation.js';
import type { SwitchedOff } from '../../src/domain/switched-off.js';
import type { Catalog, CatalogState, QuarantinedItem } from '../../src/ports/catalog.js';
import { MemoryStore } from './memory-store.js';

/** A catalog that a test edits in place. Every edit tells the subscribers. */
export class MemoryCatalog extends MemoryStore implements Catalog {
  organisations: Organisation[] = [];
  users: User[] = [];
  quarantined: QuarantinedItem[] = [];
  switchedOff: SwitchedOff[] = [];
  readonly #definitions = new Map<string, Definition>();
  readonly #listeners = new Set<() => void>();
  loads = 0;

  put(...definitions: readonly Definition[]): void {
    for (const definition of definitions) this.#definitions.set(nameOf(definition), definition);
    this.announce();
  }

  remove(...definitions: readonly Pick<Definition, 'organisation' | 'kind' | 'id'>[]): void {
    for (const definition of definitions) this.#definitions.delete(nameOf(definition));
    this.announce();
  }

  /** From one state to another, with nothing in between. */
  replace(...definitions: readonly Definition[]): void {
    this.#definitions.clear();
    this.put(...definitions);
  }

  announce(): void {
    for (const listener of this.#listeners) listener();
  }

  load(): Promise<CatalogState> {
    this.loads += 1;
    return this.operation('load', () => ({
      organisations: [...this.organisations],
      users: [...this.users],
      definitions: [...this.#definitions.values()],
      quarantined: [...this.quarantined],
      switchedOff: [...this.switchedOff],
    }));
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }
}

function nameOf({ organisation, kind, id }: Pick<Definition, 'organisation' | 'kind' | 'id'>): string {
  return JSON.stringify([organisation, kind, id]);
}
