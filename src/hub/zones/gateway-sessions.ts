import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ZoneId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Metrics } from '../../ports/metrics.js';
import type { Authenticator } from './authenticator.js';
import { type GatewayLogin, GatewaySession } from './gateway-session.js';
import { RefusedKeys } from './refused-keys.js';

export interface GatewaySessionsOptions {
  /** The option `session_timeout`. */
  readonly sessionTimeoutMs: number;
  /** The option `invalid_key_cache_ttl`. */
  readonly refusedKeyHoldMs: number;
  /** At least 32 random bytes, made anew for each process. */
  readonly hmacKey: Uint8Array;
}

export interface GatewayLoginRequest {
  readonly apiKey: string;
  readonly zone: ZoneId;
  /** Of the peer, without its port. */
  readonly address: string;
}

/** A session without connections is kept for this long. */
const keptMs = 600_000;
const sweepIntervalMs = 10_000;

/**
 * The sessions of workers that are known by an id all their connections carry.
 *
 * Logins come every few seconds from every worker and are answered from memory. A worker whose key was
 * changed keeps its session, and may renew it, until it is told to end: it has to learn its new key over it.
 */
export class GatewaySessions implements Component {
  readonly name = 'gateway sessions';
  readonly #authenticator: Pick<Authenticator, 'login' | 'isStillAllowed'>;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #options: GatewaySessionsOptions;
  readonly #refused: RefusedKeys;
  readonly #sessions = new Map<string, GatewaySession>();
  /** Without a connection, the one that was left first in front. */
  readonly #left = new Set<GatewaySession>();
  readonly #onForgotten: ((session: GatewaySession) => void)[] = [];
  readonly #onPeople = new Set<() => void>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    ports: {
      readonly authenticator: Pick<Authenticator, 'login' | 'isStillAllowed'>;
      readonly clock: Clock;
      readonly metrics: Metrics;
    },
    options: GatewaySessionsOptions,
  ) {
    if (options.hmacKey.length < 32) throw new Error('hmacKey must have at least 32 bytes');
    this.#authenticator = ports.authenticator;
    this.#clock = ports.clock;
    this.#metrics = ports.metrics;
    this.#options = options;
    this.#refused = new RefusedKeys(ports.clock, options.refusedKeyHoldMs);
  }

  async start(): Promise<void> {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  notReady(): string | undefined {
    return undefined;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** A connection with this id opens. Each call is paired with one of `leave`. */
  enter(connectionId: string): GatewaySession {
    let session = this.#sessions.get(connectionId);
    if (session === undefined) {
      session = new GatewaySession(connectionId);
      session.lastCallMs = this.#clock.monotonicMs();
      this.#sessions.set(connectionId, session);
    }
    session.connections += 1;
    this.#left.delete(session);
    return session;
  }

  leave(session: GatewaySession): void {
    session.connections -= 1;
    if (session.connections > 0) return;
    session.leftAtMs = this.#clock.monotonicMs();
    // Nobody has to come back to what was never a session.
    if (!session.hasLoggedIn) {
      this.#forget(session);
      return;
    }
    this.#left.add(session);
    if (this.#left.size <= limits.leftSessionsMax) return;
    this.#metrics.add('causeway_limit_hits_total', { limit: 'leftSessionsMax' });
    for (const oldest of this.#left) {
      this.#forget(oldest);
      break;
    }
  }

  /** The login a call may rely on. */
  loginOf(session: GatewaySession): GatewayLogin | undefined {
    const { login } = session;
    return login !== undefined && login.untilMs > this.#clock.monotonicMs() ? login : undefined;
  }

  /**
   * Logs in, or renews. Throws as Authenticator.login does, and ORGANISATION_REFUSED when the session is
   * another organisation's.
   */
  login(session: GatewaySession, request: GatewayLoginRequest): GatewayLogin {
    const keyDigest = createHmac('sha256', this.#options.hmacKey).update(request.apiKey, 'utf8').digest();
    const identity = this.#learning(session, keyDigest) ?? this.#identify(keyDigest, request);
    const bound = this.loginOf(session)?.identity.organisation;
    if (bound !== undefined && bound !== identity.organisation) {
      throw new CausewayError(
        'ORGANISATION_REFUSED',
        'the connection id is in use by a worker of another organisation',
      );
    }
    const untilMs = this.#clock.monotonicMs() + this.#options.sessionTimeoutMs;
    const login: GatewayLogin = { identity, zone: request.zone, keyDigest, untilMs };
    session.setLogin(login);
    return login;
  }

  /** Ends the logins of those who are no longer allowed. Their next call has to log in. */
  endRefused(isStillAllowed: (identity: WorkerIdentity) => boolean): void {
    for (const session of this.#sessions.values()) {
      if (session.login === undefined || isStillAllowed(session.login.identity)) continue;
      session.setLogin(undefined);
    }
  }

  /** The users and organisations are other than before. */
  peopleChanged(): void {
    this.#refused.clear();
    for (const listener of [...this.#onPeople]) listener();
  }

  onPeopleChanged(listener: () => void): () => void {
    this.#onPeople.add(listener);
    return () => this.#onPeople.delete(listener);
  }

  /** Calls back when nothing about a session needs to be remembered. */
  onForgotten(listener: (session: GatewaySession) => void): void {
    this.#onForgotten.push(listener);
  }

  /** Who a worker is whose key was changed under it, and who logs in with the old one. */
  #learning({ login }: GatewaySession, keyDigest: Buffer): WorkerIdentity | undefined {
    if (login === undefined || !timingSafeEqual(login.keyDigest, keyDigest)) return undefined;
    if (login.untilMs <= this.#clock.monotonicMs()) return undefined;
    return this.#authenticator.isStillAllowed(login.identity) ? undefined : login.identity;
  }

  #identify(keyDigest: Buffer, { apiKey, address }: GatewayLoginRequest): WorkerIdentity {
    const digest = keyDigest.toString('latin1');
    const refusal = this.#refused.find(digest);
    if (refusal !== undefined) {
      const result = refusal.code === 'API_KEY_REFUSED' ? 'key-refused' : 'organisation-refused';
      this.#metrics.add('causeway_logins_total', { protocol: 'gorpc', result });
      throw refusal;
    }
    try {
      return this.#authenticator.login({ protocol: 'gorpc', apiKey, organisation: undefined, address });
    } catch (thrown) {
      if (thrown instanceof CausewayError) this.#refused.note(digest, thrown);
      throw thrown;
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.after(sweepIntervalMs, () => {
      const nowMs = this.#clock.monotonicMs();
      for (const session of this.#left) {
        if (nowMs - session.leftAtMs < keptMs) break;
        this.#forget(session);
      }
      this.#schedule();
    });
  }

  #forget(session: GatewaySession): void {
    this.#left.delete(session);
    this.#sessions.delete(session.connectionId);
    for (const listener of this.#onForgotten) listener(session);
  }
}
