import type { ServerDuplexStream } from '@grpc/grpc-js';
import { limits } from '../../domain/limits.js';
import type { NodeHealth, WorkerNode } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { SessionEnd, SessionEndReason, SessionLink } from '../../hub/fanout/session-hello.js';
import type { WorkerSession } from '../../hub/fanout/worker-session.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { BridgeHub } from './bridge-hub.js';
import { authorise, type CallCredentials } from './credentials.js';
import { toGrpcError } from './grpc-status.js';
import type { HelloMessage, SyncRequestMessage } from './messages.js';
import { nodeOf, readHello } from './read-hello.js';

/** An acknowledgement says that the worker lives; to note each of them would cost as much as all else about it. */
const signOfLifeMs = 1_000;

type SyncStream = ServerDuplexStream<SyncRequestMessage, Buffer>;

const shownComponentsMax = 100;

const errorOfEnd: Record<Exclude<SessionEndReason, 'goodbye'>, (message: string) => CausewayError> = {
  replaced: (message) => new CausewayError('SESSION_REPLACED', message),
  refused: (message) => new CausewayError('API_KEY_REFUSED', message),
  'protocol-error': (message) => new CausewayError('REQUEST_INVALID', message),
  failed: (message) => new CausewayError('STORE_UNAVAILABLE', message),
};

/** One `Sync` stream: reads the worker's side, lends the session its writing side. */
export class SyncCall implements SessionLink {
  readonly #hub: BridgeHub;
  readonly #stream: SyncStream;
  readonly #clock: Clock;
  readonly #caller: CallCredentials;
  readonly #helloTimer: Timer;
  #session: WorkerSession | undefined;
  #node: WorkerNode | undefined;
  #seenAtMs = 0;
  #closed = false;

  /** Answers and closes the stream by itself, whatever happens. */
  static open(hub: BridgeHub, stream: SyncStream, clock: Clock): void {
    try {
      new SyncCall(hub, stream, clock, authorise(hub, stream.metadata, stream.getPeer()));
    } catch (thrown) {
      stream.on('error', () => {});
      stream.resume();
      stream.emit('error', toGrpcError(thrown));
    }
  }

  private constructor(hub: BridgeHub, stream: SyncStream, clock: Clock, caller: CallCredentials) {
    this.#hub = hub;
    this.#stream = stream;
    this.#clock = clock;
    this.#caller = caller;
    this.#helloTimer = clock.after(limits.preambleTimeoutMs, () => {
      this.#fail(new CausewayError('REQUEST_INVALID', 'hello: did not arrive in time'));
    });
    stream.on('data', (message: SyncRequestMessage) => this.#receive(message));
    stream.on('drain', () => this.#session?.drained());
    stream.on('end', () => this.#endQuietly());
    stream.on('cancelled', () => this.#detach());
    stream.on('error', () => this.#detach());
    stream.on('close', () => this.#detach());
  }

  send(frame: Buffer): boolean {
    return this.#closed || this.#stream.write(frame);
  }

  close(end: SessionEnd): void {
    if (end.reason === 'goodbye') this.#endQuietly();
    else this.#fail(errorOfEnd[end.reason](end.message));
  }

  #receive(message: SyncRequestMessage): void {
    if (this.#closed) return;
    try {
      if (message.hello != null) this.#hello(message.hello);
      else if (this.#session === undefined) {
        throw new CausewayError('REQUEST_INVALID', 'hello: must be the first message of the stream');
      } else if (message.ack != null) this.#session.acknowledge(message.ack.sequence);
      else if (message.nack != null) {
        const { sequence, error, retryAfterMs } = message.nack;
        this.#session.refuse(sequence, error, retryAfterMs);
      } else if (message.status != null) this.#status(message.status);
      if (message.ack == null || this.#clock.monotonicMs() - this.#seenAtMs > signOfLifeMs) this.#seen();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #hello(message: HelloMessage): void {
    if (this.#session !== undefined) {
      throw new CausewayError('REQUEST_INVALID', 'hello: was sent twice on one stream');
    }
    const hello = readHello(this.#hub, message, this.#caller);
    this.#helloTimer.cancel();
    this.#node = nodeOf(this.#hub, message, hello, this.#caller.apiKey);
    this.#session = this.#hub.fanout.open(hello, this);
  }

  #status(status: NonNullable<SyncRequestMessage['status']>): void {
    if (this.#node === undefined) return;
    const time = new Date(this.#clock.nowMs()).toISOString();
    const health: Record<string, NodeHealth> = {};
    for (const { component, status: state } of status.health.slice(0, shownComponentsMax)) {
      health[component] = { status: state, componentType: '', time };
    }
    const stats = { apisCount: status.apisCount, policiesCount: status.policiesCount };
    this.#node = { ...this.#node, health, stats };
  }

  #seen(): void {
    if (this.#node === undefined || this.#closed) return;
    this.#seenAtMs = this.#clock.monotonicMs();
    this.#hub.nodeSeen(this.#node);
  }

  #endQuietly(): void {
    if (this.#closed) return;
    this.#detach();
    this.#stream.end();
  }

  #fail(thrown: unknown): void {
    if (this.#closed) return;
    this.#detach();
    this.#stream.emit('error', toGrpcError(thrown));
  }

  #detach(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#helloTimer.cancel();
    this.#session?.detach();
    if (this.#node !== undefined) {
      this.#hub.nodeGone(this.#node.organisation, this.#node.zone, this.#node.node);
    }
  }
}
