import { describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { ComponentHealth, ReadinessReport } from './operator-views.js';

/** A hub that is not ready is looked at more often: it should not wait a whole period to be used again. */
const failingRenewalMsMax = 1_000;
/** A store that does not answer at all must not leave the last good report standing. */
const readTimeoutMs = 10_000;

/**
 * The last readiness report, renewed in the background so that probes cost the stores nothing. Draining
 * overrules it at once.
 */
export class ReadinessCache {
  readonly #read: () => Promise<ReadinessReport>;
  readonly #renewalMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #components: readonly ComponentHealth[];
  #renewal: Promise<void> | undefined;
  #timer: Timer | undefined;
  #drainingSinceMs: number | undefined;
  #stopped = false;

  constructor(
    read: () => Promise<ReadinessReport>,
    renewalMs: number,
    dependencies: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
  ) {
    this.#read = read;
    this.#renewalMs = renewalMs;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
    this.#metrics = dependencies.metrics;
    this.#components = this.#failure('it starts');
  }

  get passes(): boolean {
    return this.#drainingSinceMs === undefined && this.#components.every(({ status }) => status !== 'fail');
  }

  get components(): readonly ComponentHealth[] {
    if (this.#drainingSinceMs === undefined) return this.#components;
    const reason = 'it drains and stops';
    return [
      { name: 'hub', status: 'fail', observedAtMs: this.#drainingSinceMs, reason },
      ...this.#components,
    ];
  }

  /** Reads now, and then once per period. A read that is under way is waited for, not repeated. */
  renew(): Promise<void> {
    this.#renewal ??= this.#readOnce().finally(() => {
      this.#renewal = undefined;
      this.#timer?.cancel();
      if (this.#stopped) return;
      const delayMs = this.passes ? this.#renewalMs : Math.min(this.#renewalMs, failingRenewalMsMax);
      this.#timer = this.#clock.after(delayMs, () => void this.renew());
    });
    return this.#renewal;
  }

  /** Not ready from now on. */
  beginDraining(): void {
    this.#drainingSinceMs ??= this.#clock.nowMs();
    this.#metrics.set('causeway_ready', {}, 0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #readOnce(): Promise<void> {
    const before = this.passes;
    let timer: Timer | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = this.#clock.after(readTimeoutMs, () => reject(new Error('no answer in time')));
      });
      this.#components = (await Promise.race([this.#read(), late])).components;
    } catch (error) {
      const reason = describeError(error);
      this.#log.error('the readiness of the hub could not be read', { reason });
      this.#components = this.#failure(reason);
    } finally {
      timer?.cancel();
    }
    this.#metrics.set('causeway_ready', {}, this.passes ? 1 : 0);
    if (this.passes === before || this.#drainingSinceMs !== undefined) return;
    const failing = this.#components
      .filter(({ status }) => status === 'fail')
      .map(({ name, reason }) => (reason === undefined ? name : `${name}: ${reason}`));
    if (this.passes) this.#log.info('ready');
    else this.#log.warn('not ready', { failing });
  }

  #failure(reason: string): readonly ComponentHealth[] {
    return [{ name: 'hub', status: 'fail', observedAtMs: this.#clock.nowMs(), reason }];
  }
}
