import { CausewayError, toCausewayError } from '../../errors/causeway-error.js';
import type { GatewaySession } from '../../hub/zones/gateway-session.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { eraAfter } from './client-era.js';
import type { Complaints } from './complaints.js';
import { accessDenied, errorAnswer } from './error-answer.js';
import { GorpcCall, type GorpcMethod } from './gorpc-call.js';
import type { GorpcConnection } from './gorpc-connection.js';
import type { GorpcHub } from './gorpc-hub.js';
import { HeldCalls } from './held-calls.js';
import { keepFed } from './keep-fed.js';
import type { GorpcRequest } from './request-decoder.js';
import type { GorpcAnswer } from './response-encoder.js';

export interface DispatcherParts {
  readonly hub: GorpcHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly complaints: Complaints;
  /** How long a call waits for the login of its worker. */
  readonly loginWaitMs: number;
  /** By name, with the dot. */
  readonly methods: ReadonlyMap<string, GorpcMethod>;
  /** A connection makes calls that can only be a mistake or an attack. */
  readonly onBadCall: (connection: GorpcConnection) => void;
}

type Result = 'ok' | 'error' | 'denied';

/**
 * From request to answer.
 *
 * A call that comes before its worker's login is held for a moment: gateways log in and load at the same time
 * over several connections. Nobody else's call waits for it, and neither do later ones of the same connection.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  /** By the session whose login they wait for. */
  readonly #beforeLogin: HeldCalls<GatewaySession>;
  /** Logins that wait for the hub to know its users. */
  readonly #logins: HeldCalls<'people'>;
  /** Metric labels, made once. */
  readonly #labels = new Map<string, { protocol: string; method: string; result: string }>();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#beforeLogin = new HeldCalls(parts.clock, parts.loginWaitMs, (call) => this.#deny(call));
    this.#logins = new HeldCalls(parts.clock, parts.loginWaitMs, (call) => {
      this.#finish(
        call,
        errorAnswer(new CausewayError('CATALOG_NOT_READY', 'the hub is starting; try again')),
      );
    });
    parts.hub.sessions.onPeopleChanged(() => {
      for (const call of this.#logins.release('people')) this.#run(call);
    });
  }

  /** Never throws: what goes wrong with a call is its answer. */
  take(connection: GorpcConnection, session: GatewaySession, request: GorpcRequest): void {
    const { clock, methods } = this.#parts;
    const receivedAtMs = clock.monotonicMs();
    session.lastCallMs = receivedAtMs;
    session.era = eraAfter(session.era, request);
    const method = methods.get(request.method);
    const call = new GorpcCall(connection, session, request, method ?? unknownMethod, receivedAtMs);
    if (method === undefined || !method.needsLogin) this.#run(call);
    else this.#runLoggedIn(call);
  }

  /** The worker has logged in: what waited for that goes on. */
  loggedIn(session: GatewaySession): void {
    for (const call of this.#beforeLogin.release(session)) this.#runLoggedIn(call);
  }

  /** The hub stops: what waits is not answered, so that the worker asks again elsewhere. */
  close(): void {
    for (const call of this.#beforeLogin.releaseAll()) call.connection.drop(call.request);
    for (const call of this.#logins.releaseAll()) call.connection.drop(call.request);
  }

  #runLoggedIn(call: GorpcCall): void {
    const { hub } = this.#parts;
    const login = hub.sessions.loginOf(call.session);
    if (login === undefined) {
      this.#beforeLogin.hold(call.session, call);
      return;
    }
    call.login = login;
    if (call.method.isOfGateways && !call.session.isFed) this.#feed(call);
    else this.#run(call);
  }

  /** Before the first answer that a worker may keep, so that no event about it is missed. */
  #feed(call: GorpcCall): void {
    keepFed(this.#parts, call.session, call.login).then(() => this.#run(call));
  }

  #run(call: GorpcCall): void {
    let answer: GorpcAnswer | Promise<GorpcAnswer>;
    try {
      answer = call.method.run(call);
    } catch (thrown) {
      this.#fail(call, thrown);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (settled) => this.#finish(call, settled),
        (thrown: unknown) => this.#fail(call, thrown),
      );
    } else this.#finish(call, answer);
  }

  #fail(call: GorpcCall, thrown: unknown): void {
    const error = toCausewayError(thrown);
    if (error.code === 'CATALOG_NOT_READY' && !call.method.needsLogin) {
      this.#logins.hold('people', call);
      return;
    }
    const { peer } = call.connection;
    const fields = { ...peer, method: call.method.name, code: error.code, session: call.session.shown };
    if (error.code === 'INTERNAL') {
      this.#parts.log.error('a gorpc call failed', { ...fields, detail: error.detail, error: thrown });
    } else if (error.code === 'FRAME_INVALID') {
      this.#parts.complaints.warn('a gorpc call does not fit its method', {
        ...fields,
        reason: error.message,
      });
      this.#parts.onBadCall(call.connection);
    } else this.#parts.log.debug('a gorpc call failed', { ...fields, reason: error.message });
    this.#finish(call, errorAnswer(error));
  }

  #deny(call: GorpcCall): void {
    this.#finish(call, accessDenied);
  }

  #finish(call: GorpcCall, answer: GorpcAnswer): void {
    const { clock, metrics } = this.#parts;
    const { method } = call;
    call.finish(answer);
    const result: Result = answer === accessDenied ? 'denied' : answer.kind === 'error' ? 'error' : 'ok';
    metrics.add('causeway_calls_total', this.#labelsOf(method.name, result));
    if (method.isLongPoll || result === 'denied') return;
    const seconds = (clock.monotonicMs() - call.receivedAtMs) / 1_000;
    metrics.observe('causeway_call_duration_seconds', durationLabels, seconds);
  }

  #labelsOf(method: string, result: Result) {
    const key = method + result;
    let labels = this.#labels.get(key);
    if (labels === undefined) {
      labels = { protocol: 'gorpc', method, result };
      this.#labels.set(key, labels);
    }
    return labels;
  }
}

const durationLabels = { protocol: 'gorpc' };

/** Answered in the words of the gorpc module's own dispatcher. */
const unknownMethod: GorpcMethod = {
  name: 'unknown',
  needsLogin: false,
  isLongPoll: false,
  isOfGateways: false,
  run: ({ request }) => ({ kind: 'error', text: unknownMethodText(request.method) }),
};

function unknownMethodText(name: string): string {
  const shown = name.slice(0, 128);
  const dot = shown.indexOf('.');
  if (dot === -1) {
    return `gorpc.Dispatcher: cannot split call name into service name and method name [${shown}]`;
  }
  if (dot > 0) return `gorpc.Dispatcher: unknown service name [${shown.slice(0, dot)}]`;
  return `gorpc.Dispatcher: unknown method [${shown}]`;
}
