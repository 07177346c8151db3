import { CausewayError } from '../../../../src/errors/causeway-error.js';
import { Inflater } from '../../../../src/transport/gorpc/deflate/inflater.js';
import { GobDecoder } from '../../../../src/transport/gorpc/gob/decoder.js';
import { GobEncoder } from '../../../../src/transport/gorpc/gob/encoder.js';
import { HeldBytes } from '../../../../src/transport/gorpc/gob/segment-buffer.js';
import type { GobType } from '../../../../src/transport/gorpc/gob/types.js';
import type { GobValue } from '../../../../src/transport/gorpc/gob/values.js';
import { RequestStream } from '../../../../src/transport/gorpc/request-stream.js';
import { asReceived } from '../as-received.js';
import { toPlain } from '../plain-values.js';

/**
 * What holds for any input: nothing is thrown but the two errors a peer can cause; the result does not depend
 * on how the input was cut; nothing stays held. A target throws when one of these does not hold.
 */
export type FuzzTarget = (input: Buffer) => void;

interface Outcome {
  readonly seen: readonly string[];
  readonly error: string | undefined;
}

function isExpected(thrown: unknown): thrown is CausewayError {
  return (
    thrown instanceof CausewayError && (thrown.code === 'FRAME_INVALID' || thrown.code === 'LIMIT_EXCEEDED')
  );
}

function outcome(run: (seen: string[]) => void): Outcome {
  const seen: string[] = [];
  try {
    run(seen);
    return { seen, error: undefined };
  } catch (thrown) {
    if (!isExpected(thrown)) throw thrown;
    return { seen, error: thrown.message };
  }
}

/** The sizes come from the input, so that the same input does the same. */
function* pieces(input: Buffer): Iterable<Buffer> {
  for (let at = 0, turn = 0; at < input.length; turn++) {
    const size = 1 + ((input[(turn * 7) % input.length] as number) & 31);
    yield Buffer.from(input.subarray(at, at + size));
    at += size;
  }
}

function expectSame(whole: Outcome, cut: Outcome): void {
  if (JSON.stringify(whole) !== JSON.stringify(cut)) {
    throw new Error(`cut differently, it decodes differently: ${JSON.stringify([whole, cut])}`);
  }
}

function describeValue(value: GobValue): string {
  return JSON.stringify(toPlain(value));
}

export const fuzzGob: FuzzTarget = (input) => {
  const held = new HeldBytes();
  const decoded: [GobType, GobValue][] = [];
  const decode = (chunks: Iterable<Buffer>, keep: boolean) =>
    outcome((seen) => {
      const decoder = new GobDecoder(
        (value, type) => {
          seen.push(describeValue(value));
          if (keep) decoded.push([type, value]);
        },
        { heldBytes: held },
      );
      try {
        for (const chunk of chunks) decoder.push(chunk);
      } finally {
        decoder.close();
      }
    });
  expectSame(decode([Buffer.from(input)], true), decode(pieces(input), false));
  if (held.used !== 0) throw new Error(`${held.used} bytes are still held`);
  const encoder = new GobEncoder();
  let again = '';
  const decoder = new GobDecoder((value) => {
    again = describeValue(value);
  });
  for (const [type, value] of decoded) {
    decoder.push(encoder.encode(type, value));
    const text = describeValue(asReceived(value));
    if (again !== text) throw new Error(`written again, ${text} is ${again}`);
  }
};

export const fuzzInflate: FuzzTarget = (input) => {
  const inflate = (chunks: Iterable<Buffer>) =>
    outcome((seen) => {
      const inflater = new Inflater();
      let total = '';
      seen.push('');
      for (const chunk of chunks) {
        inflater.push(chunk, (inflated) => {
          total += inflated.toString('latin1');
        });
        seen[0] = total;
      }
    });
  const whole = inflate([input]);
  const cut = inflate(pieces(input));
  // An error keeps back what its own chunk held before it.
  if (whole.error === undefined) expectSame(whole, cut);
  else if (cut.error === undefined) throw new Error(`cut, it is accepted; whole: ${whole.error}`);
};

export const fuzzRequests: FuzzTarget = (input) => {
  const held = new HeldBytes();
  const read = (chunks: Iterable<Buffer>) =>
    outcome((seen) => {
      const stream = new RequestStream(
        {
          onPreamble: (preamble) => seen.push(JSON.stringify(preamble)),
          onRequest: (request) =>
            seen.push(`${request.id} ${request.method} ${request.typeName} ${request.fieldNames.length}`),
        },
        { heldBytes: held },
      );
      try {
        for (const chunk of chunks) stream.push(chunk);
      } finally {
        stream.close();
      }
    });
  const whole = read([Buffer.from(input)]);
  const cut = read(pieces(input));
  if (whole.error === undefined) expectSame(whole, cut);
  else if (cut.error === undefined) throw new Error(`cut, it is accepted; whole: ${whole.error}`);
  if (held.used !== 0) throw new Error(`${held.used} bytes are still held`);
};

export const fuzzTargets: Readonly<Record<string, FuzzTarget>> = {
  gob: fuzzGob,
  inflate: fuzzInflate,
  requests: fuzzRequests,
};
