import { promisify } from 'node:util';
import { constants, deflateRaw } from 'node:zlib';

const deflateRawAsync = promisify(deflateRaw);

/**
 * A large piece of an answer that goes to many connections. Both forms are made once and handed to every
 * socket as they are; without the deflated one, the bytes travel in stored blocks.
 */
export interface SharedBytes {
  readonly bytes: Buffer;
  /** Whole deflate blocks, none of them final, up to a byte boundary. See `deflateShared`. */
  readonly deflated?: Buffer;
}

/**
 * Deflates bytes so that the result can stand between any two blocks of any deflate stream: it refers to
 * nothing before itself, and ends with a sync flush.
 */
export async function deflateShared(bytes: Buffer, level: number = 6): Promise<SharedBytes> {
  if (bytes.length === 0) return { bytes };
  const deflated = await deflateRawAsync(bytes, { level, finishFlush: constants.Z_SYNC_FLUSH });
  return { bytes, deflated };
}
