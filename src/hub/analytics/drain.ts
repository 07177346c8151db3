import { limits } from '../../domain/limits.js';
import type { ErrorCode } from '../../errors/catalogue.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { AnalyticsQuarantine, RefusedRecord } from '../../ports/analytics-quarantine.js';
import type { AnalyticsSink, SinkResult } from '../../ports/analytics-sink.js';
import type { AnalyticsSpool, SpooledBatch } from '../../ports/analytics-spool.js';
import type { Clock } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { Backoff } from '../../std/backoff.js';
import { TokenBucket } from '../../std/token-bucket.js';
import { AlarmClock } from './alarm-clock.js';
import { halveBatch, splitBatch } from './split-batch.js';

export interface AnalyticsDrainPorts {
  readonly spool: AnalyticsSpool;
  readonly sink: AnalyticsSink;
  readonly quarantine: AnalyticsQuarantine;
  readonly progress: LoopProgress;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface AnalyticsDrainOptions {
  /** Default limits.analyticsTransactionRecordsMax. */
  readonly recordsPerTransactionMax?: number;
  /** Default limits.analyticsTransactionBytesMax. */
  readonly bytesPerTransactionMax?: number;
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
 * the forgetting, the step is simply taken again. Failures back off.
 *
 * A failure that lies in what is to be stored is another matter: trying again would stop everybody's analytics
 * for good. Then the batches go one at a time, and one that fails alone is cut in halves, which take the last
 * places of the spool: nobody waits for the search. A record that fails alone, while the sink shows that it is
 * well, is set aside and counted. That a failure lies in the store is never guessed from its being unknown:
 * the sink is asked to go the same way with a record that has nothing in it.
 *
 * Rejected: halving in place, by stores that are rolled back. It needs no new positions in the spool, but
 * everything behind the batch waits for some twenty rounds of it.
 */
export class AnalyticsDrain implements Component {
  readonly name = 'analytics drain';
  readonly #ports: AnalyticsDrainPorts;
  readonly #recordsMax: number;
  readonly #bytesMax: number;
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
  readonly #lines: TokenBucket;

  constructor(ports: AnalyticsDrainPorts, options: AnalyticsDrainOptions = {}) {
    this.#ports = ports;
    this.#recordsMax = options.recordsPerTransactionMax ?? limits.analyticsTransactionRecordsMax;
    this.#bytesMax = options.bytesPerTransactionMax ?? limits.analyticsTransactionBytesMax;
    this.#lines = new TokenBucket({ capacity: 10, tokensPerMinute: 10 }, ports.clock.monotonicMs());
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
    const timer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), cutOff);
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
    const { spool, progress } = this.#ports;
    const size = await spool.size();
    this.#ports.metrics.set('causeway_analytics_spool_bytes', {}, size.bytes);
    const batches = this.#transaction(await spool.peek(this.#peekLimit(size)));
    const last = batches[batches.length - 1];
    if (last === undefined) {
      progress.madeProgress();
      return false;
    }
    progress.hasWork();
    // More than the sink may be given at once stands alone here.
    const parts = last.payload.length > this.#bytesMax ? splitBatch(last, this.#bytesMax) : [];
    if (parts.length > 0) await spool.replace(last.position, parts);
    else {
      await this.#store(batches);
      await spool.removeThrough(last.position);
    }
    progress.madeProgress();
    return true;
  }

  /** So many batches of average size that reading them ahead costs bounded memory. */
  #peekLimit({ batches, bytes }: { readonly batches: number; readonly bytes: number }): number {
    const averageBytes = Math.max(1, bytes / Math.max(1, batches));
    const affordable = Math.floor(this.#bytesMax / averageBytes);
    return Math.min(limits.analyticsTransactionBatchesMax, Math.max(1, affordable));
  }

  /** As many of the oldest as may go together; at least one. */
  #transaction(batches: readonly SpooledBatch[]): readonly SpooledBatch[] {
    let records = 0;
    let bytes = 0;
    const beyond = batches.findIndex((batch, index) => {
      records += batch.records;
      bytes += batch.payload.length;
      return index > 0 && (records > this.#recordsMax || bytes > this.#bytesMax);
    });
    return beyond === -1 ? batches : batches.slice(0, beyond);
  }

  async #store(batches: readonly SpooledBatch[]): Promise<void> {
    const [first] = batches;
    if (first === undefined) return;
    try {
      const setAside = (records: readonly RefusedRecord[]) => this.#setAside(records);
      this.#count(batches, await this.#ports.sink.store(batches, setAside));
    } catch (error) {
      if (!(await this.#liesInThem(error, first))) {
        this.#uncertain = true;
        throw error;
      }
      if (batches.length > 1) return this.#storeOneByOne(batches);
      await this.#narrow(first, error);
    }
  }

  /**
   * Whether it is certain that the batches failed and not the store, and that nothing of them was stored. What
   * is neither known nor confirmed is taken for the store's: data is worth more than progress.
   */
  async #liesInThem(error: unknown, { position }: SpooledBatch): Promise<boolean> {
    if (error instanceof CausewayError) return liesInTheBatch.has(error.code);
    try {
      return (await this.#ports.sink.check()) < position;
    } catch {
      return false;
    }
  }

  async #storeOneByOne(batches: readonly SpooledBatch[]): Promise<void> {
    for (const batch of batches) {
      await this.#store([batch]);
      this.#ports.progress.madeProgress();
    }
  }

  /** A batch that failed alone; all before it is stored. */
  async #narrow(batch: SpooledBatch, error: unknown): Promise<void> {
    const { spool, sink, metrics } = this.#ports;
    const halves = halveBatch(batch);
    if (halves.length > 0) return spool.replace(batch.position, halves);
    // The last word over a record is spoken only by a sink that is well at this moment.
    await sink.check();
    const { position, organisation, records, payload } = batch;
    const refused = { organisation, position, index: 0, reason: refusedBySink, text: payload };
    await this.#setAside([{ ...refused, detail: describeError(error) }]);
    if (position > this.#countedThrough) {
      this.#countedThrough = position;
      metrics.add('causeway_analytics_dropped_records_total', { reason: refusedBySink }, records);
    }
    await spool.removeThrough(position);
  }

  async #setAside(records: readonly RefusedRecord[]): Promise<void> {
    const { quarantine, metrics, clock, log } = this.#ports;
    const { evicted, kept } = await quarantine.put(records.slice(0, limits.analyticsQuarantinedAtOnceMax));
    metrics.set('causeway_analytics_quarantined_records', {}, kept);
    if (evicted > 0) {
      metrics.add('causeway_limit_hits_total', { limit: 'analyticsQuarantineRecordsMax' }, evicted);
    }
    const byOrigin = new Map<string, { readonly first: RefusedRecord; count: number }>();
    for (const record of records) {
      const name = `${record.reason} ${record.organisation}`;
      const origin = byOrigin.get(name);
      if (origin === undefined) byOrigin.set(name, { first: record, count: 1 });
      else origin.count += 1;
    }
    for (const { first, count } of byOrigin.values()) {
      if (!this.#lines.take(clock.monotonicMs())) return;
      const { organisation, position, index, reason, detail } = first;
      const fields = { organisation, reason, records: count, position, index, detail };
      log.warn('analytics records that can never be stored were set aside', fields);
    }
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
    // Whether something waits in a spool that does not answer is not known, so it is taken for work.
    this.#ports.progress.hasWork();
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

const refusedBySink = 'refused-by-sink';

/** A refused password or a certificate is not among them: it will be mended, and the data waits for it. */
const liesInTheBatch: ReadonlySet<ErrorCode> = new Set([
  'ANALYTICS_REFUSED',
  'STORE_ITEM_UNREADABLE',
  'REQUEST_INVALID',
  'LIMIT_EXCEEDED',
]);
