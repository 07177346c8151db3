import { parseKeyName } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { KeyStore, StoredValue } from '../../ports/key-store.js';
import type { Metrics } from '../../ports/metrics.js';
import { yieldTurn } from '../../std/yield-turn.js';
import type { KeyReader } from './key-reader.js';

export interface FoundKey {
  /** As the store has it. */
  readonly name: string;
  readonly value: Buffer;
}

export interface KeySearchPorts {
  readonly store: KeyStore;
  readonly reader: Pick<KeyReader, 'read'>;
  readonly metrics: Metrics;
}

const pageSize = 500;
/** Values read together; larger than modest ones are read alone. */
const readTogether = 100;
const modest = { valueBytesMax: limits.modestValueBytesMax };
const wildcards = /[*?[\]\\]/;
/** Without their subject these cover everything of a kind, of every organisation. */
const tooShort: ReadonlySet<string> = new Set(['', 'apikey-', 'cert-raw-', 'quota-', 'rate-limit-']);

/**
 * Lists keys by a prefix, as old gateways do with the OAuth clients of one API. The scope is that of a read:
 * what the worker may not read is not there. A search that finds too much fails, because a part of a list
 * would be taken for all of it.
 */
export class KeySearch {
  readonly #ports: KeySearchPorts;

  constructor(ports: KeySearchPorts) {
    this.#ports = ports;
  }

  /**
   * `pattern`: a fixed beginning and a `*` at the end. Rejects with REQUEST_INVALID for any other,
   * LIMIT_EXCEEDED when there are too many names, STORE_UNAVAILABLE.
   */
  async search(identity: WorkerIdentity, pattern: string): Promise<readonly FoundKey[]> {
    const prefix = prefixOf(pattern);
    const names = new Set<string>();
    for await (const page of this.#ports.store.scan(prefix, pageSize)) {
      for (const name of page) names.add(name);
      if (names.size > limits.keysFoundMax) {
        this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'keysFoundMax' });
        throw new CausewayError(
          'LIMIT_EXCEEDED',
          `more than keysFoundMax (${limits.keysFoundMax}) keys begin with what was asked for`,
        );
      }
    }
    const found: FoundKey[] = [];
    const all = [...names];
    let bytes = 0;
    const add = (name: string, stored: StoredValue | undefined) => {
      if (stored === undefined) return;
      bytes += stored.value.length;
      if (bytes > limits.foundBytesMax) throw this.#tooMuch();
      found.push({ name, value: stored.value });
    };
    for (let start = 0; start < all.length; start += readTogether) {
      const asked = all.slice(start, start + readTogether);
      const values = await this.#ports.reader.read(identity, asked, modest);
      for (const [index, name] of asked.entries()) {
        const stored = values[index];
        if (stored?.oversize === undefined) add(name, stored);
        else {
          await yieldTurn();
          add(name, (await this.#ports.reader.read(identity, [name]))[0]);
        }
      }
    }
    return found;
  }

  #tooMuch(): CausewayError {
    this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'foundBytesMax' });
    return new CausewayError(
      'LIMIT_EXCEEDED',
      `the values of what was asked for are more than foundBytesMax (${limits.foundBytesMax})`,
    );
  }
}

function prefixOf(pattern: string): string {
  const prefix = pattern.slice(0, -1);
  const kind = parseKeyName(prefix).kind;
  // An OAuth pattern may end where the id begins, and is then no name yet.
  const fixed = /^oauth-data\.[^.]+\./.test(prefix) || (kind !== 'unreadable' && kind !== 'bare');
  if (!pattern.endsWith('*') || wildcards.test(prefix) || tooShort.has(prefix) || !fixed) {
    throw new CausewayError('REQUEST_INVALID', 'a search needs a fixed beginning and a * at its end');
  }
  return prefix;
}
