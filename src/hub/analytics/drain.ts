import { limits } from '../../domain/limits.js';
import type { ErrorCode } from '../../errors/catalogue.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { AnalyticsSink, SinkResult } from '../../ports/analytics-sink.js';
import type { AnalyticsSpool, SpooledBatch } from '../../ports/analytics-spool.js';
import type { Clock } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { Backoff } from '../../std/backoff.js';
import { AlarmClock } from './alarm-clock.js';

export interface AnalyticsDrainPorts {
  readonly spool: AnalyticsSpool;
  readonly sink: AnalyticsSink;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface AnalyticsDrainOptions {
  /** Default limits.analyticsTransactionRecordsMax. */
  readonly recordsPerTransactionMax?: number;
}

const firstDelayMs = 250;
const delayMsMax = 30_000;
/** Looks without being woken this often: a wake is an optimisation, not a promise. */
const idleCheckMs = 10_000;

/**
 * Moves spooled batches to the sink, oldest first, for ever.
 *
 * A step: peek some batches, store them in one transaction, forget them in the spool. A crash between the
 * last two stores nothing twice, because the sink keeps the position it has; so after any failure, also of
 * the forgetting, the step is simply taken again. Failures back off. A batch the sink says it can never
 * store is found by storing one at a time and dropped with its count: it must not block what is behind it.
 */
export class AnalyticsDrain implements Component {
  readonly name = 'analytics drain';
  readonly #ports: AnalyticsDrainPorts;
  readonly #recordsMax: number;
  readonly #backoff: Backoff;
  readonly #alarm: AlarmClock;
  #running: Promise<void> | undefined;
  #stopping = false;
  #abandoned = false;
  #failing = false;
  /** Position through which this process has counted. */
  #countedThrough = 0;
  /** The sink failed since then, so it may have stored what it did not answer for. */
  #uncertain = false;

  constructor(ports: AnalyticsDrainPorts, options: AnalyticsDrainOptions = {}) {
    this.#ports = ports;
    this.#recordsMax = options.recordsPerTransactionMax ?? limits.analyticsTransactionRecordsMax;
    this.#backoff = new Backoff({ firstDelayMs, delayMsMax, random: ports.random });
    this.#alarm = new AlarmClock(ports.clock);
  }

  /** Resolves at once, whatever state spool and sink are in: workers can be served without. */
  async start(): Promise<void> {
    this.#running ??= this.#run();
  }

  /** Stores what is spooled until the deadline; what is left stays spooled for the next start. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#alarm.ring();
    const { clock } = this.#ports;
    let cutOff = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cutOff = resolve;
    });
    const timer = clock.after(Math.max(0, deadlineMs - clock.nowMs()), cutOff);
    await Promise.race([this.#running, deadline]);
    timer.cancel();
    this.#abandoned = true;
  }

  notReady(): string | undefined {
    return this.#running === undefined ? 'not started' : undefined;
  }

  /** Why nothing is being stored at the moment; undefined: all is well. */
  trouble(): string | undefined {
    return this.#failing ? 'analytics cannot be stored; they wait in the spool' : undefined;
  }

  /** There is something new in the spool. Does not cut a backoff short. */
  wake(): void {
    if (!this.#failing) this.#alarm.ring();
  }

  async #run(): Promise<void> {
    while (!this.#abandoned) {
      let delayMs = 0;
      try {
        const stored = await this.#step();
        this.#recovered();
        if (!stored) delayMs = idleCheckMs;
      } catch (error) {
        this.#failed(error);
        // Batches that came in meanwhile must not cut the backoff short.
        this.#alarm.silence();
        delayMs = this.#backoff.nextDelayMs();
      }
      if (delayMs === 0) continue;
      // Stopping and nothing left, or nothing to be done about it: the spool is durable.
      if (this.#stopping) return;
      await this.#alarm.sleep(delayMs);
    }
  }

  /** False: the spool is empty. */
  async #step(): Promise<boolean> {
    const { spool } = this.#ports;
    const size = await spool.size();
    this.#ports.metrics.set('causeway_analytics_spool_bytes', {}, size.bytes);
    const batches = this.#transaction(await spool.peek(peekLimit(size)));
    const last = batches[batches.length - 1];
    if (last === undefined) return false;
    await this.#store(batches);
    await spool.removeThrough(last.position);
    return true;
  }

  /** As many of the oldest as may go together; at least one. */
  #transaction(batches: readonly SpooledBatch[]): readonly SpooledBatch[] {
    let records = 0;
    const beyond = batches.findIndex((batch, index) => {
      records += batch.records;
      return index > 0 && records > this.#recordsMax;
    });
    return beyond === -1 ? batches : batches.slice(0, beyond);
  }

  async #store(batches: readonly SpooledBatch[]): Promise<void> {
    try {
      this.#count(batches, await this.#ports.sink.store(batches));
    } catch (error) {
      if (!isForEver(error)) {
        this.#uncertain = true;
        throw error;
      }
      const [only] = batches;
      if (batches.length > 1 || only === undefined) return this.#storeOneByOne(batches);
      this.#drop(only, error);
      await this.#ports.spool.removeThrough(only.position);
    }
  }

  /** Counts once, though the batch comes again when the spool fails to forget it. */
  #drop({ position, organisation, records }: SpooledBatch, error: unknown): void {
    if (position <= this.#countedThrough) return;
    this.#countedThrough = position;
    this.#ports.metrics.add(
      'causeway_analytics_dropped_records_total',
      { reason: 'refused-by-sink' },
      records,
    );
    this.#ports.log.error('the analytics sink can never store a batch; it was dropped', {
      organisation,
      position,
      records,
      reason: describeError(error),
    });
  }

  async #storeOneByOne(batches: readonly SpooledBatch[]): Promise<void> {
    for (const batch of batches) await this.#store([batch]);
  }

  /**
   * The sink skips what it has and does not count it. If an answer of this process's sink was lost, that is
   * where the difference went; without such a loss it was counted before the last restart.
   */
  #count(batches: readonly SpooledBatch[], { stored, dropped }: SinkResult): void {
    let answeredFor = stored;
    for (const [reason, count] of Object.entries(dropped)) {
      answeredFor += count;
      if (count > 0) this.#ports.metrics.add('causeway_analytics_dropped_records_total', { reason }, count);
    }
    let expected = 0;
    for (const { position, records } of batches) {
      if (position > this.#countedThrough) expected += records;
    }
    const unanswered = this.#uncertain ? Math.max(0, expected - answeredFor) : 0;
    this.#ports.metrics.add('causeway_analytics_stored_records_total', {}, stored + unanswered);
    const newest = batches[batches.length - 1]?.position ?? 0;
    this.#countedThrough = Math.max(this.#countedThrough, newest);
    this.#uncertain = false;
  }

  #failed(error: unknown): void {
    this.#ports.metrics.add('causeway_store_errors_total', { store: 'analytics' });
    if (this.#failing) return;
    this.#failing = true;
    this.#ports.log.warn('analytics cannot be stored; they wait in the spool', {
      reason: describeError(error),
    });
  }

  #recovered(): void {
    if (this.#failing) {
      this.#ports.log.info('analytics are stored again', { failures: this.#backoff.attempts });
    }
    this.#failing = false;
    this.#backoff.reset();
  }
}

/** So many batches of average size that reading them ahead costs bounded memory. */
function peekLimit({ batches, bytes }: { readonly batches: number; readonly bytes: number }): number {
  const averageBytes = Math.max(1, bytes / Math.max(1, batches));
  const affordable = Math.floor(limits.analyticsTransactionBytesMax / averageBytes);
  return Math.min(limits.analyticsTransactionBatchesMax, Math.max(1, affordable));
}

/**
 * Only what says that it lies in the batch. A refused password or a defect is retried: it will be mended,
 * and data is worth more than progress.
 */
function isForEver(error: unknown): boolean {
  return error instanceof CausewayError && batchIsHopeless.has(error.code);
}

const batchIsHopeless: ReadonlySet<ErrorCode> = new Set([
  'STORE_ITEM_UNREADABLE',
  'REQUEST_INVALID',
  'LIMIT_EXCEEDED',
]);
