import type { NewChange } from '../../domain/change.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { hashKey, looksHashed } from '../../domain/key-hash.js';
import { sessionName, sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { ChangeLog } from '../../ports/change-log.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore, StoredValue } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { KeyedQueue } from '../../std/keyed-queue.js';
import { sessionForOrganisation } from './session-document.js';
import { ownerOfSession } from './session-owner.js';

export interface KeyWriterPorts {
  readonly store: KeyStore;
  readonly changeLog: ChangeLog;
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
/** Removals whose event is not logged yet; more than a few only while the log is away. */
const unannouncedMax = 10_000;

/**
 * Control-plane side writes of keys. Each is a store write and then an entry of the change log, in this
 * order: a worker that hears of the event must find the new state. The promise resolves when both are
 * durable; a rejected write may have reached the store, and repeating it heals that.
 */
export class KeyWriter {
  readonly #ports: KeyWriterPorts;
  readonly #hashKeys: boolean;
  readonly #queue = new KeyedQueue();
  readonly #unannounced = new Set<string>();

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
      const existing = await this.#readOne(place.name);
      if (existing !== undefined) {
        const owner = ownerOfSession(place.id, existing.value);
        if (owner !== undefined && owner !== organisation) {
          throw new CausewayError('OUT_OF_SCOPE', 'a key of that name belongs to another organisation');
        }
      }
      await this.#ports.store.put(place.name, value, ttlMs);
      await this.#announce(organisation, place, 'key-changed');
      this.#unannounced.delete(unannouncedKey(organisation, place));
    });
  }

  /** Rejects with NOT_FOUND, and tells no worker, when the organisation has no such key. */
  async remove(organisation: OrganisationId, reference: KeyReference): Promise<void> {
    const place = this.#placeOf(reference);
    await this.#queue.run(place.name, async () => {
      const owed = unannouncedKey(organisation, place);
      const repeated = this.#unannounced.has(owed);
      const existing = await this.#readOne(place.name);
      const owned = existing !== undefined && ownerOfSession(place.id, existing.value) === organisation;
      if (!owned && !repeated) throw notFound();
      // Noted before the store is asked: when its answer is lost, the repeat finds the key gone, and
      // without the note the event would be lost for good.
      if (this.#unannounced.size < unannouncedMax) this.#unannounced.add(owed);
      if (owned && (await this.#ports.store.remove([place.name])) === 0 && !repeated) {
        this.#unannounced.delete(owed);
        throw notFound();
      }
      await this.#announce(organisation, place, 'key-removed');
      this.#unannounced.delete(owed);
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

  async #readOne(name: string): Promise<StoredValue | undefined> {
    const [stored] = await this.#ports.store.getMany([name]);
    return stored;
  }

  async #announce(
    organisation: OrganisationId,
    place: Place,
    kind: 'key-changed' | 'key-removed',
  ): Promise<void> {
    const change: NewChange = {
      organisation,
      atMs: this.#ports.clock.nowMs(),
      body: { type: 'key', event: { kind, key: place.id, hashed: place.hashed } },
    };
    try {
      await this.#ports.changeLog.append([change]);
    } catch (error) {
      this.#ports.metrics.add('causeway_store_errors_total', { store: 'change-log' });
      this.#ports.log.warn('a key was written but the workers could not be told; repeat the write', {
        organisation,
        kind,
      });
      throw error;
    }
    this.#ports.metrics.add('causeway_changes_total', { type: 'key' });
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

function unannouncedKey(organisation: OrganisationId, place: Place): string {
  return JSON.stringify([organisation, place.name]);
}

function notFound(): CausewayError {
  return new CausewayError('NOT_FOUND', 'the organisation has no such key');
}
