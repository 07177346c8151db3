import {
  type handleBidiStreamingCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
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
const streams = new Set<ServerDuplexStream<SyncRequestMessage, Buffer>>();
const server = new Server({ 'grpc.max_send_message_length': -1 });
let bytes = 0;
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
    const start = { codec: 'lz4', epoch: 'plain', sequence: edits, viewDefinitions: 0 } as const;
    stream.write(encoder.welcome({ ...start, mode: 'resume', reason: undefined }));
    streams.add(stream);
  });
  stream.on('error', () => streams.delete(stream));
  stream.on('close', () => streams.delete(stream));
};

answerCalls({
  start: async (given: { definitionBytes: number }) => {
    bytes = given.definitionBytes;
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
