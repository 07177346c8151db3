import { Inflater } from './deflate/inflater.js';
import type { GobDecoderOptions } from './gob/decoder.js';
import type { HeldBytes } from './gob/segment-buffer.js';
import { type Preamble, PreambleReader } from './preamble.js';
import { type GorpcRequest, RequestDecoder } from './request-decoder.js';

export interface RequestStreamEvents {
  /** Before the first request. */
  onPreamble(preamble: Preamble): void;
  onRequest(request: GorpcRequest): void;
}

/** All that a worker sends on one connection, from its first byte on. Errors as of GobDecoder. */
export class RequestStream {
  readonly #events: RequestStreamEvents;
  readonly #decoder: RequestDecoder;
  readonly #onInflated: (inflated: Buffer) => void;
  #preamble: PreambleReader | undefined = new PreambleReader();
  #inflater: Inflater | undefined;
  #failure: unknown;

  constructor(events: RequestStreamEvents, options: GobDecoderOptions = {}) {
    this.#events = events;
    this.#decoder = new RequestDecoder((request) => events.onRequest(request), options);
    this.#onInflated = (inflated) => this.#decoder.push(inflated);
  }

  /** True when the client has ended its stream in an orderly way; it sends nothing more. */
  get ended(): boolean {
    return this.#inflater?.ended ?? false;
  }

  /** Of how many elements a message may be, and where it is counted while it is unfinished. */
  setTerms(elementsMax: number, heldBytes: HeldBytes): void {
    this.#decoder.elementsMax = elementsMax;
    this.#decoder.countIn(heldBytes);
  }

  push(chunk: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#push(chunk);
    } catch (thrown) {
      this.#failure = thrown;
      this.close();
      throw thrown;
    }
  }

  /** Lets go of the bytes held of an unfinished request; what is pushed from now on is ignored. */
  close(): void {
    this.#decoder.close();
  }

  /** What is read from now on comes out of an inflater, a few bytes may then be many. */
  get compressed(): boolean {
    return this.#inflater !== undefined;
  }

  #push(chunk: Buffer): void {
    let rest = chunk;
    if (this.#preamble !== undefined) {
      const { used, preamble } = this.#preamble.push(chunk);
      if (preamble === undefined) return;
      this.#preamble = undefined;
      if (preamble.compressed) this.#inflater = new Inflater();
      this.#events.onPreamble(preamble);
      rest = chunk.subarray(used);
    }
    if (rest.length === 0) return;
    if (this.#inflater === undefined) this.#decoder.push(rest);
    else this.#inflater.push(rest, this.#onInflated);
  }
}
