import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import { ByteShares } from '../../hub/shares/byte-shares.js';
import type { UnsentAnswers, UnsentOfConnection } from '../../hub/shares/unsent-answers.js';
import type { Clock } from '../../ports/clock.js';
import type { Metrics } from '../../ports/metrics.js';
import type { BridgeHub } from './bridge-hub.js';
import { authorise, type CallCredentials } from './credentials.js';
import { toGrpcError } from './grpc-status.js';
import { http2StreamOf, turnAway } from './http2-stream.js';
import { MessageIntake } from './message-intake.js';

export interface CallGateParts {
  readonly hub: BridgeHub;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly unsent: UnsentAnswers;
}

/** What a call of a worker was let in with. */
export interface Admission {
  readonly caller: CallCredentials;
  readonly intake: MessageIntake;
  readonly unsent: UnsentOfConnection;
}

const workerMethods = '/causeway.v1.Bridge/';

/** Nobody need try them: the hub undoes no compression of gRPC's own. */
const encodings = new Metadata();
encodings.set('grpc-accept-encoding', 'identity');

/**
 * Stands before every call: a worker is known by its metadata before one byte of what it sends is looked at.
 * Who is not let in is answered from the headers alone, and what he sends is thrown away as it comes.
 *
 * Two services are for strangers, health and reflection: their calls are counted, their messages small, and
 * the next one is read only when the last answer has been taken.
 */
export class CallGate {
  readonly #parts: CallGateParts;
  readonly #held = new ByteShares({ owner: 'heldBytesPerOrganisationMax', all: 'heldBytesMax' });
  readonly #admissions = new WeakMap<Metadata, Admission>();
  readonly #connections = new WeakMap<ServerHttp2Session, Map<OrganisationId, UnsentOfConnection>>();
  #strangerCalls = 0;

  constructor(parts: CallGateParts) {
    this.#parts = parts;
  }

  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    const stream = http2StreamOf(call);
    return path.startsWith(workerMethods)
      ? this.#workerCall(path.slice(workerMethods.length), call, stream)
      : this.#strangerCall(call, stream);
  };

  /** Of a call that has come to its handler. */
  admissionOf({ metadata }: { readonly metadata: Metadata }): Admission {
    const admission = this.#admissions.get(metadata);
    if (admission === undefined) throw new Error('a call came past the gate');
    return admission;
  }

  #workerCall(
    method: string,
    call: ServerInterceptingCallInterface,
    stream: ServerHttp2Stream,
  ): ServerInterceptingCall {
    const { hub, clock, metrics } = this.#parts;
    const answers = method === 'GetKeys' ? new CountedAnswers(stream) : undefined;
    return new WorkerCall(call, answers, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, admit) => {
            let caller: CallCredentials;
            try {
              caller = authorise(hub, metadata, call.getPeer());
            } catch (thrown) {
              metrics.add('causeway_calls_total', { protocol: 'grpc', method, result: 'denied' });
              const { code, details } = toGrpcError(thrown);
              turnAway(call, stream, { code, details, metadata: encodings });
              return;
            }
            const { organisation } = caller.identity;
            const intake = new MessageIntake(call, stream, {
              limit: 'workerMessageBytesMax',
              shares: this.#held,
              owner: organisation,
              clock,
              metrics,
            });
            const unsent = this.#unsentOf(stream, organisation);
            if (answers !== undefined) answers.unsent = unsent;
            this.#admissions.set(metadata, { caller, intake, unsent });
            admit(metadata);
          },
        });
      },
      sendMetadata: (metadata, next) => {
        metadata.merge(encodings);
        next(metadata);
      },
    });
  }

  #strangerCall(call: ServerInterceptingCallInterface, stream: ServerHttp2Stream): ServerInterceptingCall {
    const { clock, metrics } = this.#parts;
    this.#strangerCalls += 1;
    stream.once('close', () => {
      this.#strangerCalls -= 1;
    });
    return new StrangerCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, admit) => {
            if (this.#strangerCalls > limits.strangerCallsMax) {
              metrics.add('causeway_limit_hits_total', { limit: 'strangerCallsMax' });
              turnAway(call, stream, {
                code: status.RESOURCE_EXHAUSTED,
                details: `strangerCallsMax: ${limits.strangerCallsMax} calls without a login are open`,
              });
              return;
            }
            new MessageIntake(call, stream, {
              limit: 'strangerCallBytesMax',
              shares: this.#held,
              owner: '',
              clock,
              metrics,
            });
            admit(metadata);
          },
        });
      },
    });
  }

  #unsentOf(stream: ServerHttp2Stream, organisation: OrganisationId): UnsentOfConnection {
    const { session } = stream;
    const close = () => void session?.destroy();
    if (session === undefined) return this.#parts.unsent.connection(organisation, close);
    let own = this.#connections.get(session as ServerHttp2Session);
    if (own === undefined) {
      own = new Map();
      this.#connections.set(session as ServerHttp2Session, own);
    }
    let unsent = own.get(organisation);
    if (unsent === undefined) {
      const opened = this.#parts.unsent.connection(organisation, close);
      session.once('close', () => opened.end());
      own.set(organisation, opened);
      unsent = opened;
    }
    return unsent;
  }
}

/** What a handler has counted and handed over: given back when it has left, or never will. */
class CountedAnswers {
  unsent: UnsentOfConnection | undefined;
  #bytes = 0;

  constructor(stream: ServerHttp2Stream) {
    stream.once('close', () => this.left());
  }

  handedOver(bytes: number): void {
    this.#bytes += bytes;
  }

  left(): void {
    this.unsent?.sent(this.#bytes);
    this.#bytes = 0;
  }
}

/** Tells of answers that have left. */
class WorkerCall extends ServerInterceptingCall {
  readonly #answers: CountedAnswers | undefined;

  constructor(
    call: ServerInterceptingCallInterface,
    answers: CountedAnswers | undefined,
    responder: ConstructorParameters<typeof ServerInterceptingCall>[1],
  ) {
    super(call, responder);
    this.#answers = answers;
  }

  override sendMessage(message: Buffer, callback: () => void): void {
    const answers = this.#answers;
    if (answers === undefined) {
      super.sendMessage(message, callback);
      return;
    }
    answers.handedOver(message.length);
    super.sendMessage(message, () => {
      answers.left();
      callback();
    });
  }
}

/** Reads on only when the last answer was taken: answers are larger than what asks for them. */
class StrangerCall extends ServerInterceptingCall {
  #unsent = 0;
  #wantsMore = false;

  override startRead(): void {
    if (this.#unsent > 0) this.#wantsMore = true;
    else super.startRead();
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#unsent += 1;
    super.sendMessage(message, () => {
      this.#unsent -= 1;
      callback();
      if (this.#unsent > 0 || !this.#wantsMore) return;
      this.#wantsMore = false;
      super.startRead();
    });
  }
}
