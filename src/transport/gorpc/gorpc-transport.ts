import type { Duplex } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { type LimitName, limits } from '../../domain/limits.js';
import { CausewayError, toCausewayError } from '../../errors/causeway-error.js';
import { ByteShares } from '../../hub/shares/byte-shares.js';
import { UnsentAnswers } from '../../hub/shares/unsent-answers.js';
import type { GatewaySession } from '../../hub/zones/gateway-session.js';
import { LoginRefusals } from '../../hub/zones/login-refusals.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { Complaints } from './complaints.js';
import { Dispatcher } from './dispatcher.js';
import { HeldBytes } from './gob/segment-buffer.js';
import { GorpcConnection, type GorpcConnectionEvents, type GorpcGuest } from './gorpc-connection.js';
import type { GorpcHub } from './gorpc-hub.js';
import { LongMessages, type LongMessageWait } from './long-messages.js';
import { methodTable } from './method-table.js';
import { type Preamble, preambleMagic } from './preamble.js';
import type { GorpcRequest } from './request-decoder.js';

export interface GorpcTransportParts {
  readonly hub: GorpcHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly options?: Partial<GorpcTransportOptions>;
  /** Shared with other wires; default: one of its own. */
  readonly unsent?: UnsentAnswers;
  /** Shared with the other wire; default: one of its own. */
  readonly refusals?: LoginRefusals;
}

export interface GorpcTransportOptions {
  /** How long a call waits for the login of its worker. */
  readonly loginWaitMs: number;
  /** How long "has something changed?" is held: well below the 30 s after which workers give up. */
  readonly pollHoldMs: number;
  /** First pause before a connection that sends rubbish is closed; it doubles with each more of its address. */
  readonly refusalDelayMs: number;
}

const defaultOptions: GorpcTransportOptions = {
  loginWaitMs: 2_000,
  pollHoldMs: 20_000,
  refusalDelayMs: 1_000,
};

const sweepIntervalMs = 1_000;
const refusalDelayMaxMs = 30_000;
const refusedAddressesMax = 10_000;
/** Time for workers to see that connections are closed. */
const goodbyeMs = 50;
/** Time for the last answers and the goodbye to leave. */
const closeMs = 250;

/** The wire that unmodified gateways speak, over sockets that the listener has accepted; TLS is already off. */
export class GorpcTransport implements Component, GorpcConnectionEvents {
  readonly name = 'gorpc';
  readonly protocol = 'gorpc';
  readonly #hub: GorpcHub;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #options: GorpcTransportOptions;
  readonly #dispatcher: Dispatcher;
  readonly #complaints: Complaints;
  readonly #unsent: UnsentAnswers;
  readonly #strangersHeld = new HeldBytes(limits.strangerHeldBytesMax, 'strangerHeldBytesMax');
  readonly #workersHeld = new HeldBytes();
  readonly #longMessages = new ByteShares({ owner: 'heldBytesPerOrganisationMax', all: 'heldBytesMax' });
  /** Those with a message that is too long before the login of their worker. */
  readonly #awaitLogin = new Set<GorpcConnection>();
  readonly #connections = new Set<GorpcConnection>();
  readonly #bySession = new WeakMap<GatewaySession, Set<GorpcConnection>>();
  /** Those whose preamble is not complete, the oldest first. */
  readonly #unready = new Set<GorpcConnection>();
  /** How often an address was refused of late, by the power of two. */
  readonly #refusals = new LRUCache<string, { count: number; untilMs: number }>({ max: refusedAddressesMax });
  #written: GorpcConnection[] = [];
  #sweep: Timer | undefined;
  #drained: Promise<void> | undefined;

  constructor(parts: GorpcTransportParts) {
    this.#hub = parts.hub;
    this.#clock = parts.clock;
    this.#log = parts.log.child({ component: this.name });
    this.#metrics = parts.metrics;
    this.#options = { ...defaultOptions, ...parts.options };
    this.#unsent = parts.unsent ?? new UnsentAnswers(parts);
    this.#complaints = new Complaints(this.#log, parts.clock);
    const onBadCall = (connection: GorpcConnection) => this.#onBadCall(connection);
    this.#dispatcher = new Dispatcher({
      hub: parts.hub,
      clock: parts.clock,
      log: this.#log,
      metrics: parts.metrics,
      complaints: this.#complaints,
      loginWaitMs: this.#options.loginWaitMs,
      methods: methodTable({
        hub: parts.hub,
        clock: parts.clock,
        log: this.#log,
        metrics: parts.metrics,
        complaints: this.#complaints,
        refusals: parts.refusals ?? new LoginRefusals(parts),
        pollHoldMs: this.#options.pollHoldMs,
        onLoggedIn: (session) => this.#onLoggedIn(session),
        onBadCall,
      }),
      onBadCall,
    });
  }

  async start(): Promise<void> {
    this.#schedule();
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.drain(deadlineMs);
    this.#sweep?.cancel();
    for (const connection of this.#connections) connection.destroy();
  }

  notReady(): string | undefined {
    return undefined;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  matches(head: Buffer): 'yes' | 'no' | 'need-more' {
    const length = Math.min(head.length, preambleMagic.length);
    if (!head.subarray(0, length).equals(preambleMagic.subarray(0, length))) return 'no';
    return head.length < preambleMagic.length ? 'need-more' : 'yes';
  }

  accept(stream: Duplex, { remoteAddress, remotePort, standing }: GorpcGuest): void {
    const openedAtMs = this.#clock.monotonicMs();
    const guest = { remoteAddress, remotePort, ...(standing && { standing }) };
    const connection = new GorpcConnection(stream, guest, this, {
      openedAtMs,
      nowMs: () => this.#clock.monotonicMs(),
      strangersHeld: this.#strangersHeld,
      workersHeld: this.#workersHeld,
      longMessages: new LongMessages(this.#longMessages),
      openUnsent: (organisation, close) => this.#unsent.connection(organisation, close),
    });
    this.#connections.add(connection);
    this.#unready.add(connection);
  }

  /**
   * Lets go of the workers so that they come back without having lost anything: their long polls are answered,
   * because one that is cut makes a worker ask for a full push, and what is being worked on is finished.
   */
  drain(deadlineMs: number): Promise<void> {
    this.#drained ??= this.#drain(deadlineMs);
    return this.#drained;
  }

  onPreamble(connection: GorpcConnection, { connectionId }: Preamble): GatewaySession {
    this.#unready.delete(connection);
    const session = this.#hub.sessions.enter(connectionId);
    const others = this.#bySession.get(session) ?? new Set();
    this.#bySession.set(session, others.add(connection));
    // One of its pool has logged in already.
    if (this.#hub.sessions.loginOf(session) !== undefined) connection.standing?.welcome();
    return session;
  }

  onRequest(connection: GorpcConnection, session: GatewaySession, request: GorpcRequest): void {
    this.#dispatcher.take(connection, session, request);
  }

  onBadInput(connection: GorpcConnection, thrown: unknown): void {
    const error = toCausewayError(thrown);
    const { session, peer } = connection;
    const reason = error.code === 'FRAME_INVALID' ? 'malformed' : 'limit';
    this.#metrics.add('causeway_connections_refused_total', { reason });
    const limit = limitNameOf(error);
    if (limit !== undefined) this.#metrics.add('causeway_limit_hits_total', { limit });
    const fields = { ...peer, code: error.code, reason: error.message, session: session?.shown };
    if (error.code === 'INTERNAL') {
      this.#log.error('a gorpc connection failed', { ...fields, detail: error.detail, error: thrown });
    } else this.#complaints.warn('a gorpc connection is closed: what it sends cannot be read', fields);
    this.#refuse(connection);
  }

  onClosed(connection: GorpcConnection): void {
    this.#connections.delete(connection);
    this.#unready.delete(connection);
    this.#awaitLogin.delete(connection);
    const { session } = connection;
    if (session === undefined) return;
    this.#bySession.get(session)?.delete(connection);
    this.#hub.sessions.leave(session);
  }

  onWaiting(connection: GorpcConnection, what: LongMessageWait): void {
    if (what === 'room') {
      this.#metrics.add('causeway_limit_hits_total', { limit: 'heldBytesMax' });
      this.#longMessages.onRoom(() => connection.goOn());
      return;
    }
    this.#awaitLogin.add(connection);
    this.#clock.after(this.#options.loginWaitMs, () => {
      if (!this.#awaitLogin.delete(connection) || !connection.isOpen) return;
      this.onBadInput(
        connection,
        new CausewayError(
          'LIMIT_EXCEEDED',
          `strangerMessageBytesMax (${limits.strangerMessageBytesMax}) exceeded without a login`,
        ),
      );
    });
  }

  #onLoggedIn(session: GatewaySession): void {
    for (const { standing } of this.#bySession.get(session) ?? []) standing?.welcome();
    this.#dispatcher.loggedIn(session);
    for (const connection of this.#awaitLogin) {
      if (connection.session !== session) continue;
      this.#awaitLogin.delete(connection);
      connection.goOn();
    }
  }

  /** One pass after the input of this turn was read: calls that came together are answered together. */
  onWritten(connection: GorpcConnection): void {
    this.#written.push(connection);
    if (this.#written.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const written = this.#written;
    this.#written = [];
    for (const connection of written) {
      // The last answer and the goodbye leave together: see `drain`.
      if (this.#drained !== undefined && connection.callsInFlight === 0) connection.end();
      else connection.flush();
    }
  }

  #onBadCall(connection: GorpcConnection): void {
    connection.badCalls += 1;
    if (connection.badCalls !== limits.gorpcBadCallsMax) return;
    this.onBadInput(
      connection,
      new CausewayError('LIMIT_EXCEEDED', `gorpcBadCallsMax (${limits.gorpcBadCallsMax}) reached`),
    );
  }

  /** Not at once: a worker whose connection is closed at once redials at once, for ever. */
  #refuse(connection: GorpcConnection): void {
    const { remoteAddress } = connection.peer;
    const nowMs = this.#clock.monotonicMs();
    const known = this.#refusals.get(remoteAddress);
    const count = known === undefined || known.untilMs < nowMs ? 0 : known.count + 1;
    this.#refusals.set(remoteAddress, { count, untilMs: nowMs + 4 * refusalDelayMaxMs });
    const delayMs = Math.min(refusalDelayMaxMs, this.#options.refusalDelayMs * 2 ** Math.min(count, 10));
    this.#unready.delete(connection);
    connection.refuse();
    this.#clock.after(delayMs, () => connection.destroy());
  }

  #schedule(): void {
    this.#sweep = this.#clock.after(sweepIntervalMs, () => {
      this.#onSweep();
      if (this.#drained === undefined) this.#schedule();
    });
  }

  #onSweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const connection of this.#unready) {
      if (nowMs - connection.openedAtMs < limits.preambleTimeoutMs) break;
      this.#closeSilent(connection, 'preambleTimeoutMs');
    }
    for (const connection of this.#connections) {
      if (connection.stalledMs(nowMs) > limits.gorpcStallMaxMs) {
        this.#closeSilent(connection, 'gorpcStallMaxMs');
      }
      // Logins run out and are taken back; what is called meanwhile, as `Ping`, is no login.
      if (connection.session === undefined) continue;
      if (this.#hub.sessions.loginOf(connection.session) === undefined) connection.standing?.unwelcome();
      else connection.standing?.welcome();
    }
  }

  #closeSilent(connection: GorpcConnection, limit: LimitName): void {
    this.#metrics.add('causeway_limit_hits_total', { limit });
    this.#complaints.warn('a gorpc connection is closed: nothing comes of it', { ...connection.peer, limit });
    connection.destroy();
  }

  async #drain(deadlineMs: number): Promise<void> {
    // A worker repeats an answered poll at once. If it finds a connection to send it on that closes a moment
    // later, the poll is lost after all. So connections close in this order: those without a call; those with
    // a poll whose loss does no harm; those with the poll that matters, in the moment of its answer (`#flush`).
    for (const connection of [...this.#connections]) if (connection.callsInFlight === 0) connection.end();
    for (const connection of this.#connections) connection.refuse();
    this.#dispatcher.close();
    this.#hub.reloads.release('client-idp');
    await this.#pause(goodbyeMs);
    this.#hub.reloads.release();
    while (this.#isBusy() && this.#clock.monotonicMs() < deadlineMs - closeMs) await this.#pause(10);
    for (const connection of [...this.#connections]) connection.end();
    const untilMs = Math.min(deadlineMs, this.#clock.monotonicMs() + closeMs);
    while (this.#connections.size > 0 && this.#clock.monotonicMs() < untilMs) await this.#pause(10);
  }

  #isBusy(): boolean {
    for (const { callsInFlight } of this.#connections) if (callsInFlight > 0) return true;
    return false;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(delayMs, resolve));
  }
}

/** Messages about a bound begin with its name. */
function limitNameOf({ code, message }: CausewayError): LimitName | undefined {
  if (code !== 'LIMIT_EXCEEDED') return undefined;
  const name = /^\w+/.exec(message)?.[0] ?? '';
  return name in limits ? (name as LimitName) : undefined;
}
