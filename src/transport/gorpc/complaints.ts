import type { Clock } from '../../ports/clock.js';
import type { Log, LogFields } from '../../ports/log.js';

const linesIntervalMs = 10_000;

/**
 * At most one line for each kind of trouble in ten seconds: who sends rubbish in a loop must not fill a disk.
 * The metrics count all of it.
 */
export class Complaints {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #recent = new Map<string, { readonly writtenAtMs: number; suppressed: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `message` names the kind: it is one of a few fixed texts. */
  warn(message: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs();
    const recent = this.#recent.get(message);
    if (recent !== undefined && nowMs - recent.writtenAtMs < linesIntervalMs) {
      recent.suppressed += 1;
      return;
    }
    const suppressed = recent?.suppressed ?? 0;
    this.#log.warn(message, suppressed === 0 ? fields : { ...fields, suppressed });
    this.#recent.set(message, { writtenAtMs: nowMs, suppressed: 0 });
  }
}
