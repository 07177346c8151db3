import { limits } from '../domain/limits.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { Component } from '../ports/component.js';
import type { Log } from '../ports/log.js';
import type { Metrics } from '../ports/metrics.js';
import type { LoopProgress, ProgressWatch } from '../ports/progress.js';

export interface StalledLoop {
  readonly name: string;
  /** Since when it has had work and made no progress. */
  readonly forMs: number;
}

const lookIntervalMs = 5_000;

/** Finds loops that have had work for `limits.loopStallMs` and made no progress; on the monotonic clock. */
export class LoopWatch implements ProgressWatch, Component {
  readonly name = 'loop-watch';
  readonly #ports: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics };
  readonly #loops = new Map<string, Loop>();
  readonly #told = new Set<string>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(ports: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics }) {
    this.#ports = ports;
  }

  loop(name: string): LoopProgress {
    const known = this.#loops.get(name);
    if (known !== undefined) return known;
    const loop = new Loop(this.#ports.clock);
    this.#loops.set(name, loop);
    return loop;
  }

  stalled(): readonly StalledLoop[] {
    const nowMs = this.#ports.clock.monotonicMs();
    return [...this.#loops].flatMap(([name, { waitingSinceMs }]) => {
      const forMs = waitingSinceMs === undefined ? 0 : nowMs - waitingSinceMs;
      return forMs >= limits.loopStallMs ? [{ name, forMs }] : [];
    });
  }

  async start(): Promise<void> {
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  notReady(): string | undefined {
    return undefined;
  }

  #look(): void {
    if (this.#stopped) return;
    const { clock, log, metrics } = this.#ports;
    const stalled = new Map(this.stalled().map(({ name, forMs }) => [name, forMs]));
    for (const loop of this.#loops.keys()) {
      const seconds = (stalled.get(loop) ?? 0) / 1_000;
      metrics.set('causeway_loop_stalled_seconds', { loop }, seconds);
      if (seconds > 0 && !this.#told.has(loop)) {
        this.#told.add(loop);
        log.error('a loop has work and makes no progress', { loop, seconds: Math.round(seconds) });
      } else if (seconds === 0 && this.#told.delete(loop)) {
        log.info('a loop makes progress again', { loop });
      }
    }
    this.#timer = clock.after(lookIntervalMs, () => this.#look());
  }
}

class Loop implements LoopProgress {
  readonly #clock: Clock;
  /** Monotonic; undefined: it has done something since it last had work, or had none. */
  waitingSinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hasWork(): void {
    this.waitingSinceMs ??= this.#clock.monotonicMs();
  }

  madeProgress(): void {
    this.waitingSinceMs = undefined;
  }
}
