import { LRUCache } from 'lru-cache';
import type { OrganisationId } from '../../domain/identifiers.js';
import { sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import { ownerOfSession } from './session-owner.js';

/** Larger sessions are parsed each time: bounded entries are to mean bounded memory. */
const rememberedBytesMax = 4_096;

/**
 * Whose sessions are, without parsing again what is the same as before. To parse one is a quarter of all that
 * a read of it costs the hub; to compare its bytes is next to nothing. Never wrong: it answers for the value
 * that is asked about, not for the name.
 */
export class SessionOwners {
  readonly #known: LRUCache<string, { readonly value: Buffer; readonly owner: OrganisationId | undefined }>;

  constructor(entriesMax: number = limits.sessionOwnersMax) {
    this.#known = new LRUCache({ max: entriesMax });
  }

  get size(): number {
    return this.#known.size;
  }

  /** As `ownerOfSession`; `name` is that of the key store, with its prefix. */
  ownerOf(name: string, value: Buffer): OrganisationId | undefined {
    const known = this.#known.peek(name);
    if (known?.value.equals(value)) return known.owner;
    const owner = ownerOfSession(name.slice(sessionPrefix.length), value);
    // A copy: a store may hand out a piece of a large block, which would be kept with it.
    if (value.length <= rememberedBytesMax) this.#known.set(name, { value: Buffer.from(value), owner });
    return owner;
  }
}
