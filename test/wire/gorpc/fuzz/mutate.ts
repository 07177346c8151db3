import { ByteWriter } from '../../../../src/transport/gorpc/gob/bytes.js';
import { writeUint } from '../../../../src/transport/gorpc/gob/scalars.js';

/** Pieces that a decoder of this wire has an opinion on. */
const tokens = [
  '00',
  '01',
  '02',
  '03',
  '0c',
  '10',
  '7f',
  'ff81',
  'ff82',
  'ff83',
  'ff84',
  'ff80',
  'fe0100',
  'fdffffff',
  'fcffffffff',
  'f920000000000000',
  'f8ffffffffffffffff',
  'f7',
  '000000ffff',
  '00010000feff',
  '0300',
  '2a676f7270632e64697370617463686572526571756573740a',
  '06737472696e67',
  '03010101610162',
  '0201',
  '04010201040100',
  '0501010154',
  'ff8102010101ff82000106000',
  'ff82',
  'efbfbd',
  'c328',
  '70726f746f32',
].map((token) => Buffer.from(token, 'hex'));

/** One to four changes to a copy of `input`, of at most `lengthMax` bytes. `other` is an input to borrow from. */
export function mutate(input: Buffer, other: Buffer, random: () => number, lengthMax: number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  if (random() < 0.4) {
    const framed = mutateSegment(input, other, random);
    if (framed !== undefined) return framed.subarray(0, lengthMax);
  }
  let result: Buffer = Buffer.from(input);
  for (let count = 1 + below(4); count > 0; count--) result = change(result, other, below);
  return result.subarray(0, lengthMax);
}

function change(input: Buffer, other: Buffer, below: (limit: number) => number): Buffer {
  if (input.length === 0) return Buffer.from(other);
  const at = below(input.length);
  const size = 1 + below(Math.min(16, input.length - at));
  const token = tokens[below(tokens.length)] as Buffer;
  const splice = (skip: number, ...middle: Buffer[]) =>
    Buffer.concat([input.subarray(0, at), ...middle, input.subarray(at + skip)]);
  switch (below(9)) {
    case 0:
      input[at] = (input[at] as number) ^ (1 << below(8));
      return input;
    case 1:
      input[at] = below(256);
      return input;
    case 2:
      input[at] = (input[at] as number) + below(9) - 4;
      return input;
    case 3:
      return splice(size);
    case 4:
      return splice(0, input.subarray(at, at + size));
    case 5:
      return splice(0, token);
    case 6:
      return splice(token.length, token);
    case 7:
      return splice(size, other.subarray(below(other.length + 1)).subarray(0, 1 + below(64)));
    default:
      return input.subarray(0, at);
  }
}

/** Changes the inside of one gob segment and gives it the length it then has. */
function mutateSegment(input: Buffer, other: Buffer, random: () => number): Buffer | undefined {
  const below = (limit: number) => Math.floor(random() * limit);
  const bounds: [number, number, number][] = [];
  for (let at = 0; at < input.length; ) {
    const first = input[at] as number;
    const size = first < 128 ? 0 : 256 - first;
    if (size > 2 || at + size >= input.length) break;
    const length = size === 0 ? first : input.readUIntBE(at + 1, size);
    const start = at + 1 + size;
    if (start + length > input.length) break;
    bounds.push([at, start, start + length]);
    at = start + length;
  }
  if (bounds.length === 0) return undefined;
  const [prefix, start, end] = bounds[below(bounds.length)] as [number, number, number];
  let body: Buffer = Buffer.from(input.subarray(start, end));
  for (let count = 1 + below(3); count > 0; count--) body = change(body, other, below);
  const length = new ByteWriter();
  writeUint(length, body.length);
  return Buffer.concat([input.subarray(0, prefix), length.toBuffer(), body, input.subarray(end)]);
}
