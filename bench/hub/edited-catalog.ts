import type { Definition } from '../../src/domain/definition.js';
import type { Catalog, CatalogState } from '../../src/ports/catalog.js';
import { apiKey, organisation } from '../harness/definitions.js';

/** A catalog in memory that says that it changed when it is edited. */
export class EditedCatalog implements Catalog {
  readonly #definitions = new Map<string, Definition>();
  readonly #listeners = new Set<() => void>();

  put(definitions: readonly Definition[]): void {
    for (const definition of definitions) this.#definitions.set(definition.id, definition);
    for (const listener of this.#listeners) listener();
  }

  async load(): Promise<CatalogState> {
    return {
      organisations: [{ id: organisation, name: 'Benchmark', hybridEnabled: true }],
      users: [
        {
          id: 'gateways',
          organisation,
          emailAddress: 'gateways@example.com',
          accessKey: apiKey,
          active: true,
          groups: [],
        },
      ],
      definitions: [...this.#definitions.values()],
      quarantined: [],
      switchedOff: [],
    };
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }
}
