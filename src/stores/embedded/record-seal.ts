import { crc32 } from 'node:zlib';

/*
 * A record as it stands in a table: CRC-32 (4 bytes, little-endian) of the name of the table, the key and the value,
 * then the value. A flip in any of the three is noticed, and so is a record under another's key or in another table.
 * A checksum of this kind finds every error of up to 32 bits in a row, and misses one of 4 billion others.
 */
export const sealBytes = 4;

/** Where the checksums of a table begin. */
export function seedOf(table: string): number {
  return crc32(`${table}\0`);
}

export function seal(seed: number, key: Buffer, value: Buffer): Buffer {
  const record = Buffer.allocUnsafe(sealBytes + value.length);
  record.writeUInt32LE(crc32(value, crc32(key, seed)), 0);
  value.copy(record, sealBytes);
  return record;
}

export function isSealed(seed: number, key: Buffer, record: Buffer): boolean {
  if (record.length < sealBytes) return false;
  return crc32(record.subarray(sealBytes), crc32(key, seed)) === record.readUInt32LE(0);
}
