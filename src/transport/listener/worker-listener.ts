import { createServer, type Server, type Socket } from 'node:net';
import { limits } from '../../domain/limits.js';
import { plainAddress } from '../../domain/network-source.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { ConnectionIntake, type IncomingConnection } from './connection-intake.js';
import type { ProtocolHandler, TlsContexts } from './protocol-handler.js';
import { RefusalLog } from './refusal-log.js';

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
  /** How long a worker whose TLS setting is wrong is kept before the close that makes it redial. */
  readonly misconfiguredDelayMs: number;
}

const defaultBounds: ListenerBounds = {
  preambleTimeoutMs: limits.preambleTimeoutMs,
  connectionsMax: limits.connectionsMax,
  misconfiguredDelayMs: 1_000,
};

const keepAliveDelayMs = 30_000;

/**
 * One TCP port for every worker protocol, with and without TLS. The first bytes of a connection decide who
 * gets it; the bytes themselves are put back, so a protocol handler sees its connection from the start.
 */
export class WorkerListener implements Component {
  readonly name = 'worker-port';
  readonly #options: WorkerListenerOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #intake: ConnectionIntake;
  readonly #server: Server;
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
    this.#server.maxConnections = bounds.connectionsMax;
    this.#server.on('connection', (socket) => this.#onConnection(socket));
    this.#server.on('drop', (peer) => {
      metrics.add('causeway_limit_hits_total', { limit: 'connectionsMax' });
      refusals.note('connections-max', 'connection refused: too many are open', {
        remoteAddress: plainAddress(peer?.remoteAddress),
        connectionsMax: bounds.connectionsMax,
      });
    });
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
      timer = this.#clock.after(Math.max(0, deadlineMs - this.#clock.nowMs()), resolve);
    });
    await Promise.race([closed, drained, late]);
    timer?.cancel();
    this.#destroy(() => true);
    await closed;
  }

  notReady(): string | undefined {
    return this.#server.listening ? undefined : 'the worker port is not open';
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
    const connection: IncomingConnection = {
      socket,
      peer: { remoteAddress: plainAddress(socket.remoteAddress), remotePort: socket.remotePort ?? 0 },
      stage: 'unidentified',
    };
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    void this.#intake.take(connection);
  }

  #destroy(selects: (connection: IncomingConnection) => boolean): void {
    for (const connection of this.#connections) if (selects(connection)) connection.socket.destroy();
  }
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
