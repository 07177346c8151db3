import { type LimitName, limits } from '../../../domain/limits.js';
import { CausewayError } from '../../../errors/causeway-error.js';

/**
 * Bytes being read. `streamOffset` is where `buffer[0]` stands in the stream, so that an error can name a
 * place that means something across chunks.
 */
export class ByteReader {
  buffer: Buffer = empty;
  position = 0;
  end = 0;
  streamOffset = 0;
  /** A longer string stays bytes: as text it would be in memory twice. */
  textBytesMax = Number.POSITIVE_INFINITY;
  /** The buffer is handed over with what is read from it. */
  owned = false;

  reset(buffer: Buffer, start: number, end: number, streamOffset: number, owned = false): void {
    this.owned = owned;
    this.buffer = buffer;
    this.position = start;
    this.end = end;
    this.streamOffset = streamOffset;
  }

  /** Bytes that stay as they are: the buffer of a long segment is nobody else's, any other is written over. */
  take(start: number, end: number): Buffer {
    const bytes = this.buffer.subarray(start, end);
    return this.owned ? bytes : Buffer.from(bytes);
  }

  get offset(): number {
    return this.streamOffset + this.position;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  fail(problem: string): never {
    return failFrame(problem, this.offset);
  }

  failLimit(name: LimitName): never {
    return failLimit(name, limits[name], this.offset);
  }
}

export function failFrame(problem: string, offset: number): never {
  throw new CausewayError('FRAME_INVALID', `${problem} (byte ${offset} of the stream)`);
}

export function failLimit(name: LimitName, max: number, offset: number): never {
  throw new CausewayError('LIMIT_EXCEEDED', `${name} (${max}) exceeded (byte ${offset} of the stream)`);
}

/** Bytes being written; grows by doubling. */
export class ByteWriter {
  buffer: Buffer;
  length = 0;

  constructor(capacity = 256) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `count` more bytes; what stands in `buffer` from `length` on is free to write. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  append(bytes: Buffer): void {
    this.reserve(bytes.length);
    bytes.copy(this.buffer, this.length);
    this.length += bytes.length;
  }

  appendWriter(other: ByteWriter): void {
    this.reserve(other.length);
    other.buffer.copy(this.buffer, this.length, 0, other.length);
    this.length += other.length;
  }

  clear(): void {
    this.length = 0;
  }

  toBuffer(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.length));
  }
}

const empty = Buffer.alloc(0);
