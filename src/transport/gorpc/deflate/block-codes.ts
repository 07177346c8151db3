import { HuffmanTable } from './huffman-table.js';

const literalSymbols = 288;
const distanceSymbols = 32;
const codeLengthSymbols = 19;

/** The two codes a block is written in. */
export class BlockCodes {
  readonly literals = new HuffmanTable(literalSymbols);
  readonly distances = new HuffmanTable(distanceSymbols);
}

/** The description of a block's codes while it is being read. */
export class CodesDescription {
  readonly lengths = new Uint8Array(literalSymbols + distanceSymbols);
  readonly code = new HuffmanTable(codeLengthSymbols);
  literalCount = 0;
  distanceCount = 0;
  codeLengthCount = 0;
  /** Lengths read so far. */
  have = 0;
}

/** In which order the lengths of the description's own code stand. */
export const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** By length symbol from 257: shortest length meant, bits that tell how much longer. */
export const lengthBase = Uint16Array.of(
  ...[3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163],
  ...[195, 227, 258],
);
export const lengthExtraBits = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0],
);

/** By distance symbol: the same. */
export const distanceBase = Uint16Array.of(
  ...[1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049],
  ...[3073, 4097, 6145, 8193, 12_289, 16_385, 24_577],
);
export const distanceExtraBits = Uint8Array.of(
  ...[0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13],
);

export const fixedCodes = makeFixedCodes();

function makeFixedCodes(): BlockCodes {
  const lengths = new Uint8Array(literalSymbols + distanceSymbols);
  lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288).fill(5, 288);
  const codes = new BlockCodes();
  codes.literals.build(lengths, 0, literalSymbols, false);
  codes.distances.build(lengths, literalSymbols, literalSymbols + distanceSymbols, false);
  return codes;
}

const spareMax = 16;

/** Tables are lent to a connection for as long as a block takes, which is mostly less than a chunk. */
class Spares<T> {
  readonly #make: () => T;
  readonly #spares: T[] = [];

  constructor(make: () => T) {
    this.#make = make;
  }

  take(): T {
    return this.#spares.pop() ?? this.#make();
  }

  giveBack(item: T): void {
    if (this.#spares.length < spareMax) this.#spares.push(item);
  }
}

export const spareCodes = new Spares(() => new BlockCodes());
export const spareDescriptions = new Spares(() => new CodesDescription());
