import { type NodeId, nodeId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { ChangeLog, CursorOwner } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { View } from '../distribution/view-registry.js';
import type { FrameEncoder } from './frame-encoder.js';
import type { OrganisationTail } from './organisation-tail.js';
import type { SessionEnd, SessionHello, SessionLink } from './session-hello.js';
import type { SnapshotCache } from './snapshot-cache.js';
import { epochOf, type StartPosition, startPosition } from './start-position.js';
import type { ViewStream } from './view-stream.js';

/** How long a refused delivery waits when the worker does not say. */
const nackRetryDelayMs = 5_000;
const nackErrorBytesMax = 1_024;

export interface SessionParts {
  readonly hello: SessionHello;
  readonly link: SessionLink;
  readonly stream: ViewStream;
  readonly tail: OrganisationTail;
  readonly snapshots: SnapshotCache;
  readonly currentView: () => View;
  readonly encoder: FrameEncoder;
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly onEnd: (session: WorkerSession) => void;
}

/**
 * One worker's stream, whatever the wire.
 *
 * It keeps no queue: it knows its position and asks the view's stream for the delta after it, so a slow
 * worker costs one number. It stops asking while the link is full or too much is unconfirmed. When it falls
 * out of the retained log it starts again with a snapshot, and says so.
 */
export class WorkerSession {
  readonly hello: SessionHello;
  readonly owner: CursorOwner;
  readonly openedAtMs: number;
  readonly #parts: SessionParts;
  readonly #onceOwner: CursorOwner;
  /** Log position read up to, including entries that are not this view's business. */
  #position = 0;
  /** Last sequence the worker was told. */
  #told = 0;
  #confirmed = 0;
  #unconfirmed: number[] = [];
  #definitionsThrough = 0;
  #onceThrough = 0;
  #levelling = true;
  #linkFull = false;
  #pumping = false;
  #pumpAgain = false;
  #ended = false;
  #pausedUntilRetry: Timer | undefined;
  #lastNack: string | undefined;
  #wakeDrained: (() => void) | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.hello = parts.hello;
    const { identity, zone, node } = parts.hello;
    this.owner = { organisation: identity.organisation, zone, node };
    this.#onceOwner = { ...this.owner, node: onceNode(node) };
    this.openedAtMs = parts.clock.nowMs();
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  /** True while what the worker has yet to receive stands between it and a new change. */
  get isBehind(): boolean {
    return this.#levelling || this.#linkFull || this.#unconfirmed.length > 1;
  }

  get lastNack(): string | undefined {
    return this.#lastNack;
  }

  /** Welcomes the worker, levels it, and follows the log from then on. */
  async start(): Promise<void> {
    try {
      await this.#level(await this.#startPosition());
      this.wake();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** New entries may be there. */
  wake(): void {
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    if (this.#levelling || this.#ended) return;
    this.#pumping = true;
    this.#pump()
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#pumping = false;
        if (this.#pumpAgain) {
          this.#pumpAgain = false;
          this.wake();
        }
      });
  }

  /** The link takes bytes again. */
  drained(): void {
    this.#linkFull = false;
    this.#wakeDrained?.();
    this.#wakeDrained = undefined;
    this.wake();
  }

  acknowledge(sequence: number): void {
    if (this.#ended) return;
    if (sequence > Math.max(this.#told, this.#position)) {
      this.#parts.metrics.add('causeway_acks_total', { result: 'beyond' });
      this.end({
        reason: 'protocol-error',
        message: `ack.sequence: ${sequence} was never sent; the last was ${this.#told}`,
      });
      return;
    }
    this.#parts.metrics.add('causeway_acks_total', { result: 'ok' });
    this.#lastNack = undefined;
    this.#unconfirmed = this.#unconfirmed.filter((sent) => sent > sequence);
    // With nothing outstanding the worker is level with what the hub has read past on its behalf.
    const upTo = this.#unconfirmed.length === 0 ? Math.max(sequence, this.#position) : sequence;
    this.#confirm(upTo);
    this.wake();
  }

  refuse(sequence: number, error: string, retryAfterMs: number): void {
    if (this.#ended) return;
    this.#parts.metrics.add('causeway_acks_total', { result: 'nack' });
    this.#lastNack = Buffer.from(error).subarray(0, nackErrorBytesMax).toString();
    this.#parts.log.warn('worker could not apply a change', {
      ...this.owner,
      sequence,
      error: this.#lastNack,
    });
    this.#pausedUntilRetry?.cancel();
    const delayMs = retryAfterMs > 0 ? retryAfterMs : nackRetryDelayMs;
    this.#pausedUntilRetry = this.#parts.clock.after(delayMs, () => {
      this.#pausedUntilRetry = undefined;
      this.#position = this.#confirmed;
      this.#unconfirmed = [];
      this.wake();
    });
  }

  heartbeat(atMs: number): void {
    if (this.#ended || this.#levelling) return;
    this.#told = Math.max(this.#told, this.#position);
    this.#parts.link.send(this.#parts.encoder.heartbeat(this.#position, atMs));
  }

  /** Sends at once what must not wait behind deliveries. The link's buffer is bounded, so this stays small. */
  sendUrgent(frame: Buffer): void {
    if (!this.#ended) this.#parts.link.send(frame);
  }

  goodbye(reason: string, reconnectAfterMs: number): void {
    if (this.#ended) return;
    this.#parts.link.send(this.#parts.encoder.goodbye(reason, reconnectAfterMs));
    this.end({ reason: 'goodbye', message: reason });
  }

  end(end: SessionEnd): void {
    if (this.#ended) return;
    this.detach();
    this.#parts.link.close(end);
  }

  /** The link is gone: forget the stream, keep the cursor. */
  detach(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pausedUntilRetry?.cancel();
    this.#wakeDrained?.();
    this.#parts.onEnd(this);
  }

  async #startPosition(): Promise<StartPosition> {
    const { changeLog, hello, tail } = this.#parts;
    const [confirmed, once] = await Promise.all([
      changeLog.readCursor(this.owner),
      changeLog.readCursor(this.#onceOwner),
    ]);
    this.#onceThrough = once?.sequence ?? 0;
    // Bounds before the view: the view then holds at least what the log has up to there.
    const bounds = await changeLog.bounds(this.owner.organisation);
    tail.noteNewest(bounds.newest);
    return startPosition(hello, changeLog.epoch, this.#parts.currentView().key, bounds, confirmed);
  }

  async #level(start: StartPosition): Promise<void> {
    const { changeLog, encoder, hello, metrics, snapshots } = this.#parts;
    const view = this.#parts.currentView();
    this.#levelling = true;
    this.#position = start.sequence;
    this.#told = start.sequence;
    this.#confirmed = start.sequence;
    this.#unconfirmed = [];
    this.#definitionsThrough = start.definitionsThrough;
    const welcome = encoder.welcome({
      codec: hello.codec,
      epoch: epochOf(changeLog.epoch, view.key),
      sequence: start.sequence,
      mode: start.mode,
      reason: start.reason,
      viewDefinitions: view.definitions.length,
    });
    this.#send(welcome);
    if (start.mode === 'snapshot') {
      metrics.add('causeway_snapshots_total', { reason: start.reason ?? 'first-sync' });
      const { chunks } = await snapshots.encode(view, hello.held, hello.codec);
      for (const chunk of chunks) {
        await this.#untilDrained();
        if (this.#ended) return;
        this.#send(chunk);
      }
    }
    this.#levelling = false;
  }

  async #pump(): Promise<void> {
    while (!this.#ended && !this.#linkFull && this.#pausedUntilRetry === undefined) {
      if (this.#unconfirmed.length >= limits.unconfirmedDeliveriesMax) {
        this.#parts.metrics.add('causeway_limit_hits_total', { limit: 'unconfirmedDeliveriesMax' });
        return;
      }
      const from = this.#position;
      const delta = await this.#nextDelta(from);
      if (delta === undefined || this.#ended || this.#position !== from) return;
      const bytes = await delta.bytes(this.hello.codec);
      if (this.#ended || this.#position !== from) return;
      this.#position = delta.to;
      if (bytes === undefined) {
        if (this.#unconfirmed.length === 0) this.#confirm(delta.to);
        continue;
      }
      if (delta.holdsOnce) await this.#rememberOnce(delta.to);
      this.#told = delta.to;
      this.#unconfirmed.push(delta.to);
      this.#parts.metrics.add('causeway_deliveries_total', { protocol: 'grpc' }, delta.changes);
      this.#send(bytes);
    }
  }

  async #nextDelta(from: number): Promise<Awaited<ReturnType<ViewStream['next']>>> {
    const known = { definitionsThrough: this.#definitionsThrough, onceThrough: this.#onceThrough };
    try {
      return await this.#parts.stream.next(from, known);
    } catch (thrown) {
      if (!(thrown instanceof CausewayError) || thrown.code !== 'CHANGE_LOG_TRIMMED') throw thrown;
      this.#parts.log.warn('worker fell behind the retained change log; it gets a snapshot', {
        ...this.owner,
      });
      const bounds = await this.#parts.changeLog.bounds(this.owner.organisation);
      await this.#level({
        mode: 'snapshot',
        reason: 'fell-behind',
        sequence: bounds.newest,
        definitionsThrough: bounds.newest,
      });
      this.#pumpAgain = true;
      return undefined;
    }
  }

  /** At most once means: note it before it is handed out. */
  async #rememberOnce(sequence: number): Promise<void> {
    this.#onceThrough = sequence;
    const atMs = this.#parts.clock.nowMs();
    await this.#parts.changeLog.moveCursor({ ...this.#onceOwner, sequence, atMs });
  }

  #confirm(sequence: number): void {
    if (sequence <= this.#confirmed) return;
    this.#confirmed = sequence;
    const atMs = this.#parts.clock.nowMs();
    this.#parts.changeLog.moveCursor({ ...this.owner, sequence, atMs }).catch((thrown: unknown) => {
      // The worker has its own record; the hub's is only a hint and moves again with the next ack.
      this.#parts.log.warn('cursor not written', { ...this.owner, reason: describeError(thrown) });
    });
  }

  #send(frame: Buffer): void {
    if (!this.#parts.link.send(frame)) this.#linkFull = true;
  }

  #untilDrained(): Promise<void> {
    if (!this.#linkFull || this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wakeDrained = resolve;
    });
  }

  #fail(thrown: unknown): void {
    if (this.#ended) return;
    const known = thrown instanceof CausewayError;
    this.#parts.log[known ? 'warn' : 'error']('worker stream failed', {
      ...this.owner,
      reason: describeError(thrown),
    });
    this.end({ reason: 'failed', message: known ? thrown.message : 'internal error; reconnect' });
  }
}

/** A second cursor of the same worker: how far events that may be handed out only once were handed out. */
function onceNode(node: NodeId): NodeId {
  return nodeId(`${node}\u0000once`);
}

/** True for the cursors that only sessions themselves read. */
export function isOnceCursor(owner: CursorOwner): boolean {
  return owner.node.endsWith('\u0000once');
}
