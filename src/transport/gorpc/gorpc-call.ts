import type { Carrier } from '../../hub/keyspace/zone-feed.js';
import type { GatewayLogin, GatewaySession } from '../../hub/zones/gateway-session.js';
import type { ArgumentReader } from './arguments.js';
import { keysValuesPairName } from './client-era.js';
import type { GorpcConnection } from './gorpc-connection.js';
import type { GorpcRequest } from './request-decoder.js';
import type { GorpcAnswer } from './response-encoder.js';

/** One call on its way to an answer. */
export class GorpcCall implements Carrier {
  readonly connection: GorpcConnection;
  readonly session: GatewaySession;
  readonly request: GorpcRequest;
  readonly method: GorpcMethod;
  /** Monotonic. */
  readonly receivedAtMs: number;
  #login: GatewayLogin | undefined;
  /** Of the connection: the one that the answer leaves with. */
  #write = Number.POSITIVE_INFINITY;

  constructor(
    connection: GorpcConnection,
    session: GatewaySession,
    request: GorpcRequest,
    method: GorpcMethod,
    receivedAtMs: number,
  ) {
    this.connection = connection;
    this.session = session;
    this.request = request;
    this.method = method;
    this.receivedAtMs = receivedAtMs;
  }

  /** Who calls; only for methods that need a login. */
  get login(): GatewayLogin {
    if (this.#login === undefined) throw new Error(`${this.method.name} is declared to need no login`);
    return this.#login;
  }

  set login(login: GatewayLogin) {
    this.#login = login;
  }

  get isOpen(): boolean {
    return this.connection.isOpen;
  }

  get isSent(): boolean {
    return this.connection.sentWrites >= this.#write;
  }

  /** Ends the call. */
  finish(answer: GorpcAnswer): void {
    this.#write = this.connection.nextWrite;
    this.connection.answer(this.request, answer, keysValuesPairName(this.session.era));
  }
}

/** What happens at a call. */
export interface GorpcMethod {
  /** Without the dot that stands before it on the wire. */
  readonly name: string;
  /** Without a login it is held for a moment, and then refused. */
  readonly needsLogin: boolean;
  /** Held for long by design: not measured, answered first when the hub stops. */
  readonly isLongPoll: boolean;
  /** Only gateways call it: from then on key events are kept for them. */
  readonly isOfGateways: boolean;
  /** Synchronous where nothing has to be waited for: most calls of an idle fleet cost no promise. */
  readonly run: (call: GorpcCall) => GorpcAnswer | Promise<GorpcAnswer>;
}

/** A method whose argument is read before it runs. */
export function method<Argument>(
  name: string,
  read: ArgumentReader<Argument>,
  run: (call: GorpcCall, argument: Argument) => GorpcAnswer | Promise<GorpcAnswer>,
  traits: Partial<Pick<GorpcMethod, 'needsLogin' | 'isLongPoll' | 'isOfGateways'>> = {},
): GorpcMethod {
  return {
    name,
    needsLogin: traits.needsLogin ?? true,
    isLongPoll: traits.isLongPoll ?? false,
    isOfGateways: traits.isOfGateways ?? true,
    run: (call) => run(call, read(call.request)),
  };
}
