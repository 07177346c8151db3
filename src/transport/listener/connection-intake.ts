import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { describeError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { ConnectionStanding } from '../../ports/connection-standing.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { ConnectionDetails, ProtocolHandler, TlsContexts } from './protocol-handler.js';
import { readPreamble } from './read-preamble.js';
import type { RefusalLog, RefusalReason } from './refusal-log.js';

export interface IntakeOptions {
  /** By protocol, as the metric `causeway_connections` names it. Asked in this order. */
  readonly handlers: Readonly<Record<string, ProtocolHandler>>;
  /** With `server_options.use_ssl`. */
  readonly tls: TlsContexts | undefined;
  /** Serve connections without TLS beside those with it. */
  readonly allowCleartext: boolean;
  readonly preambleTimeoutMs: number;
  /** A worker whose TLS setting is wrong redials at once and for ever; this slows it down. */
  readonly misconfiguredDelayMs: number;
}

/** A connection on its way to a protocol handler. */
export interface IncomingConnection {
  readonly socket: Socket;
  readonly peer: Pick<ConnectionDetails, 'remoteAddress' | 'remotePort'>;
  readonly standing: ConnectionStanding;
  stage: 'unidentified' | 'refused' | 'accepted';
}

/** First byte of a TLS record that carries a hello; no worker protocol starts with it. */
const tlsHandshakeByte = 0x16;
const shownBytesMax = 8;

type Match = { readonly protocol: string; readonly handler: ProtocolHandler } | 'nobody';

/**
 * Finds out what a new connection speaks:
 *
 *   first byte 0x16 → TLS handshake, then the first decrypted bytes decide
 *   anything else   → the bytes themselves decide
 *
 * ALPN is answered (HTTP/2 clients insist on it) but decides nothing: gorpc workers offer none, and every worker
 * protocol lets the client speak first.
 */
export class ConnectionIntake {
  readonly #options: IntakeOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #refusals: RefusalLog;

  constructor(
    options: IntakeOptions,
    dependencies: {
      readonly log: Log;
      readonly clock: Clock;
      readonly metrics: Metrics;
      readonly refusals: RefusalLog;
    },
  ) {
    this.#options = options;
    this.#log = dependencies.log;
    this.#clock = dependencies.clock;
    this.#metrics = dependencies.metrics;
    this.#refusals = dependencies.refusals;
  }

  /** Resolves when the connection is handed over, refused or gone. */
  async take(connection: IncomingConnection): Promise<void> {
    const { socket } = connection;
    this.#watchErrors(socket);
    const timer = this.#clock.after(this.#options.preambleTimeoutMs, () => {
      this.#refuse(connection, 'preamble-timeout', 'connection closed: it did not show a protocol in time');
    });
    try {
      const first = await readPreamble(socket, (head) => head[0] ?? 0, 0);
      if (first === undefined) return; // A load balancer's probe: connect and close.
      const stream = await this.#openStream(connection, first === tlsHandshakeByte);
      if (stream !== undefined) await this.#identify(connection, stream);
    } catch (error) {
      this.#log.error('a connection could not be handed to its protocol', { ...connection.peer, error });
      socket.destroy();
    } finally {
      timer.cancel();
    }
  }

  /** The stream that carries the worker protocol; undefined when the connection is refused or gone. */
  async #openStream(connection: IncomingConnection, startsTls: boolean): Promise<Duplex | undefined> {
    const { tls, allowCleartext } = this.#options;
    if (startsTls) {
      if (tls !== undefined) return this.#handshake(connection, tls);
      this.#refuseMisconfigured(
        connection,
        'tls-not-enabled',
        'connection closed: the worker uses TLS, but server_options.use_ssl is off',
      );
      return undefined;
    }
    if (tls === undefined || allowCleartext) return connection.socket;
    this.#refuseMisconfigured(
      connection,
      'tls-required',
      'connection closed: the worker does not use TLS, but server_options.use_ssl is on',
    );
    return undefined;
  }

  async #handshake(connection: IncomingConnection, tls: TlsContexts): Promise<TLSSocket | undefined> {
    const secured = new TLSSocket(connection.socket, {
      isServer: true,
      secureContext: tls.secureContext(),
      SNICallback: (serverName, answer) => answer(null, tls.secureContext(serverName)),
      ALPNProtocols: ['h2'],
    });
    this.#watchErrors(secured);
    const outcome = await new Promise<'secure' | 'closed' | Error>((resolve) => {
      secured.once('secure', () => resolve('secure'));
      secured.once('error', resolve);
      secured.once('close', () => resolve('closed'));
    });
    if (outcome === 'secure') {
      settleHandshake(secured);
      return secured;
    }
    if (outcome !== 'closed' && connection.stage === 'unidentified') {
      const failure = describeError(outcome);
      this.#refuse(connection, 'tls-handshake', 'connection closed: the TLS handshake failed', { failure });
    }
    return undefined;
  }

  async #identify(connection: IncomingConnection, stream: Duplex): Promise<void> {
    let shown: Buffer = Buffer.alloc(0);
    const match = await readPreamble<Match>(
      stream,
      (head) => {
        shown = head.subarray(0, shownBytesMax);
        return this.#match(head);
      },
      'nobody',
    );
    if (match === undefined) return;
    if (match === 'nobody') {
      const bytes = shown.toString('hex');
      this.#refuse(connection, 'unknown-protocol', 'connection closed: not a worker protocol', { bytes });
      return;
    }
    this.#handOver(connection, stream, match);
  }

  #match(head: Buffer): Match | undefined {
    let undecided = false;
    for (const [protocol, handler] of Object.entries(this.#options.handlers)) {
      const answer = handler.matches(head);
      if (answer === 'yes') return { protocol, handler };
      if (answer === 'need-more') undecided = true;
    }
    return undecided ? undefined : 'nobody';
  }

  #handOver(connection: IncomingConnection, stream: Duplex, match: Exclude<Match, 'nobody'>): void {
    const { socket, peer, standing } = connection;
    const { protocol, handler } = match;
    const secured = stream instanceof TLSSocket ? stream : undefined;
    const serverName = typeof secured?.servername === 'string' ? secured.servername : undefined;
    const details: ConnectionDetails = { ...peer, secure: secured !== undefined, serverName, standing };
    connection.stage = 'accepted';
    this.#metrics.add('causeway_connections', { protocol });
    socket.once('close', () => this.#metrics.add('causeway_connections', { protocol }, -1));
    this.#log.debug('connection accepted', { ...peer, secure: details.secure, serverName, protocol });
    handler.accept(stream, details);
  }

  #refuse(connection: IncomingConnection, reason: RefusalReason, message: string, fields = {}): void {
    connection.stage = 'refused';
    this.#refusals.note(reason, message, { ...connection.peer, ...fields });
    connection.socket.destroy();
  }

  #refuseMisconfigured(connection: IncomingConnection, reason: RefusalReason, message: string): void {
    const { socket, peer } = connection;
    connection.stage = 'refused';
    this.#refusals.note(reason, message, peer);
    socket.resume();
    const timer = this.#clock.after(this.#options.misconfiguredDelayMs, () => socket.destroy());
    socket.once('close', () => timer.cancel());
  }

  /** A peer that goes away is no trouble of ours; the protocol handler sees the close. */
  #watchErrors(stream: Duplex): void {
    stream.on('error', (error) => this.#log.debug('connection error', { error: describeError(error) }));
  }
}

/**
 * What `tls.Server` does for its own sockets at this point, and Node leaves undone for a `TLSSocket` made by hand:
 * its HTTP/2 waits for ever while `secureConnecting` is set, and a broken record is only told by `_tlsError`.
 * And Node's HTTP/2 would answer 403 to a client that speaks it without having asked by ALPN.
 */
function settleHandshake(secured: TLSSocket): void {
  Object.assign(secured, { secureConnecting: false });
  secured.on('_tlsError', (error: Error) => secured.destroy(error));
  if (secured.alpnProtocol === false) secured.alpnProtocol = 'h2';
}
