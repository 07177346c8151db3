import { LRUCache } from 'lru-cache';
import { limits } from '../../domain/limits.js';
import { networkSourceOf } from '../../domain/network-source.js';
import type { Clock } from '../../ports/clock.js';
import { TokenBucket } from '../../std/token-bucket.js';

/** A network may fail as often as this many of its hosts: guessing from many addresses is guessing too. */
const hostsPerNetwork = 8;

/**
 * Counts failures per host and per network. Bounded: the one whose last failure is longest ago is forgotten, and
 * hosts cannot make networks forgotten.
 */
export class FailedLogins {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #hosts = new LRUCache<string, TokenBucket>({ max: limits.failedLoginAddressesMax });
  readonly #networks = new LRUCache<string, TokenBucket>({ max: limits.failedLoginAddressesMax });

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Notes one more failure; false: there were too many in the last minute. */
  note(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { host, network } = networkSourceOf(address);
    const ofHost = this.#bucket(this.#hosts, host, this.#perMinute, nowMs).take(nowMs);
    const ofNetwork = this.#bucket(this.#networks, network, this.#perMinute * hostsPerNetwork, nowMs);
    return ofNetwork.take(nowMs) && ofHost;
  }

  /** Whether one more failure would be too many. */
  isExhausted(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { host, network } = networkSourceOf(address);
    return [this.#hosts.get(host), this.#networks.get(network)].some((bucket) => {
      return bucket?.hasToken(nowMs) === false;
    });
  }

  #bucket(
    buckets: LRUCache<string, TokenBucket>,
    name: string,
    perMinute: number,
    nowMs: number,
  ): TokenBucket {
    const known = buckets.get(name);
    if (known !== undefined) return known;
    const bucket = new TokenBucket({ capacity: perMinute, tokensPerMinute: perMinute }, nowMs);
    buckets.set(name, bucket);
    return bucket;
  }
}
