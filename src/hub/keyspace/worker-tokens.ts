import type { NewChange } from '../../domain/change.js';
import type { KeyEvent } from '../../domain/key-event.js';
import { looksHashed } from '../../domain/key-hash.js';
import { parseKeyName } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import type { AnnouncedWrites } from '../../ports/announced-writes.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore } from '../../ports/key-store.js';
import type { KeyReader } from './key-reader.js';
import { type ApiOwners, ownReadings } from './oauth-scope.js';

export interface WorkerTokensPorts {
  readonly store: KeyStore;
  readonly writes: AnnouncedWrites;
  readonly clock: Clock;
  readonly reader: Pick<KeyReader, 'invalidate'>;
  readonly apiOwners: ApiOwners;
}

/**
 * OAuth tokens that a worker writes: gateways up to 4.0 issue tokens themselves and have no store for them but
 * the hub. These writes, and no others, are a worker's own; newer gateways send deletes of the same and other
 * names while they tidy up, and executing those would destroy what the control plane has.
 *
 * Of a new token nobody needs to hear: it is fetched when it is used. One that goes is a right that is taken away,
 * and other zones may hold it. They send the same delete in turn, so only what was there is told.
 */
export class WorkerTokens {
  readonly #ports: WorkerTokensPorts;
  readonly #hashKeys: boolean;

  constructor(ports: WorkerTokensPorts, options: { readonly hashKeys: boolean }) {
    this.#ports = ports;
    this.#hashKeys = options.hashKeys;
  }

  /** Whether a name is a token under an API of the worker's organisation. */
  isToken(identity: WorkerIdentity, name: string): boolean {
    if (Buffer.byteLength(name) > limits.keyNameBytesMax) return false;
    const parsed = parseKeyName(name);
    if (parsed.kind !== 'oauth') return false;
    const own = ownReadings(parsed.readings, identity.organisation, this.#ports.apiOwners);
    // A name that can be a client as well is taken for one: clients are the control plane's.
    return own.length > 0 && own.every(({ item }) => item !== 'clientid');
  }

  /** Resolves to false, having done nothing, when it is not a token or too large. `ttlMs` as of KeyStore. */
  async put(
    identity: WorkerIdentity,
    name: string,
    value: Buffer,
    ttlMs: number | undefined,
  ): Promise<boolean> {
    if (!this.isToken(identity, name) || value.length > limits.sessionBytesMax) return false;
    await this.#ports.store.put(name, value, ttlMs);
    this.#ports.reader.invalidate(name);
    return true;
  }

  async remove(identity: WorkerIdentity, names: readonly string[]): Promise<void> {
    const own = names.filter((name) => this.isToken(identity, name));
    if (own.length === 0) return;
    const { store, writes, reader } = this.#ports;
    const values = await store.getMany(own, { ttl: false });
    const there = own.filter((_name, index) => values[index] !== undefined);
    await Promise.all(
      there.map((name) => {
        return writes.write({ name, stored: undefined, changes: this.#revocation(identity, name) });
      }),
    );
    for (const name of own) reader.invalidate(name);
  }

  /** Of a name that can be read in several ways, each that is the organisation's own is told. */
  #revocation({ organisation }: WorkerIdentity, name: string): readonly NewChange[] {
    const parsed = parseKeyName(name);
    if (parsed.kind !== 'oauth') return [];
    const own = ownReadings(parsed.readings, organisation, this.#ports.apiOwners);
    return own.flatMap(({ api, item, id }): NewChange[] => {
      if (item !== 'access' && item !== 'refresh') return [];
      const hashed = this.#hashKeys && looksHashed(id);
      const event: KeyEvent = { kind: 'oauth-token-revoked', token: id, hashed, api, scope: item };
      return [{ organisation, atMs: this.#ports.clock.nowMs(), body: { type: 'key', event } }];
    });
  }
}
