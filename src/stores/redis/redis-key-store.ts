import { type ChainableCommander, Cluster, type Redis } from 'ioredis';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore, ReadOptions, StoredValue } from '../../ports/key-store.js';
import type { KeyStoreFacts } from '../../ports/key-store-facts.js';
import type { RedisClient } from './create-client.js';
import { ReadBatches } from './read-batches.js';
import type { RedisAccess } from './redis-access.js';
import { readRedisFacts } from './redis-facts.js';
import { type LinkOptions, RedisLink } from './redis-link.js';

export interface RedisKeyStoreOptions extends LinkOptions {
  /** Distinguishes our marks of sliding windows from those of others. */
  readonly markSuffix: string;
}

/** Slots looked through in one SCAN: the server does nothing else meanwhile. */
const scannedSlotsMax = 1_000;

/**
 * The control plane's keys in Redis or Valkey, standing where gateways and the dashboard put them. Needs no
 * scripts, so that an ACL user with plain commands is enough.
 */
export class RedisKeyStore implements KeyStore {
  readonly #link: RedisLink;
  readonly #reads: ReadBatches;
  readonly #markSuffix: string;
  readonly #database: number;
  readonly #clock: Clock;
  #marks = 0;

  constructor(access: RedisAccess, options: RedisKeyStoreOptions) {
    this.#link = new RedisLink(access, options);
    this.#reads = new ReadBatches((call) => this.#link.run(call), access.enableCluster);
    this.#markSuffix = options.markSuffix;
    this.#database = access.database;
    this.#clock = options.clock;
  }

  /** Connects; resolves also when that does not succeed within `waitMs`, and goes on trying. */
  open(waitMs: number): Promise<void> {
    return this.#link.open(waitMs);
  }

  /** Why it cannot be used at the moment, naming the option; undefined when it can. */
  trouble(): string | undefined {
    return this.#link.trouble();
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  /** A bounded look at what is there and how. Rejects with STORE_UNAVAILABLE. */
  facts(): Promise<KeyStoreFacts> {
    return readRedisFacts(this.#link, this.#database, this.#clock);
  }

  async getMany(
    names: readonly string[],
    options: ReadOptions = {},
  ): Promise<readonly (StoredValue | undefined)[]> {
    if (names.length === 0) return [];
    const { ttl = true, valueBytesMax = limits.storedValueBytesMax } = options;
    return this.#reads.read(names, ttl, valueBytesMax);
  }

  async put(name: string, value: Buffer, ttlMs: number | undefined): Promise<void> {
    // The driver writes later, and the caller may use its buffer for something else by then.
    const copy = Buffer.from(value);
    await this.#link.run<unknown>((client) =>
      ttlMs === undefined ? client.set(name, copy) : client.set(name, copy, 'PX', wholeMs(ttlMs)),
    );
  }

  async remove(names: readonly string[]): Promise<number> {
    if (names.length === 0) return 0;
    return this.#link.run(async (client) => {
      if (!(client instanceof Cluster)) return client.unlink(...names);
      const removed = await Promise.all(names.map((name) => client.unlink(name)));
      return removed.reduce((sum, one) => sum + one, 0);
    });
  }

  /**
   * With a Cluster one primary after the other; keys that move between them meanwhile can be missed. A
   * server that fails over ends the scan with an error: its cursor means nothing to the next one.
   */
  async *scan(prefix: string, pageSize: number): AsyncIterable<readonly string[]> {
    const pattern = `${escapeGlob(prefix)}*`;
    const count = Math.max(10, Math.min(pageSize, scannedSlotsMax));
    for (const server of await this.#primaries()) {
      let cursor = '0';
      do {
        const [next, names] = await this.#link.run(() =>
          server.scan(cursor, 'MATCH', pattern, 'COUNT', count),
        );
        cursor = next;
        for (let start = 0; start < names.length; start += pageSize) {
          yield names.slice(start, start + pageSize);
        }
      } while (cursor !== '0');
    }
  }

  async increment(name: string, ttlMs: number | undefined): Promise<number> {
    // SET NX begins the counter with its life and INCR leaves a life as it is: together they do atomically
    // what "PEXPIRE when the count is 1" does not, if the hub dies in between.
    const replies = await this.#transact((queue) => {
      if (ttlMs !== undefined) queue.set(name, '0', 'PX', wholeMs(ttlMs), 'NX');
      return queue.incr(name);
    });
    return Number(replies[replies.length - 1]);
  }

  /** Scores are nanoseconds and the key lives for one window, as gateways do it: they share these sets. */
  async addToWindow(name: string, windowMs: number, nowMs: number): Promise<number> {
    this.#marks += 1;
    const mark = `${nanoseconds(nowMs)}-${this.#markSuffix}-${this.#marks}`;
    const replies = await this.#transact((queue) =>
      queue
        .zremrangebyscore(name, '-inf', nanoseconds(nowMs - windowMs))
        .zcard(name)
        .zadd(name, nanoseconds(nowMs), mark)
        .pexpire(name, wholeMs(windowMs)),
    );
    return Number(replies[1]);
  }

  async #transact(fill: (queue: ChainableCommander) => ChainableCommander): Promise<readonly unknown[]> {
    const replies = await this.#link.run(async (client) => fill(client.multi()).exec());
    return (replies ?? []).map(([error, result]) => {
      if (error === null) return result;
      if (/WRONGTYPE|not an integer|would overflow/.test(error.message)) {
        throw new CausewayError('STORE_ITEM_UNREADABLE', 'the value is of another kind');
      }
      throw this.#link.failure(error);
    });
  }

  #primaries(): Promise<readonly Redis[]> {
    return this.#link.run(async (client: RedisClient) => {
      if (!(client instanceof Cluster)) return [client];
      // Without a call before it, a cluster that has just been opened knows no node yet.
      await client.get('causeway-probe');
      return client.nodes('master');
    });
  }
}

function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.floor(ttlMs));
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000_000)));
}

/** Prefixes are texts, and a key may hold any character. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
