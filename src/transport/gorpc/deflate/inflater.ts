import { limits } from '../../../domain/limits.js';
import { CausewayError } from '../../../errors/causeway-error.js';
import {
  type BlockCodes,
  type CodesDescription,
  codeLengthOrder,
  distanceBase,
  distanceExtraBits,
  fixedCodes,
  lengthBase,
  lengthExtraBits,
  spareCodes,
  spareDescriptions,
} from './block-codes.js';
import { codeBitsMax, needsBits, noSuchCode, quickMask } from './huffman-table.js';
import { InflateWindow } from './inflate-window.js';

/*
 * stream := block*                       raw deflate (RFC 1951); the bits of a byte from the lowest
 * block  := final:1 kind:2 body
 * body   := 0: up to the next byte, length:16 ~length:16 byte*
 *         | 1: symbols, in the fixed codes
 *         | 2: literals-257:5 distances-1:5 lengths-4:4 (length:3)* (code lengths, coded), then symbols
 *
 * A worker's stream is one for the life of its connection. It is brought to a byte boundary by an empty
 * stored block after each batch of requests, and its references reach over batches.
 *
 * Written here because of what zlib's stream costs for requests of a hundred bytes: a window of 32 KiB and a
 * state from the first byte on, a visit to a thread and two ticks for each; and its one synchronous form
 * forgets the window. docs/adr/0010-inflate-in-process.md has the measurements.
 */

type Stage =
  | 'header'
  | 'stored-length'
  | 'stored'
  | 'code-counts'
  | 'code-lengths'
  | 'symbol-lengths'
  | 'symbols'
  | 'ended';

/** Where in a pair of length and distance the input has run out. */
const atSymbol = 0;
const atLengthExtra = 1;
const atDistance = 2;
const atDistanceExtra = 3;

const endOfBlock = 256;
const outputBytes = 65_536;

/** Lent to the one inflater that is at work; a sink that makes another one work gets it a new one. */
let spareOutput: Buffer | undefined;

/** `inflated` is overwritten after the call. */
type InflateSink = (inflated: Buffer) => void;

/** Inflates one direction of one connection. Throws FRAME_INVALID and LIMIT_EXCEEDED; is of no use after. */
export class Inflater {
  readonly #window = new InflateWindow();
  #stage: Stage = 'header';
  #final = false;
  /** Bits taken from the input and not used yet, the next one lowest. */
  #hold = 0;
  #holdBits = 0;
  #storedLeft = 0;
  #description: CodesDescription | undefined;
  #codes: BlockCodes = fixedCodes;
  #pairStep = atSymbol;
  #length = 0;
  #distanceSymbol = 0;
  /** Bytes that may still come out before `inflateRatioMax` counts. */
  #credit: number = limits.inflateBurstBytesMax;
  #consumed = 0;

  #input: Buffer = none;
  #position = 0;
  #output: Buffer = none;
  #outputLength = 0;
  #sink: InflateSink = ignore;

  /** True after the final block of the stream. */
  get ended(): boolean {
    return this.#stage === 'ended';
  }

  /** Bytes of memory that this connection's past takes. */
  get windowLength(): number {
    return this.#window.length;
  }

  /** Calls `sink`, before it returns, with all that can be told from the input so far. */
  push(input: Buffer, sink: InflateSink): void {
    this.#credit = Math.min(
      this.#credit + input.length * limits.inflateRatioMax,
      limits.inflateBurstBytesMax,
    );
    this.#input = input;
    this.#position = 0;
    this.#sink = sink;
    this.#output = spareOutput ?? Buffer.allocUnsafeSlow(outputBytes);
    spareOutput = undefined;
    try {
      this.#run();
      this.#flush();
    } finally {
      spareOutput = this.#output;
      this.#outputLength = 0;
      this.#consumed += this.#position;
      this.#position = 0;
      this.#output = none;
      this.#input = none;
      this.#sink = ignore;
    }
  }

  #run(): void {
    let more = true;
    while (more) {
      switch (this.#stage) {
        case 'header':
          more = this.#readHeader();
          break;
        case 'stored-length':
          more = this.#readStoredLength();
          break;
        case 'stored':
          more = this.#readStored();
          break;
        case 'code-counts':
          more = this.#readCodeCounts();
          break;
        case 'code-lengths':
          more = this.#readCodeLengths();
          break;
        case 'symbol-lengths':
          more = this.#readSymbolLengths();
          break;
        case 'symbols':
          more = this.#readSymbols();
          break;
        case 'ended':
          if (this.#position < this.#input.length || this.#holdBits >= 8) {
            this.#fail('data after the final block');
          }
          return;
      }
    }
  }

  /** The next `count` bits, at most 16, are in `#hold`. */
  #have(count: number): boolean {
    while (this.#holdBits < count) {
      if (this.#position === this.#input.length) return false;
      this.#hold |= (this.#input[this.#position++] as number) << this.#holdBits;
      this.#holdBits += 8;
    }
    return true;
  }

  #take(count: number): number {
    const value = this.#hold & ((1 << count) - 1);
    this.#hold >>>= count;
    this.#holdBits -= count;
    return value;
  }

  #readHeader(): boolean {
    if (this.#final) {
      this.#stage = 'ended';
      return true;
    }
    if (!this.#have(3)) return false;
    this.#final = this.#take(1) === 1;
    const kind = this.#take(2);
    if (kind === 3) this.#fail('a block of an unknown kind');
    if (kind === 0) {
      this.#take(this.#holdBits % 8);
      this.#stage = 'stored-length';
    } else if (kind === 1) {
      this.#beginSymbols(fixedCodes);
    } else {
      this.#stage = 'code-counts';
    }
    return true;
  }

  #readStoredLength(): boolean {
    // At most one byte is held here: what is before the block was taken bit by bit.
    if (!this.#have(16)) return false;
    if (this.#storedLeft === 0) {
      this.#storedLeft = this.#take(16) + 1;
      if (!this.#have(16)) return false;
    }
    const length = this.#storedLeft - 1;
    if (this.#take(16) !== (~length & 0xffff)) this.#fail('a stored block whose length has no echo');
    this.#storedLeft = length;
    this.#stage = 'stored';
    return true;
  }

  #readStored(): boolean {
    while (this.#storedLeft > 0) {
      if (this.#outputLength === outputBytes) this.#flush();
      if (this.#holdBits > 0) {
        this.#output[this.#outputLength++] = this.#take(8);
        this.#storedLeft--;
        continue;
      }
      const run = Math.min(
        this.#storedLeft,
        this.#input.length - this.#position,
        outputBytes - this.#outputLength,
      );
      if (run === 0) return false;
      this.#input.copy(this.#output, this.#outputLength, this.#position, this.#position + run);
      this.#position += run;
      this.#outputLength += run;
      this.#storedLeft -= run;
    }
    this.#stage = 'header';
    return true;
  }

  #readCodeCounts(): boolean {
    if (!this.#have(14)) return false;
    const description = spareDescriptions.take();
    description.literalCount = this.#take(5) + 257;
    description.distanceCount = this.#take(5) + 1;
    description.codeLengthCount = this.#take(4) + 4;
    description.have = 0;
    description.lengths.fill(0);
    this.#description = description;
    if (description.literalCount > 286 || description.distanceCount > 30) {
      this.#fail('a code of too many symbols');
    }
    this.#stage = 'code-lengths';
    return true;
  }

  #readCodeLengths(): boolean {
    const description = this.#description as CodesDescription;
    while (description.have < description.codeLengthCount) {
      if (!this.#have(3)) return false;
      description.lengths[codeLengthOrder[description.have++] as number] = this.#take(3);
    }
    if (!description.code.build(description.lengths, 0, codeLengthOrder.length, false)) {
      this.#fail('no code has these lengths');
    }
    description.lengths.fill(0);
    description.have = 0;
    this.#stage = 'symbol-lengths';
    return true;
  }

  #readSymbolLengths(): boolean {
    const description = this.#description as CodesDescription;
    const { lengths, code, literalCount } = description;
    const count = literalCount + description.distanceCount;
    while (description.have < count) {
      this.#have(14);
      let entry = code.quick[this.#hold & quickMask] as number;
      if (entry === 0) entry = code.walk(this.#hold, this.#holdBits);
      if (entry === noSuchCode) this.#fail('a code length in no code');
      const used = entry & 15;
      const symbol = entry >> 4;
      const extra = symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
      if (entry === needsBits || used + extra > this.#holdBits) return false;
      this.#take(used);
      if (symbol < 16) {
        lengths[description.have++] = symbol;
        continue;
      }
      const repeats = this.#take(extra) + (symbol === 18 ? 11 : 3);
      if (description.have + repeats > count) this.#fail('too many code lengths');
      if (symbol === 16 && description.have === 0) this.#fail('a code length that repeats nothing');
      const length = symbol === 16 ? (lengths[description.have - 1] as number) : 0;
      lengths.fill(length, description.have, description.have + repeats);
      description.have += repeats;
    }
    if (lengths[endOfBlock] === 0) this.#fail('a code without an end of block');
    const codes = spareCodes.take();
    if (
      !codes.literals.build(lengths, 0, literalCount, true) ||
      !codes.distances.build(lengths, literalCount, count, true)
    ) {
      this.#fail('no code has these lengths');
    }
    spareDescriptions.giveBack(description);
    this.#description = undefined;
    this.#beginSymbols(codes);
    return true;
  }

  #beginSymbols(codes: BlockCodes): void {
    this.#codes = codes;
    this.#pairStep = atSymbol;
    this.#stage = 'symbols';
  }

  /** The inner loop: what it touches is in locals. */
  #readSymbols(): boolean {
    const { literals, distances } = this.#codes;
    const input = this.#input;
    const output = this.#output;
    const end = input.length;
    let position = this.#position;
    let hold = this.#hold;
    let holdBits = this.#holdBits;
    let outputLength = this.#outputLength;
    let step = this.#pairStep;
    let length = this.#length;
    let symbol = this.#distanceSymbol;
    let blockEnded = false;
    let problem = '';
    for (;;) {
      // No more than 22 bits are held here, none more than 15 are needed at once.
      while (holdBits < codeBitsMax && position < end) {
        hold |= (input[position++] as number) << holdBits;
        holdBits += 8;
      }
      if (step === atSymbol) {
        let entry = literals.quick[hold & quickMask] as number;
        if (entry === 0) entry = literals.walk(hold, holdBits);
        if (entry === noSuchCode) {
          problem = 'a symbol in no code';
          break;
        }
        const used = entry & 15;
        if (entry === needsBits || used > holdBits) break;
        hold >>>= used;
        holdBits -= used;
        symbol = entry >> 4;
        if (symbol < endOfBlock) {
          if (outputLength === outputBytes) {
            this.#outputLength = outputLength;
            this.#flush();
            outputLength = 0;
          }
          output[outputLength++] = symbol;
          continue;
        }
        if (symbol === endOfBlock) {
          blockEnded = true;
          break;
        }
        symbol -= 257;
        if (symbol >= lengthBase.length) {
          problem = 'a length in no code';
          break;
        }
        step = atLengthExtra;
      }
      if (step === atLengthExtra) {
        const extra = lengthExtraBits[symbol] as number;
        if (extra > holdBits) {
          if (position === end) break;
          continue;
        }
        length = (lengthBase[symbol] as number) + (hold & ((1 << extra) - 1));
        hold >>>= extra;
        holdBits -= extra;
        step = atDistance;
        continue;
      }
      if (step === atDistance) {
        let entry = distances.quick[hold & quickMask] as number;
        if (entry === 0) entry = distances.walk(hold, holdBits);
        if (entry === noSuchCode) {
          problem = 'a distance in no code';
          break;
        }
        const used = entry & 15;
        if (entry === needsBits || used > holdBits) break;
        hold >>>= used;
        holdBits -= used;
        symbol = entry >> 4;
        if (symbol >= distanceBase.length) {
          problem = 'a distance in no code';
          break;
        }
        step = atDistanceExtra;
        continue;
      }
      const extra = distanceExtraBits[symbol] as number;
      if (extra > holdBits) break;
      const distance = (distanceBase[symbol] as number) + (hold & ((1 << extra) - 1));
      hold >>>= extra;
      holdBits -= extra;
      step = atSymbol;
      if (distance <= outputLength && outputLength + length <= outputBytes) {
        for (let from = outputLength - distance, left = length; left > 0; left--) {
          output[outputLength++] = output[from++] as number;
        }
      } else {
        this.#position = position;
        this.#outputLength = outputLength;
        this.#copyBack(distance, length);
        outputLength = this.#outputLength;
      }
    }
    this.#position = position;
    this.#hold = hold;
    this.#holdBits = holdBits;
    this.#outputLength = outputLength;
    this.#pairStep = step;
    this.#length = length;
    this.#distanceSymbol = symbol;
    if (problem !== '') this.#fail(problem);
    if (blockEnded) this.#endBlock();
    return blockEnded;
  }

  #endBlock(): void {
    if (this.#codes !== fixedCodes) spareCodes.giveBack(this.#codes);
    this.#codes = fixedCodes;
    this.#stage = 'header';
  }

  /** A reference that reaches into the window, or whose copy does not fit into what is left of the output. */
  #copyBack(distance: number, length: number): void {
    if (distance > this.#outputLength + this.#window.length) this.#fail('a distance beyond the beginning');
    const output = this.#output;
    for (let left = length; left > 0; ) {
      if (this.#outputLength === outputBytes) this.#flush();
      const at = this.#outputLength;
      const room = Math.min(left, outputBytes - at);
      let run: number;
      if (distance <= at) {
        run = room;
        for (let index = at; index < at + run; index++) output[index] = output[index - distance] as number;
      } else {
        run = this.#window.copyTo(output, at, distance - at, room);
      }
      this.#outputLength += run;
      left -= run;
    }
  }

  #flush(): void {
    const count = this.#outputLength;
    if (count === 0) return;
    this.#credit -= count;
    if (this.#credit < 0) this.#failRatio();
    this.#window.append(this.#output, 0, count);
    this.#outputLength = 0;
    this.#sink(this.#output.subarray(0, count));
  }

  #fail(problem: string): never {
    throw new CausewayError('FRAME_INVALID', `${problem} (byte ${this.#offset} of the deflate stream)`);
  }

  #failRatio(): never {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `inflateRatioMax (${limits.inflateRatioMax}) exceeded (byte ${this.#offset} of the deflate stream)`,
    );
  }

  get #offset(): number {
    return this.#consumed + this.#position;
  }
}

const none = Buffer.alloc(0);
function ignore(): void {}
