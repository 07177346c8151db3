import { createServer, type Server, type Socket } from 'node:net';
import { type LimitName, limits } from '../../domain/limits.js';
import { plainAddress } from '../../domain/network-source.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { Antechamber } from './antechamber.js';
import { ConnectionIntake, type IncomingConnection } from './connection-intake.js';
import type { ProtocolHandler, TlsContexts } from './protocol-handler.js';
import { RefusalLog } from './refusal-log.js';
import { Strangers } from './strangers.js';

export interface WorkerListenerOptions {
  /** The option `listen_port`. 0: any free port, see `address()`. */
  readonly port: number;
  /** Default: every address of the machine. */
  readonly host?: string | undefined;
  /** By protocol, as the metric `causeway_connections` names it. Asked in this order. */
  readonly handlers: Readonly<Record<string, ProtocolHandler>>;
  /** With `server_options.use_ssl`: connections without TLS are refused. */
  readonly tls?: TlsContexts | undefined;
  /** Serve connections without TLS beside those with it. Default: false. */
  readonly allowCleartext?: boolean;
  readonly bounds?: Partial<ListenerBounds>;
}

export interface ListenerBounds {
  readonly preambleTimeoutMs: number;
  readonly connectionsMax: number;
  readonly refusedConnectionsMax: number;
  readonly loginTimeoutMs: number;
  /** How long a worker whose TLS setting is wrong is kept before the close that makes it redial; others are refused likewise. */
  readonly misconfiguredDelayMs: number;
}

const defaultBounds: ListenerBounds = {
  preambleTimeoutMs: limits.preambleTimeoutMs,
  connectionsMax: limits.connectionsMax,
  refusedConnectionsMax: limits.refusedConnectionsMax,
  loginTimeoutMs: limits.loginTimeoutMs,
  misconfiguredDelayMs: 1_000,
};

const keepAliveDelayMs = 30_000;
/** For a goodbye to leave. */
const goodbyeMs = 100;
/** From here on the hub is not ready, so that balancers send new workers elsewhere; those it has stay. */
const nearShare = 0.9;
/** Below this it is ready again. */
const clearShare = 0.8;

/**
 * One TCP port for every worker protocol, with and without TLS. The first bytes of a connection decide who
 * gets it; the bytes themselves are put back, so a protocol handler sees its connection from the start.
 */
export class WorkerListener implements Component {
  readonly name = 'worker-port';
  readonly #options: WorkerListenerOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #refusals: RefusalLog;
  readonly #bounds: ListenerBounds;
  readonly #intake: ConnectionIntake;
  readonly #strangers: Strangers;
  readonly #antechamber: Antechamber;
  readonly #server: Server;
  #isNear = false;
  readonly #connections = new Set<IncomingConnection>();
  #closed: Promise<void> = Promise.resolve();

  constructor(
    options: WorkerListenerOptions,
    dependencies: { readonly log: Log; readonly clock: Clock; readonly metrics: Metrics },
  ) {
    const { clock, metrics } = dependencies;
    const log = dependencies.log.child({ component: this.name });
    const bounds = { ...defaultBounds, ...options.bounds };
    const refusals = new RefusalLog(log, clock, metrics);
    this.#metrics = metrics;
    this.#refusals = refusals;
    this.#bounds = bounds;
    this.#strangers = new Strangers(strangerBounds(bounds), { clock, metrics });
    this.#antechamber = new Antechamber(clock, {
      places: bounds.refusedConnectionsMax,
      delayMs: bounds.misconfiguredDelayMs,
    });
    metrics.set('causeway_connections_max', {}, bounds.connectionsMax);
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
    this.#intake = new ConnectionIntake(
      {
        handlers: options.handlers,
        tls: options.tls,
        allowCleartext: options.allowCleartext ?? false,
        preambleTimeoutMs: bounds.preambleTimeoutMs,
        misconfiguredDelayMs: bounds.misconfiguredDelayMs,
      },
      { log, clock, metrics, refusals },
    );
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
    });
    // The antechamber closes what it has no room for; what comes even beyond that, the library closes.
    this.#server.maxConnections = bounds.connectionsMax + 2 * bounds.refusedConnectionsMax;
    this.#server.on('connection', (socket) => this.#onConnection(socket));
    this.#server.on('drop', (peer) => this.#noteRefusal('connectionsMax', plainAddress(peer?.remoteAddress)));
  }

  /** Rejects with PORT_BUSY. */
  async start(): Promise<void> {
    const { port, host, tls, allowCleartext, handlers } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const onError = (thrown: NodeJS.ErrnoException): void => {
        this.#server.off('listening', onListening);
        reject(portError(thrown, `${host ?? '*'}:${port}`));
      };
      const onListening = (): void => {
        this.#server.off('error', onError);
        resolve();
      };
      this.#server.once('error', onError);
      this.#server.once('listening', onListening);
      this.#server.listen(host === undefined ? { port } : { port, host });
    });
    this.#server.on('error', (error) => this.#log.error('the worker port reports an error', { error }));
    this.#log.info('worker port open', {
      ...this.address(),
      protocols: Object.keys(handlers),
      tls: tls !== undefined,
      cleartext: tls === undefined || allowCleartext === true,
    });
  }

  /** Takes no more connections and destroys those that no handler has yet. Open ones go on; `stop` ends them. */
  stopAccepting(): void {
    if (!this.#server.listening) return;
    this.#closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#destroy(({ stage }) => stage !== 'accepted');
    this.#antechamber.clear();
  }

  /** Stops accepting, lets the protocol handlers drain, then destroys what remains. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopAccepting();
    const closed = this.#closed;
    const drained = Promise.allSettled(
      Object.values(this.#options.handlers).map((handler) => handler.drain?.(deadlineMs)),
    );
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), resolve);
    });
    await Promise.race([closed, drained, late]);
    timer?.cancel();
    this.#destroy(() => true);
    await closed;
  }

  notReady(): string | undefined {
    return this.#server.listening ? undefined : 'the worker port is not open';
  }

  /** Why new workers had better go elsewhere; undefined: there is room. */
  nearBound(): string | undefined {
    const { connectionsMax } = this.#bounds;
    const open = this.#connections.size;
    const share = open / connectionsMax;
    if (this.#isNear ? share >= clearShare : share >= nearShare) {
      if (!this.#isNear) this.#log.error('the worker port is nearly full', { open, connectionsMax });
      this.#isNear = true;
      return `${open} of ${connectionsMax} connections are open`;
    }
    this.#isNear = false;
    return undefined;
  }

  /** Where it listens, once started. */
  address(): { readonly address: string; readonly port: number } {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the worker port is not open');
    return { address: bound.address, port: bound.port };
  }

  /** Connections that are open, identified or not. */
  get openConnections(): number {
    return this.#connections.size;
  }

  #onConnection(socket: Socket): void {
    const remoteAddress = plainAddress(socket.remoteAddress);
    const refused = this.#refusedBy(remoteAddress);
    if (refused !== undefined) {
      this.#noteRefusal(refused, remoteAddress);
      this.#antechamber.take(socket, remoteAddress);
      return;
    }
    const peer = { remoteAddress, remotePort: socket.remotePort ?? 0 };
    const { loginTimeoutMs } = this.#bounds;
    const standing = this.#strangers.enter(remoteAddress, {
      onTimeout: () => {
        this.#metrics.add('causeway_limit_hits_total', { limit: 'loginTimeoutMs' });
        const message = 'connection closed: nobody logged in over it in time';
        this.#refusals.note('no-login', message, { ...peer, loginTimeoutMs });
        this.#clock.after(goodbyeMs, () => socket.destroy());
      },
      onEvicted: () => {
        const message = 'connection closed: its network has most of those over which nobody logged in';
        this.#refusals.note('evicted', message, peer);
        socket.destroy();
        // Not only when its close is told: somebody else comes in its place now.
        this.#connections.delete(connection);
      },
    });
    const connection: IncomingConnection = { socket, peer, standing, stage: 'unidentified' };
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      standing.close();
    });
    void this.#intake.take(connection);
  }

  /** The bound that keeps one more connection out; undefined: it comes in. */
  #refusedBy(address: string): LimitName | undefined {
    const isFull = this.#connections.size >= this.#bounds.connectionsMax;
    if (isFull && !this.#strangers.makeRoomFor(address)) return 'connectionsMax';
    return this.#strangers.refuses(address);
  }

  #noteRefusal(limit: LimitName, remoteAddress: string): void {
    this.#metrics.add('causeway_limit_hits_total', { limit });
    const reason = limit === 'connectionsMax' ? 'connections-max' : 'strangers';
    const message =
      limit === 'connectionsMax'
        ? 'connection refused: too many are open'
        : 'connection refused: too many are open over which nobody logged in';
    const { connectionsMax } = this.#bounds;
    this.#refusals.note(reason, message, {
      ...{ remoteAddress, limit, open: this.#connections.size },
      ...{ strangers: this.#strangers.size, connectionsMax },
    });
  }

  #destroy(selects: (connection: IncomingConnection) => boolean): void {
    for (const connection of this.#connections) if (selects(connection)) connection.socket.destroy();
  }
}

/** Shares of a small port must still be of use. */
const shareMin = 64;

/** In proportion to what the port takes at all. */
function strangerBounds({ connectionsMax, loginTimeoutMs }: ListenerBounds) {
  const share = Math.min(1, connectionsMax / limits.connectionsMax);
  const shareOf = (limit: number) => Math.max(Math.ceil(limit * share), Math.min(connectionsMax, shareMin));
  return {
    loginTimeoutMs,
    strangersMax: shareOf(limits.strangersMax),
    strangersPerNetworkMax: shareOf(limits.strangersPerNetworkMax),
    strangersPerHostMax: shareOf(limits.strangersPerHostMax),
  };
}

function portError(thrown: NodeJS.ErrnoException, address: string): CausewayError {
  const reason =
    thrown.code === 'EADDRINUSE'
      ? 'is in use'
      : thrown.code === 'EACCES'
        ? 'may not be bound by this user'
        : `cannot be bound (${thrown.code ?? describeError(thrown)})`;
  return new CausewayError('PORT_BUSY', `listen_port: the address ${address} ${reason}`, { cause: thrown });
}
