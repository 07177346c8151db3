import { createHash } from 'node:crypto';

/**
 * Keys made of parts, so that keys with equal leading parts stand together and in order:
 *
 *   text:   length (2 bytes, big-endian), UTF-8; a long one is replaced by 0xFFFF and its SHA-256, because
 *           a key of LMDB is short and a name may come from anybody
 *   number: 8 bytes, big-endian, not negative
 */
export function byteKey(...parts: readonly (string | number)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? numberPart(part) : textPart(part))));
}

export function numberPart(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function readNumberPart(key: Buffer, offset: number): number {
  return Number(key.readBigUInt64BE(offset));
}

/** The last eight bytes, as a number. */
export function lastNumberPart(key: Buffer): number {
  return readNumberPart(key, key.length - 8);
}

const textBytesMax = 512;
const hashedMark = Buffer.from([0xff, 0xff]);

function textPart(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > textBytesMax)
    return Buffer.concat([hashedMark, createHash('sha256').update(bytes).digest()]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
