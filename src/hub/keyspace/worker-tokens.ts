import { parseKeyName } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import type { KeyStore } from '../../ports/key-store.js';
import type { KeyReader } from './key-reader.js';

export interface WorkerTokensPorts {
  readonly store: KeyStore;
  readonly reader: Pick<KeyReader, 'invalidate'>;
  /** As of KeyReader. */
  readonly ownsApi: (organisation: WorkerIdentity['organisation'], apiId: string) => boolean;
}

/**
 * OAuth tokens that a worker writes: gateways up to 4.0 issue tokens themselves and have no store for them but
 * the hub. These writes, and no others, are a worker's own; newer gateways send deletes of the same and other
 * names while they tidy up, and executing those would destroy what the control plane has.
 */
export class WorkerTokens {
  readonly #ports: WorkerTokensPorts;

  constructor(ports: WorkerTokensPorts) {
    this.#ports = ports;
  }

  /** Whether a name is a token under an API of the worker's organisation. */
  isToken(identity: WorkerIdentity, name: string): boolean {
    if (Buffer.byteLength(name) > limits.keyNameBytesMax) return false;
    const parsed = parseKeyName(name);
    return (
      parsed.kind === 'oauth' &&
      parsed.item !== 'clientid' &&
      this.#ports.ownsApi(identity.organisation, parsed.api)
    );
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
    await this.#ports.store.remove(own);
    for (const name of own) this.#ports.reader.invalidate(name);
  }
}
