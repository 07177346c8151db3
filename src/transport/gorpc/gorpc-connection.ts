import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { OrganisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { UnsentOfConnection } from '../../hub/shares/unsent-answers.js';
import type { GatewaySession } from '../../hub/zones/gateway-session.js';
import type { ConnectionStanding } from '../../ports/connection-standing.js';
import { OutboundStream } from './deflate/outbound-stream.js';
import type { HeldBytes } from './gob/segment-buffer.js';
import type { LongMessages, LongMessageWait, TakenRoom } from './long-messages.js';
import type { Preamble } from './preamble.js';
import type { GorpcRequest } from './request-decoder.js';
import { RequestStream, type RequestStreamEvents } from './request-stream.js';
import { type GorpcAnswer, type KeysValuesPairName, ResponseEncoder } from './response-encoder.js';

/** Who is at the other end. */
export interface GorpcPeer {
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** The same, and how its connection stands with the listener; undefined: nobody wants to know. */
export interface GorpcGuest extends GorpcPeer {
  readonly standing?: ConnectionStanding;
}

/** What a connection tells its transport. */
export interface GorpcConnectionEvents {
  /** The worker has said which process it is of. */
  onPreamble(connection: GorpcConnection, preamble: Preamble): GatewaySession;
  onRequest(connection: GorpcConnection, session: GatewaySession, request: GorpcRequest): void;
  /** What came cannot be read on; the stream is of no more use. */
  onBadInput(connection: GorpcConnection, thrown: unknown): void;
  onClosed(connection: GorpcConnection): void;
  /** Answers are waiting; `flush` is wanted soon. */
  onWritten(connection: GorpcConnection): void;
  /** A long message waits; `goOn` is wanted when it need not any more. */
  onWaiting(connection: GorpcConnection, what: LongMessageWait): void;
}

export interface GorpcConnectionOptions {
  readonly openedAtMs: number;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Where unfinished messages are counted before and after the login. */
  readonly strangersHeld: HeldBytes;
  readonly workersHeld: HeldBytes;
  readonly longMessages: LongMessages;
  readonly openUnsent: (organisation: OrganisationId, close: () => void) => UnsentOfConnection;
}

/** Bytes of a compressed stream that are inflated and read before the time is looked at: at most a megabyte. */
const pieceBytes = 1_024;
/** Time after which a connection that goes on sending lets others have a turn. */
const turnMs = 5;
const noBytes = Buffer.alloc(0);

/**
 * One connection of a worker: bytes in, requests out; answers in, bytes out.
 *
 * Answers are gathered and leave together, see `flush`. It reads no further while too many calls wait for an
 * answer or the worker does not take the answers it has: memory is bounded, and nobody else is affected. For
 * the same reason it works on a bounded number of calls at a time, and for a bounded time in one turn.
 */
export class GorpcConnection implements RequestStreamEvents {
  readonly peer: GorpcPeer;
  readonly standing: ConnectionStanding | undefined;
  readonly openedAtMs: number;
  session: GatewaySession | undefined;
  /** Calls that can only be a mistake or an attack. */
  badCalls = 0;
  /** `flush` was asked for and has not come. */
  isFlushWanted = false;
  readonly #stream: Duplex;
  readonly #events: GorpcConnectionEvents;
  readonly #requests: RequestStream;
  readonly #options: GorpcConnectionOptions;
  /** Bytes that came and were not looked at yet. */
  #rest: Buffer = noBytes;
  #isKnown = false;
  #waitsFor: LongMessageWait | undefined;
  #turnOver = false;
  #running = 0;
  #starting = false;
  /** Calls that wait to be worked on. */
  readonly #queued: GorpcRequest[] = [];
  readonly #rooms = new Map<GorpcRequest, TakenRoom>();
  #unsent: UnsentOfConnection | undefined;
  /** Of the answers that `flush` will send: what they have reserved. */
  #reservedInBatch = 0;
  #outbound: OutboundStream | undefined;
  #encoder: ResponseEncoder | undefined;
  #callsInFlight = 0;
  /** Writes begun, and writes that have left this process. */
  #writes = 0;
  #sentWrites = 0;
  #sentWritesSeen = 0;
  #progressMs: number;
  readonly #onSent = () => {
    this.#sentWrites += 1;
    if (this.#queued.length > 0) this.#startQueued();
  };
  #open = true;
  #reading = true;
  #refused = false;
  #ended = false;
  #abandon: Set<() => void> | undefined;

  constructor(
    stream: Duplex,
    { standing, ...peer }: GorpcGuest,
    events: GorpcConnectionEvents,
    options: GorpcConnectionOptions,
  ) {
    this.peer = peer;
    this.standing = standing;
    this.openedAtMs = options.openedAtMs;
    this.#progressMs = options.openedAtMs;
    this.#stream = stream;
    this.#events = events;
    this.#options = options;
    this.#requests = new RequestStream(this, {
      heldBytes: options.strangersHeld,
      textBytesMax: limits.strangerMessageBytesMax,
      onSegment: (length) => options.longMessages.begin(length),
    });
    this.#requests.setTerms(limits.strangerElementsMax, options.strangersHeld);
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('drain', () => this.#onDrain());
    stream.on('error', () => this.#onClose());
    stream.on('close', () => this.#onClose());
    stream.resume();
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Number of the write that an answer given now leaves with. */
  get nextWrite(): number {
    return this.#writes + 1;
  }

  /** Writes up to this number have left this process. */
  get sentWrites(): number {
    return this.#sentWrites;
  }

  /** How long nothing has left though something waits, as far as one call of this to the next can tell. */
  stalledMs(nowMs: number): number {
    if (this.#sentWrites !== this.#sentWritesSeen || this.#sentWrites === this.#writes) {
      this.#sentWritesSeen = this.#sentWrites;
      this.#progressMs = nowMs;
    }
    return nowMs - this.#progressMs;
  }

  get callsInFlight(): number {
    return this.#callsInFlight;
  }

  onPreamble(preamble: Preamble): void {
    this.#outbound = new OutboundStream(preamble.compressed);
    this.#encoder = new ResponseEncoder(this.#outbound);
    this.session = this.#events.onPreamble(this, preamble);
  }

  onRequest(request: GorpcRequest): void {
    this.#callsInFlight += 1;
    const room = this.#options.longMessages.complete();
    if (room !== undefined) this.#rooms.set(request, room);
    // A login goes first: calls that came before it wait for it.
    if (this.#mayStart || request.method.startsWith('.Login')) this.#start(request);
    else this.#queued.push(request);
  }

  /** Waits for room for an answer of so many bytes. False: the connection has ended. */
  async reserve(organisation: OrganisationId, bytes: number): Promise<boolean> {
    if (!this.#open) return false;
    this.#unsent ??= this.#options.openUnsent(organisation, () => this.destroy());
    return this.#unsent.reserve(bytes);
  }

  /** What was reserved is not needed. */
  giveBack(bytes: number): void {
    this.#unsent?.giveBack(bytes);
  }

  /** Ends a call. Id 0 wants no answer and must not get one. `reserved`: what `reserve` was asked for. */
  answer(request: GorpcRequest, answer: GorpcAnswer, pairName: KeysValuesPairName): void {
    const { id } = request;
    const reserved = answer.reservedBytes ?? 0;
    if (id === 0 || !this.#open) this.giveBack(reserved);
    else this.#reservedInBatch += reserved;
    if (id !== 0 && this.#open && this.#encoder !== undefined) {
      this.#encoder.keysValuesPairName = pairName;
      this.#encoder.write(id, answer);
      if (!this.isFlushWanted) {
        this.isFlushWanted = true;
        this.#events.onWritten(this);
      }
    }
    this.#over(request);
    if (!this.#reading) this.#readOn();
  }

  /** Ends a call without an answer. */
  drop(request: GorpcRequest): void {
    this.#over(request);
  }

  /** What a long message waited for may be there. */
  goOn(): void {
    if (!this.#open || this.#waitsFor === undefined) return;
    this.#waitsFor = undefined;
    if (this.#waits()) return;
    this.#readOn();
  }

  get waitsFor(): LongMessageWait | undefined {
    return this.#waitsFor;
  }

  /** Sends what was answered since the last time as one write. */
  flush(): void {
    this.isFlushWanted = false;
    if (!this.#open || this.#outbound === undefined) return;
    const parts = this.#outbound.take();
    const last = parts.pop();
    if (last === undefined) return;
    this.#writes += 1;
    if (parts.length > 0) this.#stream.cork();
    for (const part of parts) this.#stream.write(part);
    const reserved = this.#reservedInBatch;
    this.#reservedInBatch = 0;
    const onSent =
      reserved === 0
        ? this.#onSent
        : () => {
            this.#onSent();
            this.#unsent?.sent(reserved);
          };
    const hasRoom = this.#stream.write(last, onSent);
    if (parts.length > 0) this.#stream.uncork();
    if (!hasRoom && this.#stream.writableLength > limits.gorpcUnsentBytesMax) this.#stopReading();
  }

  /** Calls back when the connection closes. Returns the way to take that back. */
  whenClosed(abandon: () => void): () => void {
    this.#abandon ??= new Set();
    this.#abandon.add(abandon);
    return () => this.#abandon?.delete(abandon);
  }

  /** Reads nothing more; what is answered still goes out. */
  refuse(): void {
    this.#refused = true;
    this.#requests.close();
    this.#stopReading();
  }

  /**
   * What is answered goes out, and the goodbye with it; what still comes in is not looked at.
   *
   * With it means in one packet: a worker that has an answer in hand and the goodbye not yet may send its next
   * call on the connection that is closing, and lose it. Nagle's algorithm keeps a packet back while an earlier
   * one is not acknowledged; so the first byte goes ahead, and the goodbye catches up with the rest.
   */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.refuse();
    this.isFlushWanted = false;
    const [first, ...rest] = this.#outbound?.take() ?? [];
    if (first !== undefined) {
      (this.#stream as Partial<Pick<Socket, 'setNoDelay'>>).setNoDelay?.(false);
      for (const part of [first.subarray(0, 1), first.subarray(1), ...rest]) this.#stream.write(part);
    }
    this.#stream.end();
    this.#stream.resume();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  get #mayStart(): boolean {
    return (
      this.#running < limits.gorpcCallsRunningMax && this.#stream.writableLength <= limits.gorpcUnsentBytesMax
    );
  }

  #start(request: GorpcRequest): void {
    this.#running += 1;
    this.#events.onRequest(this, this.session as GatewaySession, request);
  }

  /** A call that is answered at once comes back here: it finds the loop at work. */
  #startQueued(): void {
    if (this.#starting) return;
    this.#starting = true;
    while (this.#open && this.#queued.length > 0 && this.#mayStart)
      this.#start(this.#queued.shift() as GorpcRequest);
    this.#starting = false;
  }

  #over(request: GorpcRequest): void {
    this.#running -= 1;
    this.#callsInFlight -= 1;
    const room = this.#rooms.size === 0 ? undefined : this.#rooms.get(request);
    if (room !== undefined) {
      this.#rooms.delete(request);
      this.#options.longMessages.giveBack(room);
    }
    if (this.#queued.length > 0) this.#startQueued();
  }

  #onData(chunk: Buffer): void {
    if (this.#refused) return;
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#reading) this.#work();
  }

  /** Reads what has come, until something is to be waited for or others are to have a turn. */
  #work(): void {
    const { nowMs } = this.#options;
    const untilMs = nowMs() + turnMs;
    while (this.#rest.length > 0 && !this.#refused) {
      this.#know();
      const size = this.#requests.compressed ? pieceBytes : this.#rest.length;
      const piece = this.#rest.subarray(0, size);
      this.#rest = this.#rest.subarray(piece.length);
      try {
        this.#requests.push(piece);
      } catch (thrown) {
        this.#events.onBadInput(this, thrown);
        return;
      }
      // A final block of deflate is a goodbye.
      if (this.#requests.ended) {
        this.end();
        return;
      }
      if (this.#waits()) return;
      if (this.#callsInFlight >= limits.gorpcCallsInFlightMax) {
        this.#stopReading();
        return;
      }
      if (nowMs() > untilMs) {
        this.#letOthers();
        return;
      }
    }
  }

  #letOthers(): void {
    this.#stopReading();
    this.#turnOver = true;
    setImmediate(() => {
      this.#turnOver = false;
      if (this.#open) this.#readOn();
    });
  }

  /** From its login on, a worker may send more. */
  #know(): void {
    if (this.#isKnown || this.session?.hasLoggedIn !== true) return;
    this.#isKnown = true;
    this.#requests.setTerms(limits.gobElementsMax, this.#options.workersHeld);
  }

  #waits(): boolean {
    this.#know();
    this.#waitsFor = this.#options.longMessages.waitsFor(this.session);
    if (this.#waitsFor === undefined) return false;
    this.#stopReading();
    this.#events.onWaiting(this, this.#waitsFor);
    return true;
  }

  #onDrain(): void {
    if (!this.#reading) this.#readOn();
    if (this.#queued.length > 0) this.#startQueued();
  }

  #stopReading(): void {
    this.#reading = false;
    this.#stream.pause();
  }

  #readOn(): void {
    if (this.#refused || this.#turnOver || this.#waitsFor !== undefined) return;
    if (this.#callsInFlight >= limits.gorpcCallsInFlightMax) return;
    if (this.#stream.writableLength > limits.gorpcUnsentBytesMax) return;
    this.#reading = true;
    if (this.#rest.length > 0) this.#work();
    if (this.#reading) this.#stream.resume();
  }

  #onClose(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#rest = noBytes;
    this.#requests.close();
    this.#options.longMessages.close();
    this.#unsent?.end();
    // Nobody waits for what was not begun.
    for (const request of this.#queued.splice(0)) {
      this.#running += 1;
      this.#over(request);
    }
    for (const abandon of this.#abandon ?? []) abandon();
    this.#abandon = undefined;
    this.#events.onClosed(this);
  }
}
