import type { Definition } from '../domain/definition.js';
import type { OrganisationId } from '../domain/identifiers.js';
import type { Organisation, User } from '../domain/organisation.js';

/**
 * The last good catalog on disk: what a hub starts from while the control plane is down, and what a
 * newly loaded catalog is compared with, so that edits made while the hub was down become changes.
 */
export interface CatalogCopy {
  /** What was saved last; undefined on a first start. */
  read(): Promise<SavedCatalog | undefined>;
  /** Durable when it resolves. Writes only what differs. */
  writeDefinitions(
    put: readonly Definition[],
    removed: readonly { readonly organisation: OrganisationId; readonly key: string }[],
  ): Promise<void>;
  writePeople(organisations: readonly Organisation[], users: readonly User[]): Promise<void>;
}

export interface SavedCatalog {
  readonly organisations: readonly Organisation[];
  readonly users: readonly User[];
  readonly definitions: readonly Definition[];
}
