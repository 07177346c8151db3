import { createHash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { networkSourceOf } from '../../domain/network-source.js';
import { whyPlaceholder } from '../../domain/placeholder-secret.js';
import { CausewayError } from '../../errors/causeway-error.js';
import { FailedLogins } from '../../hub/zones/failed-logins.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';

export const guardHeader = 'x-tyk-authorization';
export const guardRefusal = 'Attempted administrative access with invalid or missing key!';

/** How much more a host may fail that has shown the secret: mistakes behind its address must not shut it out. */
const provedFactor = 10;
/** How long a host that has shown the secret is remembered. */
const provedMs = 3_600_000;
const provedHostsMax = 1_000;
const linesIntervalMs = 10_000;

export interface AdministrativeGuardOptions {
  /** Secret; empty: opens to nobody. */
  readonly secret: string;
  /** The option `causeway.failed_logins_per_minute`. */
  readonly failuresPerMinuteMax: number;
}

/**
 * The one door of everything on the HTTP port that is not for everybody.
 *
 * The secret is one that a person chose, so it can be guessed. Once a host or its network has failed too often,
 * nothing it sends is looked at for a while: were the right secret still let in, as the API keys of workers are,
 * guessing would go on as fast as before. An operator behind the address of somebody who
 * guesses is not shut out by that: a host that has shown the secret may fail ten times as often.
 */
export class AdministrativeGuard {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #expected: Buffer;
  readonly #isEmpty: boolean;
  readonly #placeholder: string | undefined;
  readonly #failures: FailedLogins;
  readonly #failuresOfProved: FailedLogins;
  /** Monotonic: when a host last showed the secret. */
  readonly #proved = new LRUCache<string, number>({ max: provedHostsMax });
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    { secret, failuresPerMinuteMax }: AdministrativeGuardOptions,
    { clock, log, metrics }: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#metrics = metrics;
    this.#expected = digest(secret);
    this.#isEmpty = secret === '';
    this.#placeholder = whyPlaceholder(secret);
    this.#failures = new FailedLogins(clock, failuresPerMinuteMax);
    this.#failuresOfProved = new FailedLogins(clock, failuresPerMinuteMax * provedFactor);
  }

  /** Throws API_KEY_REFUSED, or LOGIN_RATE_LIMITED without having looked at the header. */
  admit(header: string | string[] | undefined, address: string): void {
    // Whoever sends nothing guesses nothing.
    if (header === undefined || header === '') throw this.#refused();
    const { host } = networkSourceOf(address);
    const failures = this.#hasProved(host) ? this.#failuresOfProved : this.#failures;
    if (failures.isExhausted(address)) throw this.#limited(address);
    if (!this.#isSecret(header)) {
      failures.note(address);
      throw this.#refused();
    }
    this.#proved.set(host, this.#clock.monotonicMs());
  }

  /**
   * For what changes or shows keys, behind `admit`. Throws SECRET_PLACEHOLDER when everybody knows the secret, so
   * that whoever sends it has proved nothing.
   */
  admitAdministration(): void {
    if (this.#placeholder === undefined) return;
    throw new CausewayError(
      'SECRET_PLACEHOLDER',
      `security.secret ${this.#placeholder}: administration stays shut until it is a secret`,
    );
  }

  /** In a time that tells nothing of either; digests make their lengths equal. */
  #isSecret(header: string | string[]): boolean {
    const equal = timingSafeEqual(digest(typeof header === 'string' ? header : ''), this.#expected);
    return equal && !this.#isEmpty;
  }

  #hasProved(host: string): boolean {
    const atMs = this.#proved.get(host);
    return atMs !== undefined && this.#clock.monotonicMs() - atMs < provedMs;
  }

  #refused(): CausewayError {
    return new CausewayError('API_KEY_REFUSED', guardRefusal);
  }

  #limited(address: string): CausewayError {
    this.#metrics.add('causeway_limit_hits_total', { limit: 'failedLoginsPerMinuteMax' });
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#saidAtMs >= linesIntervalMs) {
      this.#saidAtMs = nowMs;
      this.#log.warn('somebody guesses the secret of the HTTP port; what comes from there is not looked at', {
        remoteAddress: address,
      });
    }
    return new CausewayError('LOGIN_RATE_LIMITED', 'too many failed attempts; try again in a minute');
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
