import { CausewayError } from '../../errors/causeway-error.js';

/*
 * message := (tag value)*
 * tag     := varint: number of the field << 3 | wire type
 * value   := 0: varint | 1: 8 bytes | 2: varint length, bytes | 5: 4 bytes
 *
 * A generated decoder makes an object of every element before anybody can count them: 31 kB became 32 million
 * objects. What a worker sends is therefore read field by field, and each reader counts what it lets in.
 */

export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

/** Reads the fields of one message where it lies. Throws REQUEST_INVALID that names the byte. */
export class ProtoReader {
  readonly #bytes: Buffer;
  #position: number;
  readonly #end: number;
  /** Of the field that `next` came to. */
  field = 0;
  wire = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get more(): boolean {
    return this.#position < this.#end;
  }

  /** Goes on to the next field; its value has to be read or skipped. False: the message is over. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field === 0) this.fail('a field without a number');
    return true;
  }

  number(): number {
    this.#expect(wireVarint);
    return this.varint();
  }

  /** As `number`, for tags and packed values. Beyond 2^53 it is rounded, as JavaScript does. */
  varint(): number {
    const bytes = this.#bytes;
    let position = this.#position;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count += 1) {
      if (position >= this.#end) return this.fail('the message ends inside a number');
      const byte = bytes[position++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#position = position;
        return value;
      }
      scale *= 128;
    }
    return this.fail('a number of more than ten bytes');
  }

  /** An int32 or int64: negative ones are written as 64 bits. */
  signed(): number {
    const value = this.number();
    return value >= 2 ** 63 ? value - 2 ** 64 : value;
  }

  bool(): boolean {
    return this.number() !== 0;
  }

  /** The bytes of a value, where they lie. */
  bytes(): Buffer {
    const { start, end } = this.#span();
    return this.#bytes.subarray(start, end);
  }

  /** A message inside this one. */
  message(): ProtoReader {
    const { start, end } = this.#span();
    return new ProtoReader(this.#bytes, start, end);
  }

  /** Bytes of the value that comes next, without reading it. */
  get length(): number {
    const before = this.#position;
    const { start, end } = this.#span();
    this.#position = before;
    return end - start;
  }

  text(): string {
    const { start, end } = this.#span();
    return this.#bytes.toString('utf8', start, end);
  }

  /** At most `bytesMax` of a text that is only shown to people; the rest is not read. */
  shownText(bytesMax: number): string {
    const { start, end } = this.#span();
    return this.#bytes.toString('utf8', start, Math.min(end, start + bytesMax));
  }

  /** A field that nobody here knows. */
  skip(): void {
    if (this.wire === wireVarint) this.varint();
    else if (this.wire === wireBytes) this.#span();
    else if (this.wire === wireFixed64) this.#advance(8);
    else if (this.wire === wireFixed32) this.#advance(4);
    else this.fail(`a value of wire type ${this.wire}`);
  }

  #expect(wire: number): void {
    if (this.wire !== wire) this.fail(`field ${this.field} has wire type ${this.wire} instead of ${wire}`);
  }

  fail(problem: string): never {
    throw new CausewayError('REQUEST_INVALID', `${problem} (byte ${this.#position} of the message)`);
  }

  #advance(count: number): void {
    if (count > this.#end - this.#position) this.fail('the message ends inside a value');
    this.#position += count;
  }

  #span(): { readonly start: number; readonly end: number } {
    this.#expect(wireBytes);
    const length = this.varint();
    const start = this.#position;
    this.#advance(length);
    return { start, end: start + length };
  }
}
