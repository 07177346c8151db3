import type { ServerHttp2Stream } from 'node:http2';
import { type ServerInterceptingCallInterface, status } from '@grpc/grpc-js';
import { type LimitName, limits } from '../../domain/limits.js';
import type { ByteShares } from '../../hub/shares/byte-shares.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Metrics } from '../../ports/metrics.js';
import { turnAway } from './http2-stream.js';

/*
 * stream  := message*
 * message := compressed:1 length:4 byte*     big endian (the framing of gRPC over HTTP/2)
 */

const headerBytes = 5;

export interface IntakeTerms {
  /** The bound of one message, and its name. */
  readonly limit: LimitName;
  readonly shares: ByteShares;
  /** Whose messages these are. */
  readonly owner: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * Watches the bytes of one call before the library gathers them. The library compares a length with one bound
 * for all methods and everybody, keeps what is unfinished without counting, and undoes compression before it
 * asks anybody; here a message that is too large, compressed, or more than there is room for goes no further.
 *
 * A large message is counted with all its announced length from its header until its handler is done with it:
 * what was let in can be finished, what finds no room waits in the sender's window.
 */
export class MessageIntake {
  readonly #call: ServerInterceptingCallInterface;
  readonly #stream: ServerHttp2Stream;
  readonly #terms: IntakeTerms;
  readonly #header = Buffer.alloc(headerBytes);
  #headerLength = 0;
  /** Bytes of the message that have not arrived. */
  #missing = 0;
  #reserved = 0;
  #begun = 0;
  #handled = 0;
  /** Large messages that were let in, by their place in the stream. */
  readonly #large = new Map<number, number>();
  #waiting: (() => void) | undefined;
  /** The message whose waiting was counted. */
  #toldOf = -1;
  #timer: Timer | undefined;
  #closed = false;

  constructor(call: ServerInterceptingCallInterface, stream: ServerHttp2Stream, terms: IntakeTerms) {
    this.#call = call;
    this.#stream = stream;
    this.#terms = terms;
    stream.prependListener('data', (chunk: Buffer) => this.#onData(chunk));
    stream.once('close', () => this.#close());
  }

  /** The handler is done with the oldest message it was given. */
  done(): void {
    const bytes = this.#large.get(this.#handled);
    this.#handled += 1;
    if (bytes === undefined) return;
    this.#large.delete(this.#handled - 1);
    this.#give(bytes);
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    let position = 0;
    while (position < chunk.length) {
      if (this.#missing === 0) {
        const count = Math.min(headerBytes - this.#headerLength, chunk.length - position);
        chunk.copy(this.#header, this.#headerLength, position, position + count);
        this.#headerLength += count;
        position += count;
        if (this.#headerLength < headerBytes) return;
        this.#headerLength = 0;
        if (!this.#begin(this.#header[0] as number, this.#header.readUInt32BE(1))) return;
      } else {
        const count = Math.min(this.#missing, chunk.length - position);
        this.#missing -= count;
        position += count;
        if (this.#missing === 0) this.#arrived();
      }
    }
    // The library reads on when a handler wants the next message, which one that waits is not.
    if (this.#waiting !== undefined) this.#stream.pause();
  }

  /** False: it was refused. */
  #begin(compressed: number, length: number): boolean {
    const { limit, metrics } = this.#terms;
    if (compressed !== 0) {
      this.#refuse(
        status.UNIMPLEMENTED,
        'messages compressed by gRPC are not taken: payloads carry a compression of their own',
      );
      return false;
    }
    const bytesMax = limits[limit];
    if (length > bytesMax) {
      metrics.add('causeway_limit_hits_total', { limit });
      this.#refuse(
        status.RESOURCE_EXHAUSTED,
        `${limit}: ${length} bytes are more than the ${bytesMax} allowed`,
      );
      return false;
    }
    this.#begun += 1;
    this.#missing = length;
    if (length > limits.strangerMessageBytesMax) this.#admit(this.#begun - 1, length);
    return true;
  }

  #admit(index: number, length: number): void {
    const { shares, owner, clock, metrics } = this.#terms;
    const bound = shares.boundAgainst(owner, length);
    if (bound !== undefined && this.#waiting === undefined) {
      if (this.#toldOf !== index) metrics.add('causeway_limit_hits_total', { limit: bound });
      this.#toldOf = index;
      this.#waiting = shares.onRoom(() => {
        this.#waiting = undefined;
        if (this.#closed) return;
        this.#admit(index, length);
        if (this.#waiting === undefined) this.#stream.resume();
      });
      return;
    }
    // Its last bytes may have come with its first, and the handler be done with it.
    if (index < this.#handled) return;
    shares.take(owner, length);
    this.#reserved += length;
    this.#large.set(index, length);
    if (this.#missing === 0) return;
    this.#timer = clock.after(limits.workerMessageTimeoutMs, () => {
      metrics.add('causeway_limit_hits_total', { limit: 'workerMessageTimeoutMs' });
      this.#refuse(status.DEADLINE_EXCEEDED, 'workerMessageTimeoutMs: the message did not arrive in time');
    });
  }

  #arrived(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #refuse(code: status, details: string): void {
    turnAway(this.#call, this.#stream, { code, details });
    this.#close();
  }

  #give(bytes: number): void {
    this.#reserved -= bytes;
    this.#terms.shares.release(this.#terms.owner, bytes);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#arrived();
    this.#waiting?.();
    this.#waiting = undefined;
    this.#large.clear();
    this.#give(this.#reserved);
  }
}
