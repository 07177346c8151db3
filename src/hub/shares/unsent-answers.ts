import type { OrganisationId } from '../../domain/identifiers.js';
import { type LimitName, limits } from '../../domain/limits.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { ByteShares } from './byte-shares.js';

export interface UnsentAnswersPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How often those who keep others waiting are looked for. */
const sweepIntervalMs = 1_000;

/**
 * Answers that were made and not taken yet: bounded for a connection, an organisation and the hub.
 *
 * An answer is reserved before what goes into it is read, so that nothing waits with its arms full. Where the
 * bound is the connection's own, only its own calls wait. Where it is a common one, whoever has taken nothing
 * for a while is closed: a slow reader may be in its own way, not in that of others.
 */
export class UnsentAnswers {
  readonly #ports: UnsentAnswersPorts;
  readonly #shares = new ByteShares({ owner: 'unsentBytesPerOrganisationMax', all: 'unsentBytesMax' });
  readonly #holding = new Set<UnsentOfConnection>();
  #waitingForAll = 0;
  #sweep: Timer | undefined;

  constructor(ports: UnsentAnswersPorts) {
    this.#ports = ports;
  }

  get bytes(): number {
    return this.#shares.used;
  }

  /** `close`: ends the connection because it takes nothing. */
  connection(organisation: OrganisationId, close: () => void): UnsentOfConnection {
    return new UnsentOfConnection(
      {
        shares: this.#shares,
        nowMs: () => this.#ports.clock.monotonicMs(),
        hit: (limit) => this.#ports.metrics.add('causeway_limit_hits_total', { limit }),
        changed: (one) => {
          if (one.bytes > 0) this.#holding.add(one);
          else this.#holding.delete(one);
          this.#ports.metrics.set('causeway_unsent_bytes', {}, this.#shares.used);
        },
        waiting: (count) => this.#onWaiting(count),
      },
      organisation,
      close,
    );
  }

  #onWaiting(count: number): void {
    this.#waitingForAll += count;
    if (this.#waitingForAll === 0) {
      this.#sweep?.cancel();
      this.#sweep = undefined;
    } else this.#sweep ??= this.#ports.clock.after(sweepIntervalMs, () => this.#onSweep());
  }

  #onSweep(): void {
    this.#sweep = undefined;
    const nowMs = this.#ports.clock.monotonicMs();
    for (const one of [...this.#holding]) {
      if (nowMs - one.progressMs < limits.unsentStallMaxMs) continue;
      this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'unsentStallMaxMs' });
      this.#ports.log.warn('a connection is closed: it takes no answers, and others wait for the room', {
        organisation: one.organisation,
        unsentBytes: one.bytes,
      });
      one.close();
    }
    this.#onWaiting(0);
  }
}

interface Common {
  readonly shares: ByteShares;
  nowMs(): number;
  hit(limit: LimitName): void;
  changed(one: UnsentOfConnection): void;
  /** One more, or one less, waits for a bound that is not its own. */
  waiting(count: 1 | -1): void;
}

/** What one connection has been answered for one organisation and has not taken. */
export class UnsentOfConnection {
  readonly organisation: OrganisationId;
  readonly close: () => void;
  /** When it last took something, or began to have something to take. Monotonic. */
  progressMs: number;
  bytes = 0;
  readonly #common: Common;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  constructor(common: Common, organisation: OrganisationId, close: () => void) {
    this.#common = common;
    this.organisation = organisation;
    this.close = close;
    this.progressMs = common.nowMs();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Undefined: there is room for so many bytes more. One answer always finds room on an idle connection. */
  boundAgainst(bytes: number): LimitName | undefined {
    if (this.bytes > 0 && this.bytes + bytes > limits.unsentBytesPerConnectionMax) {
      return 'unsentBytesPerConnectionMax';
    }
    return this.#common.shares.boundAgainst(this.organisation, bytes);
  }

  /** Waits for room and takes it. False: the connection has ended meanwhile. */
  async reserve(bytes: number): Promise<boolean> {
    let told: LimitName | undefined;
    for (;;) {
      if (this.#ended) return false;
      const bound = this.boundAgainst(bytes);
      if (bound === undefined) break;
      if (bound !== told) this.#common.hit(bound);
      told = bound;
      await this.#room(bound !== 'unsentBytesPerConnectionMax');
    }
    this.add(bytes);
    return true;
  }

  /** Counts what is there already. */
  add(bytes: number): void {
    if (this.#ended || bytes === 0) return;
    if (this.bytes === 0) this.progressMs = this.#common.nowMs();
    this.bytes += bytes;
    this.#common.shares.take(this.organisation, bytes);
    this.#common.changed(this);
  }

  /** It has left. */
  sent(bytes: number): void {
    this.progressMs = this.#common.nowMs();
    this.giveBack(bytes);
  }

  /** It was reserved and is not needed. */
  giveBack(bytes: number): void {
    if (this.#ended || bytes === 0) return;
    this.bytes -= bytes;
    this.#common.shares.release(this.organisation, bytes);
    this.#common.changed(this);
    this.#wake();
  }

  /** The connection is gone, and with it all that waited for it. */
  end(): void {
    if (this.#ended) return;
    const { bytes } = this;
    this.#ended = true;
    this.bytes = 0;
    this.#common.shares.release(this.organisation, bytes);
    this.#common.changed(this);
    this.#wake();
  }

  /** `common`: the bound is one that others share. */
  #room(common: boolean): Promise<void> {
    return new Promise((resolve) => {
      const abandon = this.#common.shares.onRoom(() => wake());
      if (common) this.#common.waiting(1);
      const wake = () => {
        if (!this.#waiting.delete(wake)) return;
        abandon();
        if (common) this.#common.waiting(-1);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
