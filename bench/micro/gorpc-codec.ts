import { constants, createDeflateRaw } from 'node:zlib';
import { Inflater } from '../../src/transport/gorpc/deflate/inflater.js';
import { OutboundStream } from '../../src/transport/gorpc/deflate/outbound-stream.js';
import type { GobValue } from '../../src/transport/gorpc/gob/values.js';
import { writePreamble } from '../../src/transport/gorpc/preamble.js';
import { RequestDecoder } from '../../src/transport/gorpc/request-decoder.js';
import { RequestStream } from '../../src/transport/gorpc/request-stream.js';
import { ResponseEncoder } from '../../src/transport/gorpc/response-encoder.js';
import { encodeRequests, getApiDefinitions, getKey } from './gorpc-requests.js';

/** Nanoseconds of one step of the gorpc wire, median of rounds; bytes of memory of an idle connection. */

const callsPerRound = 20_000;
const rounds = 15;
const idleConnections = 4_000;

function everyCall(make: (id: number) => GobValue): Buffer[] {
  return encodeRequests(Array.from({ length: callsPerRound }, (_, index) => make(index + 1)));
}

async function deflateAll(messages: readonly Buffer[], level: number): Promise<Buffer[]> {
  const deflater = createDeflateRaw({ level });
  let parts: Buffer[] = [];
  deflater.on('data', (part: Buffer) => parts.push(part));
  const batches: Buffer[] = [];
  for (const message of messages) {
    parts = [];
    deflater.write(message);
    await new Promise<void>((resolve) => deflater.flush(constants.Z_SYNC_FLUSH, resolve));
    batches.push(Buffer.concat(parts));
  }
  return batches;
}

function measure(name: string, round: () => void): void {
  const times: number[] = [];
  for (let index = 0; index < rounds; index++) {
    const start = process.hrtime.bigint();
    round();
    times.push(Number(process.hrtime.bigint() - start) / callsPerRound);
  }
  times.sort((left, right) => left - right);
  const [low, median, high] = [0.1, 0.5, 0.9].map((part) =>
    (times[Math.floor(part * rounds)] ?? 0).toFixed(0),
  );
  console.log(`${name.padEnd(48)} ${median} ns (${low} to ${high})`);
}

const bytesOf = (messages: readonly Buffer[]) =>
  Math.round(messages.reduce((sum, message) => sum + message.length, 0) / messages.length);

let sink = 0;
const getKeys = everyCall((id) =>
  getKey(id, `apikey-5e9d9544a1dcd60001d0ed20${(id * 2_654_435_761).toString(16)}`),
);
for (const [name, plain] of [
  ['GetKey', getKeys],
  ['GetApiDefinitions', everyCall(getApiDefinitions)],
] as const) {
  const stored = await deflateAll(plain, 0);
  const fast = await deflateAll(plain, 1);
  measure(`decode ${name}, ${bytesOf(plain)} bytes`, () => {
    const decoder = new RequestDecoder((found) => {
      sink += found.method.length;
    });
    for (const message of plain) decoder.push(message);
  });
  for (const [form, batches] of [
    ['stored', stored],
    ['level 1', fast],
  ] as const) {
    measure(`inflate ${form}, ${bytesOf(batches)} bytes`, () => {
      const inflater = new Inflater();
      for (const batch of batches) {
        inflater.push(batch, (inflated) => {
          sink += inflated.length;
        });
      }
    });
    measure(`inflate ${form} and decode ${name}`, () => {
      const stream = new RequestStream({
        onPreamble: () => {},
        onRequest: (found) => {
          sink += found.method.length;
        },
      });
      stream.push(writePreamble({ connectionId: 'bench', compressed: true }));
      for (const batch of batches) stream.push(batch);
    });
  }
}

const session = JSON.stringify({ org_id: '5e9d9544a1dcd60001d0ed20', rate: 1000, per: 60, quota_max: -1 });
for (const [name, answer] of [
  ['bool', { kind: 'bool', value: true }],
  ['string of 80 bytes', { kind: 'string', value: session }],
  ['strings', { kind: 'strings', value: ['abc:hashed', 'cert1:CertificateAdded'] }],
] as const) {
  for (const compressed of [true, false]) {
    measure(`encode and take ${name}, ${compressed ? 'stored blocks' : 'plain'}`, () => {
      const stream = new OutboundStream(compressed);
      const encoder = new ResponseEncoder(stream);
      for (let id = 1; id <= callsPerRound; id++) {
        encoder.write(id, answer);
        sink += stream.take().length;
      }
    });
  }
}

async function idle(name: string, requests: readonly Buffer[]): Promise<void> {
  const kept: unknown[] = [];
  const settle = async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = await settle();
  for (let index = 0; index < idleConnections; index++) {
    const stream = new RequestStream({ onPreamble: () => {}, onRequest: () => {} });
    stream.push(writePreamble({ connectionId: `connection-${index}`, compressed: true }));
    for (const batch of requests) stream.push(batch);
    const outbound = new OutboundStream(true);
    const encoder = new ResponseEncoder(outbound);
    encoder.write(1, { kind: 'bool', value: true });
    outbound.take();
    kept.push(stream, outbound, encoder);
  }
  const bytes = (await settle()) - before;
  console.log(`${name.padEnd(48)} ${(bytes / idleConnections / 1024).toFixed(1)} KiB`);
  sink += kept.length;
}

const few = await deflateAll(getKeys.slice(0, 5), 1);
const many = await deflateAll(getKeys.slice(0, 500), 1);
await idle('idle connection after 5 requests', few);
await idle('idle connection after 500 requests (50 KB)', many);
if (sink === 0) console.log(sink);
