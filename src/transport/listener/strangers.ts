import type { LimitName } from '../../domain/limits.js';
import { type NetworkSource, networkSourceOf } from '../../domain/network-source.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { ConnectionStanding } from '../../ports/connection-standing.js';
import type { Metrics } from '../../ports/metrics.js';
import { FairShares } from '../../std/fair-shares.js';

export interface StrangerBounds {
  readonly loginTimeoutMs: number;
  readonly strangersMax: number;
  readonly strangersPerNetworkMax: number;
  readonly strangersPerHostMax: number;
}

/** What becomes of a connection that is not wanted. */
export interface StrangerEvents {
  /** Its time is up. */
  onTimeout(): void;
  /** Somebody who has fewer connections needs the room. */
  onEvicted(): void;
}

/**
 * The connections over which nobody has logged in.
 *
 * Anybody can open them, so they are what is bounded: in time, and in number for each host, each network and all
 * together. Where all are too many, the network that has most of them gives one up for one that has fewer: a flood
 * keeps nobody out but itself. Connections of workers that have logged in are in none of these counts, however many
 * of them share one address.
 */
export class Strangers {
  readonly #bounds: StrangerBounds;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #networks = new FairShares<Stranger>();
  readonly #hosts = new Map<string, number>();

  constructor(bounds: StrangerBounds, ports: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#bounds = bounds;
    this.#clock = ports.clock;
    this.#metrics = ports.metrics;
  }

  get size(): number {
    return this.#networks.size;
  }

  /** The bound that keeps one more from this address out; undefined: it may come. May send another away for it. */
  refuses(address: string): LimitName | undefined {
    const { host, network } = networkSourceOf(address);
    if ((this.#hosts.get(host) ?? 0) >= this.#bounds.strangersPerHostMax) return 'strangersPerHostMax';
    if (this.#networks.countOf(network) >= this.#bounds.strangersPerNetworkMax) {
      return 'strangersPerNetworkMax';
    }
    if (this.#networks.size < this.#bounds.strangersMax) return undefined;
    return this.makeRoomFor(address) ? undefined : 'strangersMax';
  }

  /** Sends a stranger away for one from `address`; false: nobody has more than it would have. */
  makeRoomFor(address: string): boolean {
    const evicted = this.#networks.takenFromFor(networkSourceOf(address).network);
    evicted?.evict();
    return evicted !== undefined;
  }

  /** A new connection, not logged in. `close` of what it returns has to be called when it is gone. */
  enter(address: string, events: StrangerEvents): Stranger {
    return new Stranger(networkSourceOf(address), events, {
      begin: (stranger) => this.#begin(stranger),
      end: (stranger) => this.#end(stranger),
    });
  }

  #begin(stranger: Stranger): Timer {
    const { host, network } = stranger.source;
    this.#networks.add(network, stranger);
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + 1);
    this.#metrics.set('causeway_strangers', {}, this.size);
    return this.#clock.after(this.#bounds.loginTimeoutMs, () => stranger.timeOut());
  }

  #end(stranger: Stranger): void {
    const { host, network } = stranger.source;
    this.#networks.delete(network, stranger);
    const others = (this.#hosts.get(host) ?? 1) - 1;
    if (others > 0) this.#hosts.set(host, others);
    else this.#hosts.delete(host);
    this.#metrics.set('causeway_strangers', {}, this.size);
  }
}

/** One connection, from its opening to its close: a stranger whenever no login holds. */
export class Stranger implements ConnectionStanding {
  readonly source: NetworkSource;
  readonly #events: StrangerEvents;
  readonly #count: { begin(stranger: Stranger): Timer; end(stranger: Stranger): void };
  /** Set while it is a stranger. */
  #timer: Timer | undefined;
  #closed = false;
  #farewell: (() => void) | undefined;

  constructor(
    source: NetworkSource,
    events: StrangerEvents,
    count: { begin(stranger: Stranger): Timer; end(stranger: Stranger): void },
  ) {
    this.source = source;
    this.#events = events;
    this.#count = count;
    this.#timer = count.begin(this);
  }

  welcome(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#count.end(this);
  }

  unwelcome(): void {
    if (this.#timer === undefined && !this.#closed) this.#timer = this.#count.begin(this);
  }

  beforeTimeout(farewell: () => void): void {
    this.#farewell = farewell;
  }

  close(): void {
    this.#closed = true;
    this.welcome();
  }

  timeOut(): void {
    this.close();
    this.#farewell?.();
    this.#events.onTimeout();
  }

  evict(): void {
    this.close();
    this.#events.onEvicted();
  }
}
