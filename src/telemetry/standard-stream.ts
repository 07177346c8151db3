import { writeSync } from 'node:fs';

/** Reader and hub take turns: a full pipe is waited for this long, in steps, before a line is given up. */
const waitsMax = 10;
const waitMs = 2;

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Standard output or error, for a log. Synchronous, because the last lines before an exit are the ones that matter.
 *
 * A log must not end what it tells of: when its reader has died, its disk is full or its terminal was closed, lines
 * are lost, and the first line that gets through again says how many.
 */
export class StandardStream {
  readonly #fd: number;
  readonly #write: (fd: number, bytes: Buffer) => number;
  #lost = 0;
  /** The last line got through in part. */
  #torn = false;

  /** `write` as `fs.writeSync`. */
  constructor(fd: number, write: (fd: number, bytes: Buffer) => number = writeSync) {
    this.#fd = fd;
    this.#write = write;
  }

  write(line: string): void {
    if (this.#lost > 0) {
      const told = `${this.#torn ? '\n' : ''}{"level":"warn","msg":"log lines were lost: nobody took them","lines":${this.#lost}}\n`;
      if (!this.#send(told)) {
        this.#lost += 1;
        return;
      }
      this.#lost = 0;
    }
    if (!this.#send(line)) this.#lost += 1;
  }

  #send(text: string): boolean {
    let rest: Buffer = Buffer.from(text, 'utf8');
    let waits = 0;
    const length = rest.length;
    while (rest.length > 0) {
      try {
        rest = rest.subarray(this.#write(this.#fd, rest));
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN' || waits >= waitsMax) {
          this.#torn ||= rest.length < length;
          return false;
        }
        waits += 1;
        Atomics.wait(pause, 0, 0, waitMs);
      }
    }
    this.#torn = false;
    return true;
  }
}
