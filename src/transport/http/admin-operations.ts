import type { QuarantinedItem } from '../../ports/catalog.js';

/**
 * What `causeway status`, `keys` and `catalog` ask of a running hub. Rejections are `CausewayError`s; their
 * messages reach the caller. An organisation left out means the only one there is, or the one the session
 * names; REQUEST_INVALID when that is not clear.
 */
export interface AdminOperations {
  /** Anything that JSON can say; the command shows it as it is. */
  status(): Promise<unknown>;
  listKeys(query: KeyQuery): Promise<KeyPage>;
  /** Rejects with NOT_FOUND. */
  getKey(reference: KeyReference): Promise<StoredSession>;
  putKey(reference: KeyReference, session: Buffer, ttlMs: number | undefined): Promise<void>;
  /** Rejects with NOT_FOUND. */
  removeKey(reference: KeyReference): Promise<void>;
  catalogProblems(): Promise<CatalogProblems>;
  /** Lets held removals through. Resolves to how many there were. */
  acceptCatalog(organisation: string | undefined): Promise<number>;
}

export interface KeyReference {
  readonly organisation: string | undefined;
  readonly name: string;
  /** The name is the hash already. */
  readonly hashed: boolean;
}

export interface KeyQuery {
  readonly organisation: string | undefined;
  /** Empty: every key. */
  readonly prefix: string;
  readonly limit: number;
  /** Of the page before. */
  readonly cursor: string | undefined;
}

export interface KeyPage {
  readonly keys: readonly ListedKey[];
  /** Undefined: this was the last page. */
  readonly cursor: string | undefined;
}

export interface ListedKey {
  readonly name: string;
  readonly organisation: string;
  readonly hashed: boolean;
  readonly remainingTtlMs: number | undefined;
}

export interface StoredSession extends ListedKey {
  /** JSON text, passed on byte for byte. */
  readonly session: Buffer;
}

export interface CatalogProblems {
  readonly quarantined: readonly QuarantinedItem[];
  readonly held: readonly HeldRemoval[];
}

export interface HeldRemoval {
  readonly organisation: string;
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly sinceMs: number;
}
