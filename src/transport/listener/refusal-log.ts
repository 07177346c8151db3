import type { Clock } from '../../ports/clock.js';
import type { Log, LogFields } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';

/** Label values of `causeway_connections_refused_total`. */
export type RefusalReason =
  | 'unknown-protocol'
  | 'preamble-timeout'
  | 'connections-max'
  | 'strangers'
  | 'no-login'
  | 'evicted'
  | 'tls-not-enabled'
  | 'tls-required'
  | 'tls-handshake';

const linesIntervalMs = 10_000;

/**
 * Counts every refused connection, and writes at most one line per reason in ten seconds: a port scan or a
 * misconfigured fleet that redials in a loop must not fill a disk.
 */
export class RefusalLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #recent = new Map<RefusalReason, { readonly writtenAtMs: number; suppressed: number }>();

  constructor(log: Log, clock: Clock, metrics: Metrics) {
    this.#log = log;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  note(reason: RefusalReason, message: string, fields: LogFields): void {
    this.#metrics.add('causeway_connections_refused_total', { reason });
    const nowMs = this.#clock.monotonicMs();
    const recent = this.#recent.get(reason);
    if (recent !== undefined && nowMs - recent.writtenAtMs < linesIntervalMs) {
      recent.suppressed += 1;
      return;
    }
    const repeats = recent === undefined || recent.suppressed === 0 ? {} : { suppressed: recent.suppressed };
    this.#log.warn(message, { reason, ...fields, ...repeats });
    this.#recent.set(reason, { writtenAtMs: nowMs, suppressed: 0 });
  }
}
