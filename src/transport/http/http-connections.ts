import type { Server, Socket } from 'node:net';
import { limits } from '../../domain/limits.js';
import { networkSourceOf, plainAddress } from '../../domain/network-source.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { FairShares } from '../../std/fair-shares.js';

const linesIntervalMs = 10_000;

/**
 * Bounds the connections of the HTTP port: of one host, and all together. Where all are too many, the network that has
 * most gives its oldest up, so that a probe from elsewhere always gets through: a hub whose probes fail is killed.
 */
export class HttpConnections {
  readonly #connectionsMax: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #networks = new FairShares<Socket>();
  readonly #hosts = new FairShares<Socket>();
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    connectionsMax: number,
    { clock, log, metrics }: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
  ) {
    this.#connectionsMax = connectionsMax;
    this.#clock = clock;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Of a server that has not begun to listen. */
  watch(server: Server): void {
    server.prependListener('connection', (socket) => this.#onConnection(socket));
  }

  #onConnection(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress);
    const { host, network } = networkSourceOf(address);
    if (this.#hosts.countOf(host) >= limits.httpConnectionsPerHostMax) {
      this.#refuse(socket, 'httpConnectionsPerHostMax', address);
      return;
    }
    if (this.#networks.size >= this.#connectionsMax) {
      const evicted = this.#networks.takenFromFor(network);
      this.#refuse(evicted ?? socket, 'httpConnectionsMax', address);
      if (evicted === undefined) return;
    }
    this.#hosts.add(host, socket);
    this.#networks.add(network, socket);
    socket.once('close', () => this.#forget(socket, host, network));
  }

  #forget(socket: Socket, host: string, network: string): void {
    this.#hosts.delete(host, socket);
    this.#networks.delete(network, socket);
  }

  #refuse(
    socket: Socket,
    limit: 'httpConnectionsMax' | 'httpConnectionsPerHostMax',
    remoteAddress: string,
  ): void {
    socket.destroy();
    this.#metrics.add('causeway_limit_hits_total', { limit });
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#saidAtMs < linesIntervalMs) return;
    this.#saidAtMs = nowMs;
    this.#log.warn('a connection to the HTTP port was closed: too many are open', { limit, remoteAddress });
  }
}
