import { limits } from '../domain/limits.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { Codec } from '../hub/fanout/frame-encoder.js';
import type { Clock, Timer } from '../ports/clock.js';
import { Backoff } from '../std/backoff.js';
import { jsonArrayElements } from '../std/json-array-elements.js';
import type { BridgeConnection, BridgeStream } from '../transport/grpc/bridge-client.js';
import type {
  ReportAnalyticsRequestMessage,
  ReportAnalyticsResponseMessage,
} from '../transport/grpc/messages.js';
import { compressionNames, compressPayload } from '../transport/grpc/payload-compression.js';
import type { ReportStatus, WorkerEvent } from './worker-event.js';

/** Batches on the wire before the first is acknowledged. */
const inFlightMax = 4;
/** Waiting batches, all together, before compression. */
const waitingBytesMax = 256 * 1024 * 1024;

export interface ReportOutcome {
  readonly batchId: string;
  readonly status: ReportStatus;
  /** Durable at the hub. */
  readonly accepted: number;
  readonly dropped: number;
  readonly message: string;
}

export interface AnalyticsReporterParts {
  readonly nodeId: string;
  /** Makes batch ids unique over restarts. */
  readonly batchIdPrefix: string;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly random: () => number;
  onEvent(event: WorkerEvent): void;
}

interface Batch {
  readonly id: string;
  readonly records: Buffer;
  resolve(outcome: ReportOutcome): void;
}

/**
 * Brings analytics home. A batch keeps its id until the hub has it, so that however often it is sent, it
 * is stored once. Without a connection batches wait, in memory and bounded.
 */
export class AnalyticsReporter {
  readonly #parts: AnalyticsReporterParts;
  readonly #backoff: Backoff;
  readonly #waiting: Batch[] = [];
  readonly #inFlight = new Map<string, Batch>();
  #waitingBytes = 0;
  #counter = 0;
  #connection: BridgeConnection | undefined;
  #stream: BridgeStream<ReportAnalyticsRequestMessage> | undefined;
  #retry: Timer | undefined;
  #sending = false;
  #stopped = false;

  constructor(parts: AnalyticsReporterParts) {
    this.#parts = parts;
    this.#backoff = new Backoff({ firstDelayMs: 500, delayMsMax: 30_000, random: parts.random });
  }

  /** Batches that the hub does not have yet. */
  get pending(): number {
    return this.#waiting.length + this.#inFlight.size;
  }

  /**
   * Resolves when the hub has taken or finally refused the batch. Rejects with LIMIT_EXCEEDED when it is too
   * large or too much waits, with REQUEST_INVALID when it is no JSON array.
   */
  async report(records: readonly object[] | Buffer): Promise<ReportOutcome> {
    if (this.#stopped) throw new CausewayError('SHUTTING_DOWN', 'the worker has stopped');
    const payload = Buffer.isBuffer(records) ? records : Buffer.from(JSON.stringify(records));
    checkBatch(payload);
    if (this.#waitingBytes + payload.length > waitingBytesMax) {
      throw new CausewayError('LIMIT_EXCEEDED', `more than ${waitingBytesMax} bytes of analytics would wait`);
    }
    this.#waitingBytes += payload.length;
    this.#counter += 1;
    const id = `${this.#parts.batchIdPrefix}-${this.#counter}`;
    return new Promise((resolve) => {
      this.#waiting.push({ id, records: payload, resolve });
      this.#send();
    });
  }

  /** A connection whose worker was let in. */
  connected(connection: BridgeConnection): void {
    this.#connection = connection;
    this.#backoff.reset();
    this.#send();
  }

  disconnected(): void {
    this.#connection = undefined;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#stream = undefined;
    this.#takeBack();
  }

  stop(): void {
    this.#stopped = true;
    this.disconnected();
    for (const batch of this.#waiting.splice(0)) {
      this.#settle(batch, 'abandoned', 0, 0, 'the worker stopped before the hub had the batch');
    }
  }

  #send(): void {
    if (this.#sending) return;
    this.#sending = true;
    this.#sendWaiting()
      .catch((thrown: unknown) => this.#tryLater(describeError(thrown)))
      .finally(() => {
        this.#sending = false;
        // Something may have come between the last look and this moment.
        if (this.#maySend && this.#waiting.length > 0) this.#send();
      });
  }

  get #maySend(): boolean {
    return this.#connection !== undefined && this.#retry === undefined && this.#inFlight.size < inFlightMax;
  }

  async #sendWaiting(): Promise<void> {
    while (this.#maySend && this.#connection !== undefined) {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      this.#inFlight.set(batch.id, batch);
      const { codec, nodeId } = this.#parts;
      const stream = this.#openStream(this.#connection);
      const records = await compressPayload(batch.records, codec).catch((thrown: unknown) => {
        // It lies in the batch: sent again for ever, it would keep all others back.
        this.#inFlight.delete(batch.id);
        this.#settle(batch, 'rejected', 0, 0, `it cannot be compressed: ${describeError(thrown)}`);
        return undefined;
      });
      if (records === undefined || this.#stream !== stream) continue;
      stream.send({
        batchId: batch.id,
        nodeId,
        records,
        compression: compressionNames[codec],
        uncompressedBytes: batch.records.length,
      });
    }
  }

  #openStream(connection: BridgeConnection): BridgeStream<ReportAnalyticsRequestMessage> {
    if (this.#stream !== undefined) return this.#stream;
    const stream = connection.openAnalytics({
      message: (answer) => this.#answered(answer),
      ended: (error) => {
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        this.#tryLater(error?.message ?? 'the hub closed the stream');
      },
    });
    this.#stream = stream;
    return stream;
  }

  #answered(answer: ReportAnalyticsResponseMessage): void {
    if (answer.status === 'ANALYTICS_STATUS_RETRY') {
      this.#tryLater(answer.error);
      return;
    }
    const batch = this.#take(answer.batchId);
    if (batch === undefined) return;
    const { acceptedRecords: accepted, droppedRecords: dropped, error } = answer;
    const isAccepted = answer.status === 'ANALYTICS_STATUS_ACCEPTED';
    if (isAccepted) this.#backoff.reset();
    this.#settle(batch, isAccepted ? 'accepted' : 'rejected', accepted, dropped, error);
    this.#send();
  }

  /** The batch may wait again when its answer comes: another one was to be retried. */
  #take(id: string): Batch | undefined {
    const batch = this.#inFlight.get(id);
    if (batch !== undefined) {
      this.#inFlight.delete(id);
      return batch;
    }
    const index = this.#waiting.findIndex((waiting) => waiting.id === id);
    return index === -1 ? undefined : this.#waiting.splice(index, 1)[0];
  }

  /** Everything that has no answer is sent again, in its order, after a pause. */
  #tryLater(message: string): void {
    this.#takeBack();
    if (this.#connection === undefined || this.#retry !== undefined) return;
    const oldest = this.#waiting[0];
    if (oldest === undefined) return;
    const { clock, onEvent } = this.#parts;
    onEvent({ type: 'report', batchId: oldest.id, status: 'retry', accepted: 0, dropped: 0, message });
    this.#retry = clock.after(this.#backoff.nextDelayMs(), () => {
      this.#retry = undefined;
      this.#send();
    });
  }

  #takeBack(): void {
    this.#waiting.unshift(...this.#inFlight.values());
    this.#inFlight.clear();
  }

  #settle(batch: Batch, status: ReportStatus, accepted: number, dropped: number, message: string): void {
    this.#waitingBytes -= batch.records.length;
    const outcome = { batchId: batch.id, status, accepted, dropped, message };
    this.#parts.onEvent({ type: 'report', ...outcome });
    batch.resolve(outcome);
  }
}

function checkBatch(payload: Buffer): void {
  if (payload.length > limits.workerPayloadBytesMax) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `${payload.length} bytes are more than the ${limits.workerPayloadBytesMax} of one batch`,
    );
  }
  let records = 0;
  const elements = jsonArrayElements(payload);
  let next = elements.next();
  for (; next.done !== true; next = elements.next()) records += 1;
  if (!next.value) throw new CausewayError('REQUEST_INVALID', 'analytics records must be a JSON array');
  if (records > limits.analyticsBatchRecordsMax) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `${records} records are more than the ${limits.analyticsBatchRecordsMax} of one batch`,
    );
  }
}
