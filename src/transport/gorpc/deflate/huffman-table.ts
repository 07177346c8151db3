/** Codes up to this length are found with one look. */
const quickBits = 9;
export const quickMask = (1 << quickBits) - 1;
export const codeBitsMax = 15;

/** What `walk` answers when no symbol can be told: more bits are needed, or there is no such code. */
export const needsBits = 0;
export const noSuchCode = -1;

const offsets = new Uint16Array(codeBitsMax + 2);

/** A canonical Huffman code of deflate (RFC 1951, 3.2.2). Symbols are given as symbol * 16 + code length. */
export class HuffmanTable {
  /** By the next nine bits of the stream; 0: the code is longer, ask `walk`. */
  readonly quick = new Uint16Array(1 << quickBits);
  readonly #counts = new Uint16Array(codeBitsMax + 1);
  readonly #symbols: Uint16Array;

  constructor(symbolsMax: number) {
    this.#symbols = new Uint16Array(symbolsMax);
  }

  /**
   * `lengths[start..end)` are the code lengths of the symbols, 0 for one that does not occur. False when more
   * codes are asked for than there are, or fewer: unused codes are allowed, where `mayBeIncomplete`, only to
   * an alphabet of at most one symbol, as in zlib.
   */
  build(lengths: Uint8Array, start: number, end: number, mayBeIncomplete: boolean): boolean {
    const counts = this.#counts.fill(0);
    for (let index = start; index < end; index++) {
      const length = lengths[index] as number;
      counts[length] = (counts[length] as number) + 1;
    }
    counts[0] = 0;
    let unused = 1;
    let longest = 0;
    offsets[1] = 0;
    for (let length = 1; length <= codeBitsMax; length++) {
      const count = counts[length] as number;
      unused = unused * 2 - count;
      if (unused < 0) return false;
      if (count > 0) longest = length;
      offsets[length + 1] = (offsets[length] as number) + count;
    }
    if (unused > 0 && longest > 0 && !(mayBeIncomplete && longest === 1)) return false;
    for (let index = start; index < end; index++) {
      const length = lengths[index] as number;
      if (length === 0) continue;
      const place = offsets[length] as number;
      this.#symbols[place] = index - start;
      offsets[length] = place + 1;
    }
    this.#fillQuick();
    return true;
  }

  /** Finds a code longer than nine bits, or shows that there is none, in the `available` low bits of `bits`. */
  walk(bits: number, available: number): number {
    let code = 0;
    let firstCode = 0;
    let firstSymbol = 0;
    for (let length = 1; length <= codeBitsMax; length++) {
      if (length > available) return needsBits;
      code = code * 2 + ((bits >>> (length - 1)) & 1);
      const count = this.#counts[length] as number;
      if (code - firstCode < count) {
        return (this.#symbols[firstSymbol + code - firstCode] as number) * 16 + length;
      }
      firstSymbol += count;
      firstCode = (firstCode + count) * 2;
    }
    return noSuchCode;
  }

  #fillQuick(): void {
    const { quick } = this;
    quick.fill(0);
    let code = 0;
    let place = 0;
    for (let length = 1; length <= quickBits; length++) {
      const step = 1 << length;
      for (let left = this.#counts[length] as number; left > 0; left--) {
        const entry = (this.#symbols[place++] as number) * 16 + length;
        for (let index = reversed(code, length); index < quick.length; index += step) quick[index] = entry;
        code++;
      }
      code *= 2;
    }
  }
}

/** Codes stand in the stream with their first bit lowest. */
function reversed(code: number, length: number): number {
  let result = 0;
  for (let index = 0; index < length; index++) result = result * 2 + ((code >>> index) & 1);
  return result;
}
