import { type LimitName, limits } from '../../../domain/limits.js';
import { failFrame, failLimit } from './bytes.js';

/*
 * stream  := segment*
 * segment := uint byte*    the count of the bytes, then the bytes; never empty
 */

/** Bytes that all connections together hold of unfinished segments. */
export class HeldBytes {
  readonly max: number;
  readonly limit: LimitName;
  used = 0;

  constructor(max: number = limits.gorpcHeldBytesMax, limit: LimitName = 'gorpcHeldBytesMax') {
    this.limit = limit;
    this.max = max;
  }
}

/** A segment begins: it has `length` bytes, the first of them at `offset` of the stream. */
type LengthCheck = (length: number, offset: number) => void;
/** `owned`: nobody writes to the buffer afterwards. */
type SegmentSink = (buffer: Buffer, start: number, end: number, streamOffset: number, owned: boolean) => void;

const firstCapacity = 1024;
/** From here on a buffer grows to its end at once: its pages come with the bytes, and none is copied again. */
const wholeCapacity = 1024 * 1024;

/**
 * Cuts chunks of any size into segments. A segment that lies whole in a chunk is handed on where it lies; any
 * other is gathered in a buffer that grows with what has arrived, and each byte is copied a bounded number of
 * times. Up to a megabyte nothing is taken on the sender's word.
 */
export class SegmentBuffer {
  readonly #checkLength: LengthCheck;
  readonly #onSegment: SegmentSink;
  #heldBytes: HeldBytes;
  /** The bytes of a length that is not complete yet, at most eight. */
  #prefix: number[] = [];
  /** Undefined: the next byte belongs to a length. */
  #length: number | undefined;
  #held: Buffer | undefined;
  #heldLength = 0;
  /** Stream offset of the next byte to come. */
  #offset = 0;
  #closed = false;

  constructor(checkLength: LengthCheck, onSegment: SegmentSink, heldBytes: HeldBytes) {
    this.#checkLength = checkLength;
    this.#onSegment = onSegment;
    this.#heldBytes = heldBytes;
  }

  get offset(): number {
    return this.#offset;
  }

  /** From now on what is held is counted there. */
  countIn(heldBytes: HeldBytes): void {
    const held = this.#held?.length ?? 0;
    this.#heldBytes.used -= held;
    this.#heldBytes = heldBytes;
    heldBytes.used += held;
  }

  /** True when the stream may end here. */
  get between(): boolean {
    return this.#length === undefined && this.#prefix.length === 0;
  }

  push(chunk: Buffer): void {
    const base = this.#offset;
    let position = 0;
    while (position < chunk.length && !this.#closed) {
      if (this.#length === undefined) {
        position = this.#readLength(chunk, position, base);
        this.#offset = base + position;
        if (this.#length === undefined) return;
      }
      const length = this.#length;
      const missing = length - this.#heldLength;
      if (chunk.length - position < missing) {
        this.#hold(chunk, position, chunk.length);
        this.#offset = base + chunk.length;
        return;
      }
      const end = position + missing;
      this.#offset = base + end;
      if (this.#heldLength === 0) {
        this.#length = undefined;
        this.#onSegment(chunk, position, end, base, false);
      } else {
        this.#hold(chunk, position, end);
        const held = this.#held as Buffer;
        this.#length = undefined;
        this.#release();
        this.#onSegment(held, 0, length, base + end - length, true);
      }
      position = end;
    }
  }

  /** Gives up what is held. Also in the middle of a push, nothing is handed on any more. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    if (this.#held === undefined) return;
    this.#heldBytes.used -= this.#held.length;
    this.#held = undefined;
    this.#heldLength = 0;
  }

  #readLength(chunk: Buffer, start: number, base: number): number {
    let position = start;
    const prefix = this.#prefix;
    const first = prefix.length > 0 ? (prefix[0] as number) : (chunk[position++] as number);
    let length = first;
    if (first >= 128) {
      const size = 256 - first;
      if (size > 8) failFrame(`a segment length of ${size} bytes`, base + start);
      if (prefix.length === 0) prefix.push(first);
      while (prefix.length <= size) {
        if (position === chunk.length) return position;
        prefix.push(chunk[position++] as number);
      }
      length = 0;
      for (let index = 1; index <= size; index++) length = length * 256 + (prefix[index] as number);
      prefix.length = 0;
    }
    if (length === 0) failFrame('an empty segment', base + position);
    this.#checkLength(length, base + position);
    this.#length = length;
    return position;
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    if (start === end) return;
    const needed = this.#heldLength + end - start;
    const capacity = this.#held?.length ?? 0;
    if (needed > capacity) {
      const length = this.#length as number;
      const wanted = needed > wholeCapacity ? length : Math.max(needed, capacity * 2, firstCapacity);
      this.#grow(Math.max(Math.min(length, wanted), needed));
    }
    chunk.copy(this.#held as Buffer, this.#heldLength, start, end);
    this.#heldLength = needed;
  }

  #grow(capacity: number): void {
    const before = this.#held;
    const more = capacity - (before?.length ?? 0);
    if (this.#heldBytes.used + more > this.#heldBytes.max) {
      failLimit(this.#heldBytes.limit, this.#heldBytes.max, this.#offset);
    }
    const grown = Buffer.allocUnsafeSlow(capacity);
    before?.copy(grown, 0, 0, this.#heldLength);
    this.#heldBytes.used += more;
    this.#held = grown;
  }
}
