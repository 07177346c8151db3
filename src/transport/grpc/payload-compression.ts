import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { compressSync, uncompress, uncompressSync } from 'lz4';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Codec } from '../../hub/fanout/frame-encoder.js';
import type { CompressionName } from './messages.js';

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

export const compressionNames = {
  lz4: 'COMPRESSION_LZ4',
  gzip: 'COMPRESSION_GZIP',
  none: 'COMPRESSION_NONE',
} as const satisfies Record<Codec, CompressionName>;

export function codecOf(name: CompressionName): Codec | undefined {
  if (name === 'COMPRESSION_LZ4') return 'lz4';
  if (name === 'COMPRESSION_GZIP') return 'gzip';
  if (name === 'COMPRESSION_NONE') return 'none';
  return undefined;
}

/** The first codec of the worker's list that the hub knows; LZ4 when the list is empty. */
export function negotiateCodec(offered: readonly CompressionName[]): Codec {
  if (offered.length === 0) return 'lz4';
  for (const name of offered) {
    const codec = codecOf(name);
    if (codec !== undefined) return codec;
  }
  throw new CausewayError(
    'REQUEST_INVALID',
    'hello.compressions: none of them is known; use LZ4, GZIP or NONE',
  );
}

export async function compressPayload(payload: Buffer, codec: Codec): Promise<Buffer> {
  if (codec === 'none') return payload;
  // A megabyte takes LZ4 about a millisecond, less than the way to a thread and back.
  return codec === 'lz4' ? compressSync(payload) : gzipAsync(payload);
}

/**
 * Undoes {@link compressPayload}. The size is known and bounded before anything is allocated: `uncompressedBytes`
 * must be at most `bytesMax` and must be exactly what comes out.
 */
export async function decompressPayload(
  payload: Buffer,
  codec: Codec,
  uncompressedBytes: number,
  bytesMax: number,
): Promise<Buffer> {
  if (uncompressedBytes > bytesMax) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `uncompressed_bytes: ${uncompressedBytes} is more than the ${bytesMax} allowed`,
    );
  }
  const plain = await inflate(payload, codec, uncompressedBytes);
  if (plain.length !== uncompressedBytes) {
    throw new CausewayError(
      'REQUEST_INVALID',
      `uncompressed_bytes: ${uncompressedBytes} announced, ${plain.length} found`,
    );
  }
  return plain;
}

async function inflate(payload: Buffer, codec: Codec, uncompressedBytes: number): Promise<Buffer> {
  if (codec === 'none') return payload;
  if (codec === 'lz4') {
    const claimed = payload.length < 4 ? -1 : payload.readUInt32LE(0);
    if (claimed !== uncompressedBytes) {
      throw new CausewayError(
        'REQUEST_INVALID',
        `payload: the LZ4 size prefix says ${claimed}, uncompressed_bytes says ${uncompressedBytes}`,
      );
    }
  }
  try {
    // A megabyte takes less time than the way to a thread and back; thirty take too long here.
    if (codec === 'lz4')
      return uncompressedBytes > 1_048_576 ? await uncompress(payload) : uncompressSync(payload);
    return await gunzipAsync(payload, { maxOutputLength: Math.max(1, uncompressedBytes) });
  } catch (thrown) {
    throw new CausewayError('REQUEST_INVALID', `payload: not ${codec} data of the announced size`, {
      cause: thrown,
    });
  }
}
