/** How far back deflate can refer. */
export const windowBytesMax = 32_768;
const firstCapacity = 1_024;

/** The last 32 KiB of a stream, in memory that grows with what there is to remember. */
export class InflateWindow {
  #bytes: Buffer = none;
  /** Where the next byte goes; a ring once all 32 KiB are in use. */
  #next = 0;
  length = 0;

  append(source: Buffer, start: number, end: number): void {
    let from = Math.max(start, end - windowBytesMax);
    this.#reserve(end - from);
    while (from < end) {
      const run = Math.min(end - from, this.#bytes.length - this.#next);
      source.copy(this.#bytes, this.#next, from, from + run);
      from += run;
      this.#next += run;
      if (this.#next === windowBytesMax) this.#next = 0;
      this.length = Math.min(this.length + run, windowBytesMax);
    }
  }

  /** Copies up to `count` bytes that begin `back` bytes before the end; tells how many. */
  copyTo(target: Buffer, at: number, back: number, count: number): number {
    let from = this.#next - back;
    if (from < 0) from += windowBytesMax;
    const run = Math.min(count, back, this.#bytes.length - from);
    for (let index = 0; index < run; index++) target[at + index] = this.#bytes[from + index] as number;
    return run;
  }

  #reserve(count: number): void {
    const needed = Math.min(this.length + count, windowBytesMax);
    if (needed <= this.#bytes.length) return;
    let capacity = firstCapacity;
    while (capacity < needed) capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(capacity);
    // Not a ring yet: it becomes one only at its full size.
    this.#bytes.copy(grown, 0, 0, this.length);
    this.#bytes = grown;
    this.#next = this.length;
  }
}

const none = Buffer.alloc(0);
