import { LRUCache } from 'lru-cache';
import { unreadableRecord } from '../../domain/analytics-record.js';
import type { NodeId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { AggregateKind, AnalyticsSpool } from '../../ports/analytics-spool.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { type AggregateScreening, screenAggregates } from './aggregate-screening.js';
import { type DropReason, type Screening, screenRecords } from './record-screening.js';

export interface AnalyticsBatch {
  readonly identity: WorkerIdentity;
  readonly node: NodeId;
  /** Undefined: the wire has none, so the sender gives no second chance and the batch has no bound. */
  readonly batchId?: string | undefined;
  /** JSON array of records, UTF-8, decompressed. Must not be changed afterwards. */
  readonly records: Buffer;
}

export interface IntakeResult {
  /** `accepted`: durable here. `rejected`: can never be taken. `retry`: the same batch again, later. */
  readonly status: 'accepted' | 'rejected' | 'retry';
  /** Records in the durable spool, now or since an earlier time. */
  readonly accepted: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** The batch had been taken before; nothing was stored. */
  readonly duplicate: boolean;
  /** Why it was not accepted; may be shown to the worker. */
  readonly error: string | undefined;
}

export interface AnalyticsIntakePorts {
  readonly spool: AnalyticsSpool;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** There is something new in the spool. */
  readonly onSpooled: () => void;
}

type Taken = 'taken' | 'duplicate' | 'full' | 'away';

const uncertainBatchesMax = 1_000;
/** A batch without an id need not stay together: in parts it holds nobody up on its way to the disk and on. */
const partBytesMax = 2 * 1024 * 1024;

/**
 * Takes analytics from workers. A batch is answered `accepted` once it is durable, and only then its
 * records count as received: received = stored + dropped + still in the spool. Batches that were not
 * taken, and repeats, count for nothing but their own metrics.
 */
export class AnalyticsIntake {
  readonly #ports: AnalyticsIntakePorts;
  /** Batches whose append failed: the spool may have them all the same. */
  readonly #uncertain = new LRUCache<string, true>({ max: uncertainBatchesMax });
  #failing = false;

  constructor(ports: AnalyticsIntakePorts) {
    this.#ports = ports;
  }

  async accept(batch: AnalyticsBatch): Promise<IntakeResult> {
    const recordsMax =
      batch.batchId === undefined ? Number.POSITIVE_INFINITY : limits.analyticsBatchRecordsMax;
    let screening: Screening | undefined;
    try {
      screening = await screenRecords(
        batch.records,
        batch.identity.organisation,
        recordsMax,
        batch.batchId === undefined ? partBytesMax : undefined,
      );
    } catch (error) {
      if (!(error instanceof SyntaxError)) return this.#rejectUnread(batch, error);
      return this.#reject(batch, 'the batch is not a JSON array of records', error.message);
    }
    if (screening === undefined) {
      this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'analyticsBatchRecordsMax' });
      return this.#reject(
        batch,
        `the batch has more records than analyticsBatchRecordsMax (${recordsMax}): send smaller ones`,
      );
    }
    return this.#spool(batch, screening);
  }

  #received(records: number): void {
    this.#ports.metrics.add('causeway_analytics_received_records_total', {}, records);
    this.#ports.onSpooled();
  }

  /** Analytics that the worker has summed up: kept as they are, and not counted as records. */
  async acceptAggregate(
    batch: Pick<AnalyticsBatch, 'identity' | 'node'>,
    kind: AggregateKind,
    payload: Buffer,
  ): Promise<Pick<IntakeResult, 'status' | 'error'>> {
    const { organisation } = batch.identity;
    const count = (result: string, amount: number) =>
      this.#ports.metrics.add('causeway_analytics_aggregates_total', { kind, result }, amount);
    let screening: AggregateScreening;
    if (unreadableRecord(payload) !== undefined) {
      this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'analyticsRecordBytesMax' });
      count('rejected', 1);
      const refused = this.#reject({ ...batch, records: payload }, 'the aggregates are too large');
      return { status: refused.status, error: refused.error };
    }
    try {
      screening = screenAggregates(payload, kind, organisation);
    } catch (error) {
      const whole = { ...batch, records: payload };
      const refused =
        error instanceof SyntaxError
          ? this.#reject(whole, 'the aggregates are not a JSON object')
          : this.#rejectUnread(whole, error);
      return { status: refused.status, error: refused.error };
    }
    const { kept, dropped } = screening;
    if (screening.payload !== undefined) {
      const taken = await this.#append({ ...batch, records: payload }, 0, screening.payload, kind);
      if (taken === 'full' || taken === 'away') return { status: 'retry', error: whyNotTaken(taken) };
      count('accepted', kept);
      this.#ports.onSpooled();
    }
    if (dropped > 0) {
      count('dropped', dropped);
      this.#ports.log.warn('analytics aggregates of another organisation were left out', {
        organisation,
        node: batch.node,
        dropped,
      });
    }
    return { status: 'accepted', error: undefined };
  }

  async #spool(batch: AnalyticsBatch, screening: Screening): Promise<IntakeResult> {
    const { metrics } = this.#ports;
    const { organisation } = batch.identity;
    const { kept, dropped, parts } = screening;
    // Nothing to keep: its id is not remembered either, a repeat is dropped once more.
    let taken: Taken = 'taken';
    let durable = 0;
    for (const part of parts) {
      taken = await this.#append(batch, part.records, part.payload());
      if (taken === 'full' || taken === 'away') {
        // What is on disk already counts, whatever becomes of the rest.
        if (durable > 0) this.#received(durable);
        return {
          status: 'retry',
          accepted: durable,
          dropped: {},
          duplicate: false,
          error: whyNotTaken(taken),
        };
      }
      durable += part.records;
    }
    const accepted = { status: 'accepted', accepted: kept, dropped, error: undefined } as const;
    // A repeat of a batch whose append seemed to fail is the first that counts.
    const uncertain = this.#uncertain.delete(keyOf(batch));
    if (taken === 'duplicate' && !uncertain) {
      metrics.add('causeway_analytics_duplicate_batches_total', {});
      return { ...accepted, duplicate: true };
    }
    metrics.add('causeway_analytics_received_records_total', {}, screening.records);
    for (const [reason, count] of Object.entries(dropped)) {
      metrics.add('causeway_analytics_dropped_records_total', { reason }, count);
    }
    if (kept < screening.records) {
      this.#ports.log.debug('analytics records were left out', { organisation, node: batch.node, dropped });
    }
    if (kept > 0) this.#ports.onSpooled();
    return { ...accepted, duplicate: taken === 'duplicate' };
  }

  async #append(
    batch: AnalyticsBatch,
    records: number,
    payload: Buffer,
    kind?: AggregateKind,
  ): Promise<Taken> {
    const { node, batchId } = batch;
    const { organisation } = batch.identity;
    try {
      const taken = await this.#ports.spool.append(
        { kind, organisation, receivedAtMs: this.#ports.clock.nowMs(), records, payload },
        batchId === undefined ? undefined : { organisation, node, batchId },
      );
      if (this.#failing) this.#ports.log.info('analytics are taken again');
      this.#failing = false;
      return taken;
    } catch (error) {
      const full = error instanceof CausewayError && error.code === 'LIMIT_EXCEEDED';
      if (full) {
        this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'analyticsSpoolBytesMax' });
      } else {
        if (batchId !== undefined) this.#uncertain.set(keyOf(batch), true);
        this.#ports.metrics.add('causeway_store_errors_total', { store: 'spool' });
      }
      if (!this.#failing) {
        this.#ports.log.error('analytics cannot be taken; workers are told to try later', {
          reason: describeError(error),
        });
      }
      this.#failing = true;
      return full ? 'full' : 'away';
    }
  }

  /** Told to try later, a worker would send it for ever, and nothing else meanwhile. */
  #rejectUnread(batch: AnalyticsBatch, error: unknown): IntakeResult {
    this.#ports.metrics.add('causeway_items_set_aside_total', { loop: 'analytics-intake' });
    return this.#reject(batch, 'the batch cannot be read', describeError(error));
  }

  #reject(batch: AnalyticsBatch, error: string, detail?: string): IntakeResult {
    this.#ports.log.warn('an analytics batch was refused', {
      organisation: batch.identity.organisation,
      node: batch.node,
      reason: error,
      detail,
    });
    return { status: 'rejected', accepted: 0, dropped: {}, duplicate: false, error };
  }
}

function whyNotTaken(reason: 'full' | 'away'): string {
  return reason === 'full' ? 'analyticsSpoolBytesMax is reached' : 'the spool does not answer';
}

function keyOf({ identity, node, batchId }: AnalyticsBatch): string {
  return JSON.stringify([identity.organisation, node, batchId]);
}
