import type { ServerDuplexStream } from '@grpc/grpc-js';
import { limits } from '../../domain/limits.js';
import type { NodeHealth, WorkerNode } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { SessionEnd, SessionEndReason, SessionLink } from '../../hub/fanout/session-hello.js';
import type { WorkerSession } from '../../hub/fanout/worker-session.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { BridgeHub } from './bridge-hub.js';
import type { Admission } from './call-gate.js';
import { toGrpcError } from './grpc-status.js';
import type { ProtoReader } from './proto-reader.js';
import { nodeOf, readHello } from './read-hello.js';
import { readHelloRequest, readSyncRequest, type StatusRequest } from './read-requests.js';

/** An acknowledgement says that the worker lives; to note each of them would cost as much as all else about it. */
const signOfLifeMs = 1_000;

type SyncStream = ServerDuplexStream<Buffer, Buffer>;

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
  readonly #admission: Admission;
  readonly #helloTimer: Timer;
  #session: WorkerSession | undefined;
  #node: WorkerNode | undefined;
  #seenAtMs = 0;
  #closed = false;

  /** Answers and closes the stream by itself, whatever happens. */
  static open(hub: BridgeHub, stream: SyncStream, clock: Clock, admission: Admission): void {
    new SyncCall(hub, stream, clock, admission);
  }

  private constructor(hub: BridgeHub, stream: SyncStream, clock: Clock, admission: Admission) {
    this.#hub = hub;
    this.#stream = stream;
    this.#clock = clock;
    this.#admission = admission;
    this.#helloTimer = clock.after(limits.preambleTimeoutMs, () => {
      this.#fail(new CausewayError('REQUEST_INVALID', 'hello: did not arrive in time'));
    });
    stream.on('data', (message: Buffer) => this.#receive(message));
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

  #receive(message: Buffer): void {
    if (this.#closed) return;
    try {
      const request = readSyncRequest(message);
      if (request.kind === 'hello') {
        this.#hello(request.message);
        return;
      }
      this.#admission.intake.done();
      if (this.#session === undefined) {
        throw new CausewayError('REQUEST_INVALID', 'hello: must be the first message of the stream');
      }
      if (request.kind === 'ack') this.#session.acknowledge(request.sequence);
      else if (request.kind === 'nack') {
        this.#session.refuse(request.sequence, request.error, request.retryAfterMs);
      } else if (request.kind === 'status') this.#status(request.status);
      if (request.kind !== 'ack' || this.#clock.monotonicMs() - this.#seenAtMs > signOfLifeMs) this.#seen();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Nothing else is read meanwhile: a long hello takes turns. */
  #hello(message: ProtoReader): void {
    if (this.#session !== undefined) {
      throw new CausewayError('REQUEST_INVALID', 'hello: was sent twice on one stream');
    }
    this.#stream.pause();
    this.#greet(message)
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#admission.intake.done();
        this.#stream.resume();
      });
  }

  async #greet(message: ProtoReader): Promise<void> {
    const { caller } = this.#admission;
    const request = await readHelloRequest(message);
    if (this.#closed) return;
    const hello = readHello(this.#hub, request, caller);
    this.#helloTimer.cancel();
    this.#node = { ...nodeOf(this.#hub, request, hello, caller.apiKey), peer: caller.address };
    this.#session = this.#hub.fanout.open(hello, this);
    this.#seen();
  }

  #status(status: StatusRequest): void {
    if (this.#node === undefined) return;
    const time = new Date(this.#clock.nowMs()).toISOString();
    const health: Record<string, NodeHealth> = {};
    for (const { component, status: state } of status.health) {
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
