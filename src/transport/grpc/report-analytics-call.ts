import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type NodeId, nodeId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError, toCausewayError } from '../../errors/causeway-error.js';
import type { Metrics } from '../../ports/metrics.js';
import type { BridgeHub } from './bridge-hub.js';
import type { Admission } from './call-gate.js';
import { messageCodec } from './contract.js';
import { toGrpcError } from './grpc-status.js';
import type { ReportAnalyticsResponseMessage } from './messages.js';
import { codecOf, decompressPayload } from './payload-compression.js';
import { type AnalyticsRequest, readAnalyticsRequest } from './read-requests.js';

type AnalyticsStream = ServerDuplexStream<Buffer, Buffer>;

const response = messageCodec('ReportAnalyticsResponse');

const batchIdLengthMax = 256;

const statusNames = {
  accepted: 'ANALYTICS_STATUS_ACCEPTED',
  rejected: 'ANALYTICS_STATUS_REJECTED',
  retry: 'ANALYTICS_STATUS_RETRY',
} as const;

/**
 * Takes batches one after the other: the next is read only when the last is durable and acknowledged, so a
 * worker that sends faster than the spool writes is slowed down by the transport itself.
 */
export async function reportAnalytics(
  hub: BridgeHub,
  stream: AnalyticsStream,
  { caller: { identity }, intake }: Admission,
  metrics: Metrics,
  draining: AbortSignal,
): Promise<void> {
  let idle = true;
  // A hub that stops ends the stream between two batches: what was taken is acknowledged, the rest comes again.
  const onDraining = () => idle && stream.end();
  draining.addEventListener('abort', onDraining);
  try {
    let node: NodeId | undefined;
    // What is thrown in the loop must not destroy the stream before its status is told.
    const messages: AsyncIterable<Buffer> = stream.iterator({ destroyOnReturn: false });
    for await (const bytes of messages) {
      if (draining.aborted) break;
      idle = false;
      const message = readAnalyticsRequest(bytes);
      node ??= readNode(message.nodeId);
      const answer = await takeBatch(hub, identity, node, message, metrics);
      intake.done();
      if (!stream.write(response.write(answer))) await untilDrained(stream);
      idle = true;
    }
    stream.end();
  } catch (thrown) {
    if (!stream.cancelled) stream.emit('error', toGrpcError(thrown));
  } finally {
    draining.removeEventListener('abort', onDraining);
  }
}

async function takeBatch(
  hub: BridgeHub,
  identity: WorkerIdentity,
  node: NodeId,
  message: AnalyticsRequest,
  metrics: Metrics,
): Promise<ReportAnalyticsResponseMessage> {
  const { batchId } = message;
  if (batchId === '' || batchId.length > batchIdLengthMax) {
    throw new CausewayError('REQUEST_INVALID', `batch_id: must have 1 to ${batchIdLengthMax} characters`);
  }
  try {
    const records = await readRecords(message, metrics);
    const taken = await hub.acceptAnalytics({ identity, node, batchId, records });
    return {
      batchId,
      status: statusNames[taken.status],
      error: taken.error ?? '',
      acceptedRecords: taken.accepted,
      droppedRecords: taken.dropped,
    };
  } catch (thrown) {
    const error = toCausewayError(thrown);
    const status = error.entry.retry === 'never' ? statusNames.rejected : statusNames.retry;
    return { batchId, status, error: error.message, acceptedRecords: 0, droppedRecords: 0 };
  }
}

async function readRecords(message: AnalyticsRequest, metrics: Metrics): Promise<Buffer> {
  const { compression } = message;
  const codec = compression === 'COMPRESSION_UNSPECIFIED' ? 'none' : compression && codecOf(compression);
  if (codec === undefined) {
    throw new CausewayError('REQUEST_INVALID', 'compression: is not known; use LZ4, GZIP or NONE');
  }
  // Uncompressed records speak for themselves; the announced size matters only to a decompressor.
  const announced = codec === 'none' ? message.records.length : message.uncompressedBytes;
  const plain = await decompressPayload(message.records, codec, announced, limits.workerPayloadBytesMax);
  metrics.add('causeway_payload_uncompressed_bytes_total', { direction: 'up' }, plain.length);
  metrics.add('causeway_payload_compressed_bytes_total', { direction: 'up' }, message.records.length);
  return plain;
}

function readNode(text: string): NodeId {
  if (text === '' || text.length > batchIdLengthMax) {
    throw new CausewayError('REQUEST_INVALID', 'node_id: is missing or too long in the first message');
  }
  return nodeId(text);
}

function untilDrained(stream: AnalyticsStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      stream.off('cancelled', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
    stream.on('cancelled', done);
  });
}
