import { ByteWriter } from '../gob/bytes.js';
import type { SharedBytes } from './shared-bytes.js';

/*
 * stream := (block* flush)*
 * block  := 00 length:16 ~length:16 byte*     stored: not final, kind 0, at a byte boundary (RFC 1951, 3.2.4)
 *         | blocks made by `deflateShared`
 * flush  := 00 00 00 FF FF                    an empty stored block
 *
 * Answers are not compressed one by one: that takes a compressor of 256 KiB for each connection and more time
 * than all the rest of a small answer. What is worth it is compressed once, for all (SharedBytes).
 *
 * Go's reader hands on what it has inflated only when it comes to an empty stored block: each batch ends with
 * one, or the worker waits until its timeout.
 */

const headerBytes = 5;
const storedBytesMax = 65_535;
const flushBlock = Buffer.of(0, 0, 0, 0xff, 0xff);

const spareWriters: ByteWriter[] = [];
const spareWritersMax = 16;
const spareCapacityMax = 65_536;

/** What goes out on one connection: written piece by piece, taken batch by batch. */
export class OutboundStream {
  readonly #compressed: boolean;
  /** Small pieces of the batch since the last large one, after room for a block header. */
  #writer: ByteWriter | undefined;
  #parts: Buffer[] = [];

  /** `compressed` is what the worker asked for in its preamble. */
  constructor(compressed: boolean) {
    this.#compressed = compressed;
  }

  /** For small pieces. Valid until the next call of this stream. */
  get writer(): ByteWriter {
    let writer = this.#writer;
    if (writer === undefined) {
      writer = spareWriters.pop() ?? new ByteWriter(1_024);
      writer.length = headerBytes;
      this.#writer = writer;
    }
    return writer;
  }

  /** For large pieces: referred to until the batch is sent, not copied. */
  appendShared(shared: SharedBytes): void {
    if (shared.bytes.length === 0) return;
    this.#closeWriter(noBytes);
    if (!this.#compressed) this.#parts.push(shared.bytes);
    else if (shared.deflated !== undefined) this.#parts.push(shared.deflated);
    else this.#appendStored(shared.bytes);
  }

  /** All that was written since the last time, to be sent in this order; empty when there is nothing. */
  take(): Buffer[] {
    if (this.#writer === undefined && this.#parts.length === 0) return noParts;
    this.#closeWriter(this.#compressed ? flushBlock : noBytes);
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** `trailer` follows what is in the writer, and is sent even when that is nothing. */
  #closeWriter(trailer: Buffer): void {
    const writer = this.#writer;
    const length = writer === undefined ? 0 : writer.length - headerBytes;
    if (writer === undefined || length === 0) {
      if (trailer.length > 0) this.#parts.push(trailer);
    } else if (!this.#compressed) {
      this.#parts.push(Buffer.from(writer.buffer.subarray(headerBytes, writer.length)));
    } else if (length <= storedBytesMax) {
      writeHeader(writer.buffer, 0, length);
      writer.append(trailer);
      this.#parts.push(Buffer.from(writer.buffer.subarray(0, writer.length)));
    } else {
      this.#appendStored(Buffer.from(writer.buffer.subarray(headerBytes, writer.length)));
      if (trailer.length > 0) this.#parts.push(trailer);
    }
    if (writer !== undefined) this.#giveBack(writer);
  }

  #giveBack(writer: ByteWriter): void {
    this.#writer = undefined;
    if (writer.buffer.length <= spareCapacityMax && spareWriters.length < spareWritersMax) {
      spareWriters.push(writer);
    }
  }

  #appendStored(bytes: Buffer): void {
    for (let start = 0; start < bytes.length; start += storedBytesMax) {
      const part = bytes.subarray(start, start + storedBytesMax);
      const header = Buffer.allocUnsafe(headerBytes);
      writeHeader(header, 0, part.length);
      this.#parts.push(header, part);
    }
  }
}

function writeHeader(target: Buffer, at: number, length: number): void {
  target[at] = 0;
  target[at + 1] = length & 0xff;
  target[at + 2] = length >> 8;
  target[at + 3] = ~length & 0xff;
  target[at + 4] = (~length >> 8) & 0xff;
}

const noBytes = Buffer.alloc(0);
const noParts: Buffer[] = [];
