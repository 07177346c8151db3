import type { OrganisationId, ZoneId } from '../../domain/identifiers.js';
import { describeError } from '../../errors/causeway-error.js';
import type { ChangeLog, Cursor } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { ageMs, steadyNowMs } from '../../std/steady-time.js';

const measureIntervalMs = 5_000;
/** A cursor untouched for this long belongs to a worker that will not come back. */
const cursorLifeMs = 30 * 24 * 3_600_000;

/** How far the slowest worker of a zone is behind. */
export interface ZoneLag {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  readonly workers: number;
  /** Entries not confirmed. */
  readonly entries: number;
  /** Age of the oldest of them, or 0. */
  readonly seconds: number;
}

/** Measures the lag of each zone from the cursors, and forgets cursors of workers long gone. */
export class ZoneLags implements Component {
  readonly name = 'zone lag';
  readonly #ports: {
    readonly changeLog: ChangeLog;
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
    readonly progress?: LoopProgress | undefined;
  };
  /** Cursors that only their owners read, and that say nothing about a worker's lag. */
  readonly #isInternal: (cursor: Cursor) => boolean;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    ports: {
      readonly changeLog: ChangeLog;
      readonly clock: Clock;
      readonly log: Log;
      readonly metrics: Metrics;
      readonly progress?: LoopProgress | undefined;
    },
    isInternal: (cursor: Cursor) => boolean,
  ) {
    this.#ports = ports;
    this.#isInternal = isInternal;
    // Asked now, so that it has not jumped yet.
    steadyNowMs(ports.clock);
  }

  async start(): Promise<void> {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  notReady(): string | undefined {
    return undefined;
  }

  async measure(): Promise<readonly ZoneLag[]> {
    const { changeLog, clock } = this.#ports;
    const zones = new Map<string, { slowest: Cursor; workers: number }>();
    for (const cursor of await changeLog.cursors()) {
      if (ageMs(clock, cursor.atMs) > cursorLifeMs) {
        await changeLog.removeCursor(cursor);
        continue;
      }
      if (this.#isInternal(cursor)) continue;
      const name = JSON.stringify([cursor.organisation, cursor.zone]);
      const zone = zones.get(name);
      if (zone === undefined) zones.set(name, { slowest: cursor, workers: 1 });
      else {
        zone.workers += 1;
        if (cursor.sequence < zone.slowest.sequence) zone.slowest = cursor;
      }
    }
    return Promise.all([...zones.values()].map(({ slowest, workers }) => this.#lagOf(slowest, workers)));
  }

  async #lagOf(slowest: Cursor, workers: number): Promise<ZoneLag> {
    const { organisation, zone, sequence } = slowest;
    const { oldest, newest } = await this.#ports.changeLog.bounds(organisation);
    const entries = Math.max(0, newest - sequence);
    if (entries === 0) return { organisation, zone, workers, entries, seconds: 0 };
    const after = Math.max(sequence, oldest - 1);
    const [waiting] = await this.#ports.changeLog.read(organisation, after, 1);
    const seconds = waiting === undefined ? 0 : ageMs(this.#ports.clock, waiting.atMs) / 1_000;
    return { organisation, zone, workers, entries, seconds };
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#ports.clock.after(measureIntervalMs, () => {
      this.#ports.progress?.hasWork();
      this.#publish()
        .then(() => this.#ports.progress?.madeProgress())
        .catch((thrown: unknown) => {
          this.#ports.log.debug('zone lag not measured', { reason: describeError(thrown) });
        })
        .finally(() => this.#schedule());
    });
  }

  async #publish(): Promise<void> {
    const { metrics } = this.#ports;
    const lags = await this.measure();
    metrics.reset('causeway_zone_lag_entries');
    metrics.reset('causeway_zone_lag_seconds');
    for (const { organisation, zone, entries, seconds } of lags) {
      metrics.set('causeway_zone_lag_entries', { organisation, zone }, entries);
      metrics.set('causeway_zone_lag_seconds', { organisation, zone }, seconds);
    }
  }
}
