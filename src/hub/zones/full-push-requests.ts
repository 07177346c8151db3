import { LRUCache } from 'lru-cache';
import type { OrganisationId, ZoneId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { Clock } from '../../ports/clock.js';

export interface FullPushRequest {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  /**
   * `worker`: its local store is new or it lost a poll. `missed`: the change log no longer has what it needs.
   * `unsaid`: a right was taken away that its gateways' texts have no form for.
   */
  readonly reason: 'worker' | 'missed' | 'unsaid';
  /** Wall clock, of the first request. */
  readonly sinceMs: number;
  /** How often it was asked for: several workers of a zone ask within seconds. */
  readonly count: number;
}

/** Which zones need all keys, certificates and OAuth clients again. One entry for each zone, however many ask. */
export class FullPushRequests {
  readonly #clock: Clock;
  readonly #requests = new LRUCache<string, FullPushRequest>({ max: limits.fullPushRequestsMax });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  request(organisation: OrganisationId, zone: ZoneId, reason: FullPushRequest['reason']): void {
    const key = keyOf(organisation, zone);
    const before = this.#requests.peek(key);
    this.#requests.set(key, {
      organisation,
      zone,
      reason,
      sinceMs: before?.sinceMs ?? this.#clock.nowMs(),
      count: (before?.count ?? 0) + 1,
    });
  }

  /** Who asked longest ago first. */
  all(): readonly FullPushRequest[] {
    return [...this.#requests.rvalues()].filter((request) => request !== undefined);
  }

  /** The push is done. */
  settle(organisation: OrganisationId, zone: ZoneId): void {
    this.#requests.delete(keyOf(organisation, zone));
  }
}

function keyOf(organisation: OrganisationId, zone: ZoneId): string {
  return JSON.stringify([organisation, zone]);
}
