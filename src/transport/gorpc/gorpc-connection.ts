import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { limits } from '../../domain/limits.js';
import type { GatewaySession } from '../../hub/zones/gateway-session.js';
import type { ConnectionStanding } from '../../ports/connection-standing.js';
import { OutboundStream } from './deflate/outbound-stream.js';
import type { HeldBytes } from './gob/segment-buffer.js';
import type { GobInteger } from './gob/values.js';
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
}

/**
 * One connection of a worker: bytes in, requests out; answers in, bytes out.
 *
 * Answers are gathered and leave together, see `flush`. It reads no further while too many calls wait for an
 * answer or the worker does not take the answers it has: memory is bounded, and nobody else is affected.
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
    options: { readonly heldBytes: HeldBytes; readonly openedAtMs: number },
  ) {
    this.peer = peer;
    this.standing = standing;
    this.openedAtMs = options.openedAtMs;
    this.#progressMs = options.openedAtMs;
    this.#stream = stream;
    this.#events = events;
    this.#requests = new RequestStream(this, { heldBytes: options.heldBytes });
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
    this.#events.onRequest(this, this.session as GatewaySession, request);
  }

  /** Ends a call. Id 0 wants no answer and must not get one. */
  answer(id: GobInteger, answer: GorpcAnswer, pairName: KeysValuesPairName): void {
    this.#callsInFlight -= 1;
    if (id !== 0 && this.#open && this.#encoder !== undefined) {
      this.#encoder.keysValuesPairName = pairName;
      this.#encoder.write(id, answer);
      if (!this.isFlushWanted) {
        this.isFlushWanted = true;
        this.#events.onWritten(this);
      }
    }
    if (!this.#reading) this.#readOn();
  }

  /** Ends a call without an answer. */
  drop(): void {
    this.#callsInFlight -= 1;
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
    const hasRoom = this.#stream.write(last, this.#onSent);
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

  #onData(chunk: Buffer): void {
    if (this.#refused) return;
    try {
      this.#requests.push(chunk);
    } catch (thrown) {
      this.#events.onBadInput(this, thrown);
      return;
    }
    // A final block of deflate is a goodbye.
    if (this.#requests.ended) this.end();
    else if (this.#callsInFlight >= limits.gorpcCallsInFlightMax) this.#stopReading();
  }

  #onDrain(): void {
    if (!this.#reading) this.#readOn();
  }

  #stopReading(): void {
    this.#reading = false;
    this.#stream.pause();
  }

  #readOn(): void {
    if (this.#refused || this.#callsInFlight >= limits.gorpcCallsInFlightMax) return;
    if (this.#stream.writableLength > limits.gorpcUnsentBytesMax) return;
    this.#reading = true;
    this.#stream.resume();
  }

  #onClose(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#requests.close();
    for (const abandon of this.#abandon ?? []) abandon();
    this.#abandon = undefined;
    this.#events.onClosed(this);
  }
}
