import { CausewayError } from '../../errors/causeway-error.js';

/*
 * preamble := "proto2" length:1 connection-id:length compression:1
 *
 * length is 1..255; compression 0 means that both directions are plain, anything else that each is one
 * deflate stream. Sent once, as the first bytes of a connection, usually in four pieces.
 */

export interface Preamble {
  /** Chosen by the worker process and the same on all its connections; a secret once logged in. */
  readonly connectionId: string;
  readonly compressed: boolean;
}

export const preambleMagic = Buffer.from('proto2', 'latin1');
const connectionIdStart = preambleMagic.length + 1;

/** Reads a preamble that arrives in any pieces. */
export class PreambleReader {
  readonly #bytes: number[] = [];

  /** Bytes of `chunk` that belong to the preamble; the rest is the request stream. Throws FRAME_INVALID. */
  push(chunk: Buffer): { readonly used: number; readonly preamble: Preamble | undefined } {
    const bytes = this.#bytes;
    for (const [index, byte] of chunk.entries()) {
      const position = bytes.length;
      if (position < preambleMagic.length) {
        if (byte !== preambleMagic[position]) fail('this is not a gorpc preamble', position);
      } else if (position === preambleMagic.length && byte === 0) {
        fail('the connection id is empty', position);
      }
      bytes.push(byte);
      const length = bytes[preambleMagic.length];
      if (length !== undefined && position === connectionIdStart + length) {
        const connectionId = Buffer.from(bytes.slice(connectionIdStart, position)).toString('latin1');
        return { used: index + 1, preamble: { connectionId, compressed: byte !== 0 } };
      }
    }
    return { used: chunk.length, preamble: undefined };
  }
}

export function writePreamble(preamble: Preamble): Buffer {
  const id = Buffer.from(preamble.connectionId, 'latin1');
  if (id.length < 1 || id.length > 255) throw new RangeError(`a connection id of ${id.length} bytes`);
  return Buffer.concat([preambleMagic, Buffer.of(id.length), id, Buffer.of(preamble.compressed ? 1 : 0)]);
}

function fail(problem: string, offset: number): never {
  throw new CausewayError('FRAME_INVALID', `${problem} (byte ${offset} of the connection)`);
}
