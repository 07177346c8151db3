import type { NewChange } from '../../domain/change.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { hashKey, looksHashed } from '../../domain/key-hash.js';
import { sessionName, sessionPrefix } from '../../domain/key-names.js';
import { organisationOfRawKey } from '../../domain/key-token.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { AnnouncedWrite, AnnouncedWrites } from '../../ports/announced-writes.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore, StoredValue } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { KeyedQueue } from '../../std/keyed-queue.js';
import { sessionForOrganisation } from './session-document.js';
import { ownerOfSession } from './session-owner.js';

export interface KeyWriterPorts {
  readonly store: KeyStore;
  readonly writes: AnnouncedWrites;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How an operator names a key: as its consumer sends it, or by the hash it is stored under. */
export interface KeyReference {
  readonly key: string;
  /** `key` is already the hash. Default false. */
  readonly hashed?: boolean;
}

export interface ListedKey {
  /** As stored: the raw key, or its hash. */
  readonly id: string;
  readonly hashed: boolean;
  readonly remainingTtlMs: number | undefined;
}

interface Place {
  readonly id: string;
  readonly hashed: boolean;
  /** In the store. */
  readonly name: string;
}

const scanPageSize = 500;

/**
 * Control-plane side writes of keys. Each is a write of the store and an entry of the change log, and both or
 * neither is what a crash leaves; a worker that hears of the event finds the new state. A repeat tells again, so
 * whoever got no answer repeats.
 */
export class KeyWriter {
  readonly #ports: KeyWriterPorts;
  readonly #hashKeys: boolean;
  readonly #queue = new KeyedQueue();

  constructor(ports: KeyWriterPorts, options: { readonly hashKeys: boolean }) {
    this.#ports = ports;
    this.#hashKeys = options.hashKeys;
  }

  /**
   * Creates or replaces a key. `session`: a JSON object whose `org_id` is absent or this organisation.
   * `ttlMs` undefined: it does not expire. REQUEST_INVALID for anything else, OUT_OF_SCOPE when the key
   * exists for another organisation.
   */
  async put(
    organisation: OrganisationId,
    reference: KeyReference,
    session: Buffer,
    ttlMs: number | undefined,
  ): Promise<void> {
    const place = this.#placeOf(reference);
    if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0)) {
      throw new CausewayError('REQUEST_INVALID', 'the ttl must be a whole number of milliseconds above 0');
    }
    const value = sessionForOrganisation(session, organisation);
    await this.#queue.run(place.name, async () => {
      const owner = await this.#ownerOf(place, organisation);
      if (owner !== undefined && owner !== 'nobody' && owner !== organisation) {
        throw new CausewayError('OUT_OF_SCOPE', 'a key of that name belongs to another organisation');
      }
      await this.#write(organisation, place, 'key-changed', { value, ttlMs });
    });
  }

  /**
   * Rejects with NOT_FOUND when the organisation has no such key. Its workers are told all the same when nobody
   * has one: whoever asks a second time may have got no answer to the first.
   */
  async remove(organisation: OrganisationId, reference: KeyReference): Promise<void> {
    const place = this.#placeOf(reference);
    await this.#queue.run(place.name, async () => {
      const owner = await this.#ownerOf(place, organisation);
      if (owner !== undefined && owner !== organisation) throw notFound();
      await this.#write(organisation, place, 'key-removed', undefined);
      if (owner === undefined) throw notFound();
    });
  }

  /** Rejects with NOT_FOUND. */
  async get(organisation: OrganisationId, reference: KeyReference): Promise<StoredValue> {
    const place = this.#placeOf(reference);
    const stored = await this.#readOne(place.name);
    if (stored === undefined || ownerOfSession(place.id, stored.value) !== organisation) throw notFound();
    return stored;
  }

  /** At most `keysMax` keys of the organisation, each once, in no particular order. */
  async *list(organisation: OrganisationId, keysMax: number): AsyncGenerator<ListedKey, void> {
    const listed = new Set<string>();
    for await (const page of this.#ports.store.scan(sessionPrefix, scanPageSize)) {
      const names = page.filter((name) => !listed.has(name));
      const values = await this.#ports.store.getMany(names);
      for (const [index, name] of names.entries()) {
        if (listed.size >= keysMax) return;
        const stored = values[index];
        const id = name.slice(sessionPrefix.length);
        if (stored === undefined || listed.has(name)) continue;
        if (ownerOfSession(id, stored.value) !== organisation) continue;
        listed.add(name);
        yield { id, hashed: looksHashed(id), remainingTtlMs: stored.remainingTtlMs };
      }
    }
  }

  /**
   * Undefined: there is no such key; `nobody`: it does not say whose it is. A key that is damaged belongs to whom its
   * name says, else to whoever asks, so that it can be written again, and removed.
   */
  async #ownerOf(place: Place, organisation: OrganisationId): Promise<OrganisationId | 'nobody' | undefined> {
    try {
      const stored = await this.#readOne(place.name);
      return stored && (ownerOfSession(place.id, stored.value) ?? 'nobody');
    } catch (error) {
      if (!(error instanceof CausewayError) || error.code !== 'STORE_ITEM_UNREADABLE') throw error;
      return organisationOfRawKey(place.id) ?? organisation;
    }
  }

  async #readOne(name: string): Promise<StoredValue | undefined> {
    const [stored] = await this.#ports.store.getMany([name]);
    return stored;
  }

  async #write(
    organisation: OrganisationId,
    place: Place,
    kind: 'key-changed' | 'key-removed',
    stored: AnnouncedWrite['stored'],
  ): Promise<void> {
    const { writes, clock, log, metrics } = this.#ports;
    const change: NewChange = {
      organisation,
      atMs: clock.nowMs(),
      body: { type: 'key', event: { kind, key: place.id, hashed: place.hashed } },
    };
    try {
      await writes.write({ name: place.name, stored, changes: [change] });
    } catch (error) {
      metrics.add('causeway_store_errors_total', { store: 'keys' });
      log.warn('a key was not written, or its workers could not be told yet; repeat the write', {
        organisation,
        kind,
        reason: describeError(error),
      });
      throw error;
    }
    metrics.add('causeway_changes_total', { type: 'key' });
  }

  #placeOf({ key, hashed = false }: KeyReference): Place {
    if (!this.#hashKeys && hashed) {
      throw new CausewayError('REQUEST_INVALID', 'keys are not hashed here: name the key itself');
    }
    if (hashed && !looksHashed(key)) {
      throw new CausewayError('REQUEST_INVALID', 'the key is not a hash: 8, 16, 32 or 64 hex digits');
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    if (key === '' || /[\s\u0000-\u001f\u007f]/.test(key)) {
      throw new CausewayError('REQUEST_INVALID', 'a key is not empty and has no white space or controls');
    }
    if (!this.#hashKeys && key.includes(':')) {
      // Key events are split at ':' by the workers, and there is no way to escape it.
      throw new CausewayError('REQUEST_INVALID', "a key that is not hashed must not contain ':'");
    }
    const id = this.#hashKeys && !hashed ? hashKey(key) : key;
    const name = sessionName(id);
    if (Buffer.byteLength(name) > limits.keyNameBytesMax) {
      throw new CausewayError(
        'LIMIT_EXCEEDED',
        `the key is too long; keyNameBytesMax is ${limits.keyNameBytesMax}`,
      );
    }
    return { id, hashed: this.#hashKeys || looksHashed(id), name };
  }
}

function notFound(): CausewayError {
  return new CausewayError('NOT_FOUND', 'the organisation has no such key');
}
