import { LRUCache } from 'lru-cache';
import { limits } from '../../domain/limits.js';
import type { Clock } from '../../ports/clock.js';
import type { Log, LogFields } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { TokenBucket } from '../../std/token-bucket.js';

/** Whom a refusal is about, as far as it takes no reading of what a stranger sent. */
export interface RefusedLogin {
  readonly wire: 'grpc' | 'gorpc';
  readonly address: string;
  /** As the worker names it: of a stranger, and cut to `namedLengthMax` in the log. */
  readonly organisation?: string | undefined;
  readonly zone?: string | undefined;
  readonly code: string;
  readonly reason: string;
  /** Hidden already. */
  readonly key: string;
}

/** Somebody who tries for ever is told of once in this time. */
const repeatMs = 60_000;
const namedLengthMax = 64;

/**
 * A line for each worker that is turned away. A worker with a wrong key asks every few seconds and for ever: it gets a
 * line a minute, so that it neither fills the disk nor hides another data center that has the same trouble. A crowd
 * of addresses is rationed all together.
 */
export class LoginRefusals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #lines: TokenBucket;
  readonly #told: LRUCache<string, { readonly atMs: number; repeats: number }>;
  #leftOut = 0;

  constructor({
    clock,
    log,
    metrics,
  }: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics }) {
    this.#clock = clock;
    this.#log = log;
    this.#metrics = metrics;
    const perMinute = limits.refusalLinesPerMinuteMax;
    this.#lines = new TokenBucket({ capacity: perMinute, tokensPerMinute: perMinute }, clock.monotonicMs());
    this.#told = new LRUCache({
      max: limits.refusalsRememberedMax,
      dispose: (_told, _who, reason) => {
        if (reason === 'evict') metrics.add('causeway_limit_hits_total', { limit: 'refusalsRememberedMax' });
      },
    });
  }

  /** `details`: what the worker says about itself, read only for a line that is written. */
  tell(refused: RefusedLogin, details: () => LogFields = () => ({})): void {
    const nowMs = this.#clock.monotonicMs();
    const organisation = refused.organisation?.slice(0, namedLengthMax);
    const zone = refused.zone?.slice(0, namedLengthMax);
    const who = JSON.stringify([refused.wire, refused.address, organisation, zone, refused.code]);
    const told = this.#told.get(who);
    if (told !== undefined && nowMs - told.atMs < repeatMs) {
      told.repeats += 1;
      return;
    }
    if (!this.#lines.take(nowMs)) {
      this.#leftOut += 1;
      this.#metrics.add('causeway_limit_hits_total', { limit: 'refusalLinesPerMinuteMax' });
      return;
    }
    const repeats = told?.repeats ?? 0;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#told.set(who, { atMs: nowMs, repeats: 0 });
    this.#log.warn('a worker may not log in', {
      ...refused,
      ...(organisation !== undefined && { organisation }),
      ...(zone !== undefined && { zone }),
      ...details(),
      ...(repeats > 0 && { repeats }),
      ...(leftOut > 0 && { linesLeftOut: leftOut }),
    });
  }
}
