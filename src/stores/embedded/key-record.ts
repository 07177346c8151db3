import { createHash } from 'node:crypto';

/*
 * Key:    0x01, UTF-8 name                                       (0x01: LMDB has no empty keys)
 *         0x01, first 1,024 bytes of the name, 0xFF, SHA-256     (longer names; 0xFF is in no UTF-8)
 * Record: kind (1 byte), expiry (8 bytes, milliseconds, 0: never),
 *         name length (4 bytes), name                            (only with a longer name)
 *         value
 *
 * Kinds: a value, a window, and "removed", which stands only in a gap that damage left (see key-gaps.ts).
 * Value of a window: how many marks (4 bytes), number of the next mark (4 bytes).
 */
export type KeyRecordKind = 'value' | 'window' | 'removed';

export interface KeyRecord {
  readonly kind: KeyRecordKind;
  readonly expiresAtMs: number | undefined;
  readonly value: Buffer;
}

const nameBytesMax = 1_024;
const firstByte = Buffer.from([0x01]);
const longMark = Buffer.from([0xff]);
const kindNumbers = { value: 1, window: 2, removed: 3 } as const;
const longFlag = 0x80;
const headBytes = 9;

export function keyOfName(name: string): Buffer {
  const length = Buffer.byteLength(name, 'utf8');
  if (length <= nameBytesMax) {
    // In one step: every read of a key comes through here.
    const key = Buffer.allocUnsafe(1 + length);
    key.writeUInt8(0x01, 0);
    key.write(name, 1, 'utf8');
    return key;
  }
  const bytes = Buffer.from(name, 'utf8');
  const hash = createHash('sha256').update(bytes).digest();
  return Buffer.concat([firstByte, bytes.subarray(0, nameBytesMax), longMark, hash]);
}

/** Every key of a name with this prefix starts with these bytes; the reverse holds for short prefixes only. */
export function keyPrefixOf(prefix: string): Buffer {
  return Buffer.concat([firstByte, Buffer.from(prefix, 'utf8').subarray(0, nameBytesMax)]);
}

/** undefined: the name stands in the record. */
export function nameOfKey(key: Buffer): string | undefined {
  return key.length <= nameBytesMax + 1 ? key.toString('utf8', 1) : undefined;
}

export function encodeKeyRecord(name: string, record: KeyRecord): Buffer {
  const nameBytes = Buffer.from(name, 'utf8');
  const long = nameBytes.length > nameBytesMax;
  const head = Buffer.alloc(headBytes + (long ? 4 : 0));
  head.writeUInt8(kindNumbers[record.kind] | (long ? longFlag : 0), 0);
  head.writeDoubleBE(record.expiresAtMs ?? 0, 1);
  if (!long) return Buffer.concat([head, record.value]);
  head.writeUInt32BE(nameBytes.length, headBytes);
  return Buffer.concat([head, nameBytes, record.value]);
}

/** Nothing is there, and that is known. */
export function encodeRemovedRecord(): Buffer {
  return encodeKeyRecord('', { kind: 'removed', expiresAtMs: undefined, value: Buffer.alloc(0) });
}

/** `name` only when the record has it. undefined: no record. */
export function decodeKeyRecord(
  bytes: Buffer,
): (KeyRecord & { readonly name: string | undefined }) | undefined {
  if (bytes.length < headBytes) return undefined;
  const number = bytes.readUInt8(0);
  const kind = kindOf(number & ~longFlag);
  const expiry = bytes.readDoubleBE(1);
  if (kind === undefined || !(expiry >= 0)) return undefined;
  const expiresAtMs = expiry === 0 ? undefined : expiry;
  if ((number & longFlag) === 0) {
    return { kind, expiresAtMs, name: undefined, value: bytes.subarray(headBytes) };
  }
  if (bytes.length < headBytes + 4) return undefined;
  const valueAt = headBytes + 4 + bytes.readUInt32BE(headBytes);
  if (bytes.length < valueAt) return undefined;
  const name = bytes.toString('utf8', headBytes + 4, valueAt);
  return { kind, expiresAtMs, name, value: bytes.subarray(valueAt) };
}

function kindOf(number: number): KeyRecordKind | undefined {
  if (number === kindNumbers.value) return 'value';
  if (number === kindNumbers.removed) return 'removed';
  return number === kindNumbers.window ? 'window' : undefined;
}
