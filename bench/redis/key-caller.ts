import { type ClientHttp2Session, connect } from 'node:http2';
import { messageCodec } from '../../src/transport/grpc/contract.js';
import { answerCalls } from '../harness/child.js';
import { apiKey, organisation } from '../harness/definitions.js';
import { percentile } from '../harness/statistics.js';

export interface KeyCalls {
  readonly port: number;
  readonly names: readonly string[];
  readonly inFlight: number;
  readonly seconds: number;
}

export interface KeyCallsResult {
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Child: GetKeys with one name for each call, over one connection, so many in flight. It speaks HTTP/2 without a
 * gRPC library and unpacks nothing, so that the hub is the one that is busy.
 */
const request = messageCodec('GetKeysRequest');
const lengthPrefixBytes = 5;

const headers = {
  ':method': 'POST',
  ':path': '/causeway.v1.Bridge/GetKeys',
  'content-type': 'application/grpc',
  te: 'trailers',
  authorization: `Bearer ${apiKey}`,
  'x-causeway-organisation': organisation,
} as const;

/** Bytes of the answer; rejects when it is none. */
function ask(session: ClientHttp2Session, message: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let bytes = 0;
    let status: unknown;
    stream.on('response', (head) => {
      status = head['grpc-status'];
    });
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'];
    });
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.once('error', reject);
    stream.once('end', () => {
      if (status === '0' || status === undefined) resolve(bytes);
      else reject(new Error(`gRPC status ${String(status)}`));
    });
    stream.end(message);
  });
}

function framed(name: string): Buffer {
  const message = request.write({ names: [name] });
  const frame = Buffer.alloc(lengthPrefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, lengthPrefixBytes);
  return frame;
}

answerCalls({
  run: async ({ port, names, inFlight, seconds }: KeyCalls): Promise<KeyCallsResult> => {
    const messages = names.map(framed);
    const session = connect(`http://127.0.0.1:${port}`);
    const tookMs: number[] = [];
    const startMs = performance.now();
    const endMs = startMs + seconds * 1_000;
    const caller = async (turn: number): Promise<void> => {
      for (let next = turn; performance.now() < endMs; next += inFlight) {
        const message = messages[next % messages.length];
        if (message === undefined) throw new Error('no names');
        const askedMs = performance.now();
        const bytes = await ask(session, message);
        // A key that is not found has a short answer.
        if (bytes < 500) throw new Error(`an answer of ${bytes} bytes`);
        tookMs.push(performance.now() - askedMs);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, (_, turn) => caller(turn)));
    const lastedSeconds = (performance.now() - startMs) / 1_000;
    session.close();
    return {
      calls: tookMs.length,
      callsPerSecond: tookMs.length / lastedSeconds,
      p50Ms: percentile(tookMs, 50),
      p99Ms: percentile(tookMs, 99),
    };
  },
});
