import { type Definition, definitionKey } from '../../src/domain/definition.js';
import type { OrganisationId } from '../../src/domain/identifiers.js';
import type { Organisation, User } from '../../src/domain/organisation.js';
import type { CatalogCopy, SavedCatalog } from '../../src/ports/catalog-copy.js';
import { MemoryStore } from './memory-store.js';

interface DurableState {
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly people: Pick<SavedCatalog, 'organisations' | 'users'>;
  readonly written: boolean;
}

export class MemoryCatalogCopy extends MemoryStore implements CatalogCopy {
  readonly #definitions: Map<string, Definition>;
  #people: DurableState['people'];
  #written: boolean;

  constructor(
    state: DurableState = {
      definitions: new Map(),
      people: { organisations: [], users: [] },
      written: false,
    },
  ) {
    super();
    this.#definitions = new Map(state.definitions);
    this.#people = state.people;
    this.#written = state.written;
  }

  restart(): MemoryCatalogCopy {
    this.sever();
    return new MemoryCatalogCopy({
      definitions: this.#definitions,
      people: this.#people,
      written: this.#written,
    });
  }

  read(): Promise<SavedCatalog | undefined> {
    return this.operation('read', () =>
      this.#written ? { ...this.#people, definitions: [...this.#definitions.values()] } : undefined,
    );
  }

  writeDefinitions(
    put: readonly Definition[],
    removed: readonly { readonly organisation: OrganisationId; readonly key: string }[],
  ): Promise<void> {
    return this.operation('writeDefinitions', () => {
      for (const { organisation, key } of removed) this.#definitions.delete(slot(organisation, key));
      for (const one of put) {
        this.#definitions.set(slot(one.organisation, definitionKey(one.kind, one.id)), one);
      }
      this.#written = true;
    });
  }

  writePeople(organisations: readonly Organisation[], users: readonly User[]): Promise<void> {
    return this.operation('writePeople', () => {
      this.#people = { organisations: [...organisations], users: [...users] };
      this.#written = true;
    });
  }
}

function slot(organisation: OrganisationId, key: string): string {
  return JSON.stringify([organisation, key]);
}
