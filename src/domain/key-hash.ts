import { createHash } from 'node:crypto';
import { readTokenField } from './key-token.js';

export const hashAlgorithms = ['murmur32', 'murmur64', 'murmur128', 'sha256'] as const;
export type HashAlgorithm = (typeof hashAlgorithms)[number];

/**
 * The name under which a key is kept when keys are hashed: lower-case hex of 8, 16, 32 or 64 digits.
 * Without `algorithm` the token decides by its `h`; keys that are no such token, and names of algorithms
 * that are not known, get murmur32. The hash is over the whole token. Source: worker-rpc reference, 6.2.
 */
export function hashKey(token: string, algorithm: string = readTokenField(token, 'h') ?? ''): string {
  const bytes = Buffer.from(token, 'utf8');
  switch (algorithm) {
    case 'sha256':
      return createHash('sha256').update(bytes).digest('hex');
    case 'murmur128':
      return murmur128(bytes);
    case 'murmur64':
      return murmur128(bytes).slice(0, 16);
    default:
      return murmur32(bytes);
  }
}

/** Has the form of what `hashKey` makes. Keys that happen to have that form cannot be told apart. */
export function looksHashed(name: string): boolean {
  return /^(?:[0-9a-f]{8}|[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{64})$/.test(name);
}

/**
 * MurmurHash3 x86 32-bit, seed 0, as 8 hex digits, but as the field computes it: the gateway's hash library
 * leaves out the last `length % 4` bytes and the finalisation, and every stored name was made with it.
 * Source: TykTechnologies/murmur3 murmur32.go, `Sum`.
 */
function murmur32(bytes: Buffer): string {
  let hash = 0;
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const mixed = Math.imul(bytes.readInt32LE(at), 0xcc9e2d51);
    hash ^= Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

const c1 = 0x87c37b91114253d5n;
const c2 = 0x4cf5ad432745937fn;

/** MurmurHash3 x64 128-bit, seed 0, as 32 hex digits. 64-bit arithmetic: names are short, BigInt will do. */
function murmur128(bytes: Buffer): string {
  let h1 = 0n;
  let h2 = 0n;
  const tailStart = bytes.length - (bytes.length % 16);
  for (let at = 0; at < tailStart; at += 16) {
    h1 ^= u64(rotateLeft(u64(bytes.readBigUInt64LE(at) * c1), 31n) * c2);
    h1 = u64((rotateLeft(h1, 27n) + h2) * 5n + 0x52dce729n);
    h2 ^= u64(rotateLeft(u64(bytes.readBigUInt64LE(at + 8) * c2), 33n) * c1);
    h2 = u64((rotateLeft(h2, 31n) + h1) * 5n + 0x38495ab5n);
  }
  const tail = Buffer.alloc(16);
  bytes.copy(tail, 0, tailStart);
  // A zero word leaves its half unchanged, so an absent tail needs no branch.
  h2 ^= u64(rotateLeft(u64(tail.readBigUInt64LE(8) * c2), 33n) * c1);
  h1 ^= u64(rotateLeft(u64(tail.readBigUInt64LE(0) * c1), 31n) * c2);
  const length = BigInt(bytes.length);
  h1 = u64((h1 ^ length) + (h2 ^ length));
  h2 = u64((h2 ^ length) + h1);
  h1 = finish64(h1);
  h2 = finish64(h2);
  h1 = u64(h1 + h2);
  h2 = u64(h2 + h1);
  return hex64(h1) + hex64(h2);
}

function finish64(word: bigint): bigint {
  let mixed = u64((word ^ (word >> 33n)) * 0xff51afd7ed558ccdn);
  mixed = u64((mixed ^ (mixed >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return mixed ^ (mixed >> 33n);
}

function rotateLeft(word: bigint, bits: bigint): bigint {
  return u64((word << bits) | (word >> (64n - bits)));
}

function u64(word: bigint): bigint {
  return BigInt.asUintN(64, word);
}

function hex64(word: bigint): string {
  return word.toString(16).padStart(16, '0');
}
