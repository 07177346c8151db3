import type { DefinitionKey } from '../../domain/definition.js';
import { type NodeId, nodeId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { ChangeLog, CursorOwner } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { View } from '../distribution/view-registry.js';
import { DeliveryLedger } from './delivery-ledger.js';
import type { FrameEncoder, SnapshotReason } from './frame-encoder.js';
import type { OrganisationTail } from './organisation-tail.js';
import type { SessionEnd, SessionHello, SessionLink } from './session-hello.js';
import type { SnapshotCache } from './snapshot-cache.js';
import { epochOf, type StartPosition, startPosition } from './start-position.js';
import type { Delta, ViewStream } from './view-stream.js';

/** How long a refused delivery waits when the worker does not say. */
const nackRetryDelayMs = 5_000;
/** How long it waits at most, whatever the worker says: a refused revocation waits with it. */
const nackRetryDelayMsMax = 300_000;
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
  readonly #ledger = new DeliveryLedger();
  #definitionsThrough = 0;
  #onceThrough = 0;
  #cursorMovedTo = 0;
  /** Advance notices that came before the welcome could be sent. */
  #beforeWelcome: Buffer[] | undefined = [];
  #levelling = true;
  #toldLevel = false;
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
    return this.#ledger.confirmed;
  }

  /** True while something stands between this worker and the changes after `newest`. */
  isBehind(newest: number): boolean {
    if (this.#levelling || this.#linkFull || this.#pausedUntilRetry !== undefined) return true;
    return this.#ledger.unconfirmedDeltas > 1 || this.#ledger.position < newest;
  }

  get lastNack(): string | undefined {
    return this.#lastNack;
  }

  /** Welcomes the worker, levels it, and follows the log from then on. */
  async start(): Promise<void> {
    try {
      await this.#level(await this.#startPosition(), this.hello.held);
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
    if (!this.#ledger.acknowledge(sequence)) {
      this.#parts.metrics.add('causeway_acks_total', { result: 'beyond' });
      this.end({ reason: 'protocol-error', message: `ack.sequence: ${sequence} was never sent` });
      return;
    }
    this.#parts.metrics.add('causeway_acks_total', { result: 'ok' });
    this.#lastNack = undefined;
    this.#moveCursor();
    this.wake();
  }

  refuse(sequence: number, error: string, retryAfterMs: number): void {
    if (this.#ended) return;
    if (this.#beforeWelcome !== undefined) {
      this.end({ reason: 'protocol-error', message: 'nack: nothing was sent yet' });
      return;
    }
    this.#parts.metrics.add('causeway_acks_total', { result: 'nack' });
    this.#lastNack = Buffer.from(error).subarray(0, nackErrorBytesMax).toString();
    this.#parts.log.warn('worker could not apply a change', {
      ...this.owner,
      sequence,
      error: this.#lastNack,
    });
    // At once, not when the wait is over: a heartbeat meanwhile must not announce what was refused.
    this.#ledger.refuse(sequence);
    this.#pausedUntilRetry?.cancel();
    const delayMs = retryAfterMs > 0 ? Math.min(retryAfterMs, nackRetryDelayMsMax) : nackRetryDelayMs;
    this.#pausedUntilRetry = this.#parts.clock.after(delayMs, () => {
      this.#pausedUntilRetry = undefined;
      this.wake();
    });
  }

  heartbeat(atMs: number): void {
    // A full link has proof of life enough in its buffer, and need not grow by more.
    if (this.#ended || this.#levelling || this.#linkFull) return;
    // While a snapshot waits to be sent again nothing is behind the worker.
    const sequence = this.#ledger.refusedSnapshot === undefined ? this.#ledger.announce() : 0;
    this.#send(this.#parts.encoder.heartbeat(sequence, atMs));
  }

  /**
   * Sends at once what must not wait behind deliveries. The link's buffer is bounded, so this stays small. It is
   * about entries after `after`: for a worker that was sent more of the log by now it comes too late to be a notice,
   * and would take away what was given again since.
   */
  sendUrgent(frame: Buffer, after: number): void {
    if (this.#beforeWelcome !== undefined) this.#beforeWelcome.push(frame);
    else if (this.#ledger.position <= after) this.#send(frame);
  }

  goodbye(reason: string, reconnectAfterMs: number): void {
    if (this.#ended) return;
    this.#send(this.#parts.encoder.goodbye(reason, reconnectAfterMs));
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
    // Bounds before the view: the view then holds at least what the log has up to there.
    const bounds = await changeLog.bounds(this.owner.organisation);
    tail.noteNewest(bounds.newest);
    for (const cursor of [confirmed, once]) {
      // Of a log that is gone. Kept, it would stand in the way of the events of this one.
      if (cursor !== undefined && cursor.sequence > bounds.newest) await changeLog.removeCursor(cursor);
      else if (cursor === once) this.#onceThrough = once?.sequence ?? 0;
    }
    return startPosition(hello, changeLog.epoch, this.#parts.currentView().key, bounds, confirmed);
  }

  /** `held`: what the worker is known to hold at this moment, so that it need not be sent. */
  async #level(start: StartPosition, held: ReadonlyMap<DefinitionKey, string>): Promise<void> {
    if (this.#ended) return;
    const { changeLog, encoder, hello, metrics, snapshots } = this.#parts;
    const view = this.#parts.currentView();
    this.#levelling = true;
    this.#toldLevel = false;
    this.#ledger.startAt(start);
    this.#definitionsThrough = start.definitionsThrough;
    const { turn } = this.#ledger;
    const welcome = encoder.welcome({
      codec: hello.codec,
      epoch: epochOf(changeLog.epoch, view.key),
      sequence: start.sequence,
      mode: start.mode,
      reason: start.reason,
      viewDefinitions: view.definitions.length,
    });
    this.#send(welcome);
    for (const frame of this.#beforeWelcome ?? []) this.#send(frame);
    this.#beforeWelcome = undefined;
    if (start.mode === 'snapshot') {
      metrics.add('causeway_snapshots_total', { reason: start.reason ?? 'first-sync' });
      const { chunks } = await snapshots.encode(view, held, hello.codec);
      for (const chunk of chunks) {
        await this.#untilDrained();
        // Refused meanwhile: the rest of it would only be thrown away.
        if (this.#ended || this.#ledger.turn !== turn) break;
        this.#send(chunk);
      }
      if (this.#ledger.turn === turn) this.#ledger.snapshotSent();
    } else this.#moveCursor();
    this.#levelling = false;
  }

  async #pump(): Promise<void> {
    while (!this.#ended && !this.#linkFull && this.#pausedUntilRetry === undefined) {
      const refused = this.#ledger.refusedSnapshot;
      if (refused !== undefined) {
        await this.#levelAgain(refused.reason ?? 'first-sync', refused.sequence);
        continue;
      }
      if (this.#ledger.unconfirmedDeltas >= limits.unconfirmedDeliveriesMax) {
        this.#parts.metrics.add('causeway_limit_hits_total', { limit: 'unconfirmedDeliveriesMax' });
        return;
      }
      const { turn } = this.#ledger;
      const isVoid = () => this.#ended || this.#ledger.turn !== turn;
      const delta = await this.#nextDelta();
      if (delta === 'fell-behind') {
        if (isVoid()) continue;
        this.#parts.log.warn('worker fell behind the retained change log; it gets a snapshot', {
          ...this.owner,
        });
        await this.#levelAgain('fell-behind', undefined);
        continue;
      }
      if (isVoid()) continue;
      if (delta === undefined) {
        this.#tellLevel();
        return;
      }
      const bytes = await delta.bytes(this.hello.codec, this.#ledger.owesAnswer);
      if (isVoid() || this.#linkFull) continue;
      if (bytes === undefined) {
        this.#ledger.passOver(delta.to);
        this.#moveCursor();
        continue;
      }
      if (delta.holdsOnce) {
        await this.#rememberOnce(delta.to);
        if (isVoid()) continue;
      }
      // Only now: whatever asks for the position meanwhile must not find it ahead of what was sent.
      this.#ledger.sent(delta.to);
      this.#parts.metrics.add('causeway_deliveries_total', { protocol: 'grpc' }, delta.changes);
      this.#send(bytes);
    }
  }

  /** Once per welcome: the worker need not wait for the next beat to learn that it has everything. */
  #tellLevel(): void {
    if (this.#toldLevel) return;
    this.#toldLevel = true;
    this.heartbeat(this.#parts.clock.nowMs());
  }

  async #nextDelta(): Promise<Delta | 'fell-behind' | undefined> {
    const { position, standsAt } = this.#ledger;
    const known = { definitionsThrough: this.#definitionsThrough, onceThrough: this.#onceThrough };
    try {
      return await this.#parts.stream.next(position, known, standsAt);
    } catch (thrown) {
      if (thrown instanceof CausewayError && thrown.code === 'CHANGE_LOG_TRIMMED') return 'fell-behind';
      throw thrown;
    }
  }

  /** A snapshot in the middle of a stream. What the worker said it held is no longer what it holds. */
  async #levelAgain(reason: SnapshotReason, sequence: number | undefined): Promise<void> {
    const { newest } = await this.#parts.changeLog.bounds(this.owner.organisation);
    await this.#level(
      { mode: 'snapshot', reason, sequence: sequence ?? newest, definitionsThrough: newest },
      new Map(),
    );
  }

  /** At most once means: note it before it is handed out. */
  async #rememberOnce(sequence: number): Promise<void> {
    this.#onceThrough = sequence;
    const atMs = this.#parts.clock.nowMs();
    await this.#parts.changeLog.moveCursorDurably({ ...this.#onceOwner, sequence, atMs });
  }

  #moveCursor(): void {
    const sequence = this.#ledger.confirmed;
    if (sequence <= this.#cursorMovedTo) return;
    this.#cursorMovedTo = sequence;
    const atMs = this.#parts.clock.nowMs();
    const { organisation, zone, node } = this.owner;
    this.#parts.changeLog
      .moveCursor({ organisation, zone, node, sequence, atMs })
      .catch((thrown: unknown) => {
        // The worker has its own record; the hub's is only a hint and moves again with the next ack.
        this.#parts.log.warn('cursor not written', { ...this.owner, reason: describeError(thrown) });
      });
  }

  #send(frame: Buffer): void {
    if (!this.#ended && !this.#parts.link.send(frame)) this.#linkFull = true;
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
