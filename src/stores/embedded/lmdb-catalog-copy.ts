import { type Definition, definitionKey } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import type { Organisation, User } from '../../domain/organisation.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { CatalogCopy, SavedCatalog } from '../../ports/catalog-copy.js';
import type { Log } from '../../ports/log.js';
import { byteKey } from './byte-key.js';
import { decodeDefinition, decodePeople, encodeDefinition, encodePeople } from './catalog-record.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

/**
 * Tables:
 *   catalog-definitions  (organisation, kind/id) → see catalog-record.ts
 *   catalog-people       `people` → JSON {organisations, users}; `written` → nothing, once anything was saved
 */
export class LmdbCatalogCopy implements CatalogCopy {
  readonly #environment: LmdbEnvironment;
  readonly #log: Log;
  readonly #definitions: LmdbTable;
  readonly #people: LmdbTable;

  constructor(environment: LmdbEnvironment, options: { readonly log: Log }) {
    this.#environment = environment;
    this.#log = options.log;
    this.#definitions = environment.table('catalog-definitions');
    this.#people = environment.table('catalog-people');
  }

  /** A definition that cannot be read is left out and named in the log; it comes back with the next load. */
  async read(): Promise<SavedCatalog | undefined> {
    return this.#environment.read(() => {
      if (this.#people.get(writtenKey) === undefined) return undefined;
      const definitions: Definition[] = [];
      for (const { key, value } of this.#definitions.getRange({ start: firstKey })) {
        const definition = value === undefined ? undefined : decodeDefinition(value);
        if (definition !== undefined) definitions.push(definition);
        else {
          this.#log.error('saved definition cannot be read', {
            code: 'STORE_ITEM_UNREADABLE',
            item: key.toString('utf8'),
          });
        }
      }
      return { ...this.#readPeople(), definitions };
    });
  }

  async writeDefinitions(
    put: readonly Definition[],
    removed: readonly { readonly organisation: OrganisationId; readonly key: string }[],
  ): Promise<void> {
    const entries = put.map((one) => ({
      key: byteKey(one.organisation, definitionKey(one.kind, one.id)),
      value: encodeDefinition(one),
    }));
    await this.#environment.transact(() => {
      this.#markWritten();
      for (const { organisation, key } of removed) this.#definitions.remove(byteKey(organisation, key));
      for (const { key, value } of entries) putIfDifferent(this.#definitions, key, value);
    });
  }

  async writePeople(organisations: readonly Organisation[], users: readonly User[]): Promise<void> {
    const value = encodePeople({ organisations, users });
    await this.#environment.transact(() => {
      this.#markWritten();
      putIfDifferent(this.#people, peopleKey, value);
    });
  }

  /** Without people nobody can log in, so that a copy without them is no copy. */
  #readPeople(): Pick<SavedCatalog, 'organisations' | 'users'> {
    const value = this.#people.get(peopleKey);
    if (value === undefined) return { organisations: [], users: [] };
    const people = decodePeople(value);
    if (people !== undefined) return people;
    throw new CausewayError('STORE_ITEM_UNREADABLE', 'the saved organisations and users cannot be read');
  }

  #markWritten(): void {
    if (this.#people.get(writtenKey) === undefined) this.#people.put(writtenKey, Buffer.alloc(0));
  }
}

const firstKey = Buffer.from([0]);
const peopleKey = byteKey('people');
const writtenKey = byteKey('written');

function putIfDifferent(table: LmdbTable, key: Buffer, value: Buffer): void {
  const saved = readWhole(table, key);
  if (saved === undefined || !saved.equals(value)) table.put(key, value);
}

/** Undefined also for what is damaged: it is written anew. */
function readWhole(table: LmdbTable, key: Buffer): Buffer | undefined {
  try {
    return table.get(key);
  } catch {
    return undefined;
  }
}
