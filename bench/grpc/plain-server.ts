import {
  type handleBidiStreamingCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { limits } from '../../src/domain/limits.js';
import { hubService } from '../../src/transport/grpc/contract.js';
import type { SyncRequestMessage } from '../../src/transport/grpc/messages.js';
import { ProtoFrameEncoder } from '../../src/transport/grpc/proto-frame-encoder.js';
import { answerCalls } from '../harness/child.js';
import { apiDefinition } from '../harness/definitions.js';
import { EditLoop, type EditPace } from '../hub/edit-loop.js';

/**
 * Child: the peer of the fan-out. A plain grpc-js server that writes the same frames to every stream and reads the
 * confirmations: no log, no catalog, no sessions, nothing durable. What any hub on this library must spend.
 */
const encoder = new ProtoFrameEncoder(
  { id: 'plain', version: 'plain', heartbeatIntervalMs: 10_000 },
  { add: () => {}, set: () => {}, observe: () => {}, reset: () => {} },
);
type SyncStream = ServerDuplexStream<SyncRequestMessage, Buffer>;

const streams = new Set<SyncStream>();
const server = new Server({ 'grpc.max_send_message_length': -1 });
let bytes = 0;
let snapshotDefinitions = 0;
/** Made before anybody connects: what is measured is sending. */
let snapshot: readonly Buffer[] = [];
let edits = 0;
let confirmations = 0;
let sending: Promise<void> = Promise.resolve();

const loop = new EditLoop((count) => {
  const from = edits;
  edits += count;
  const to = edits;
  sending = sending.then(async () => {
    const changes = Array.from({ length: count }, (_, index) => {
      const sequence = from + index + 1;
      const definition = apiDefinition(sequence % 1_000, sequence, bytes);
      return { sequence, atMs: Date.now(), body: { type: 'put' as const, definition } };
    });
    const frame = await encoder.delta(from, to, changes, 'lz4');
    for (const stream of streams) stream.write(frame);
  });
});

const sync: handleBidiStreamingCall<SyncRequestMessage, Buffer> = (stream) => {
  stream.on('data', (message: SyncRequestMessage) => {
    if (message.ack != null) confirmations += 1;
    if (message.hello == null) return;
    const mode = snapshotDefinitions > 0 ? 'snapshot' : 'resume';
    const start = { codec: 'lz4', epoch: 'plain', sequence: edits, viewDefinitions: 0 } as const;
    stream.write(encoder.welcome({ ...start, mode, reason: undefined }));
    streams.add(stream);
    if (mode === 'snapshot') void sendSnapshot(stream);
  });
  stream.on('error', () => streams.delete(stream));
  stream.on('close', () => streams.delete(stream));
};

async function sendSnapshot(stream: SyncStream): Promise<void> {
  for (const chunk of snapshot) {
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
  }
}

/** In chunks of the size that the hub makes. */
async function encodeSnapshot(): Promise<readonly Buffer[]> {
  const perChunk = Math.max(1, Math.floor(limits.chunkBytesMax / bytes));
  const chunks: Promise<Buffer>[] = [];
  for (let first = 0; first < snapshotDefinitions; first += perChunk) {
    const count = Math.min(perChunk, snapshotDefinitions - first);
    const definitions = Array.from({ length: count }, (_, index) => apiDefinition(first + index, 0, bytes));
    const last = first + count >= snapshotDefinitions;
    chunks.push(encoder.snapshotChunk(chunks.length, last, definitions, [], 'lz4'));
  }
  return Promise.all(chunks);
}

answerCalls({
  start: async (given: { definitionBytes: number; snapshot?: number }) => {
    bytes = given.definitionBytes;
    snapshotDefinitions = given.snapshot ?? 0;
    if (snapshotDefinitions > 0) snapshot = await encodeSnapshot();
    server.addService(hubService(), { Sync: sync, GetKeys: sync, ReportAnalytics: sync });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return { port, sequence: 0 };
  },
  startEditing: (pace: EditPace) => loop.start(pace),
  stopEditing: () => loop.stop(),
  allReceived: (received: number) => loop.allReceived(received),
  confirmations: () => confirmations,
  stop: () => server.forceShutdown(),
});
