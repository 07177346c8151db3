import type { OrganisationId, ZoneId } from '../../domain/identifiers.js';
import { isRevocation } from '../../domain/key-event.js';
import { limits } from '../../domain/limits.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { KeyEventTexts } from './key-event-texts.js';

export interface UnsaidEventsParts {
  readonly log: Log;
  readonly metrics: Metrics;
  /** A right was taken away that the zone could not be told of. */
  readonly onRevocation: (organisation: OrganisationId, zone: ZoneId) => void;
}

/**
 * Sees to it that nothing is left unsaid in silence: all is counted, each kind is logged once for a zone, and a zone
 * that could not be told of a revocation is marked as one whose keys are to be pushed to it anew.
 */
export class UnsaidEvents {
  readonly #parts: UnsaidEventsParts;
  readonly #logged = new Set<string>();

  constructor(parts: UnsaidEventsParts) {
    this.#parts = parts;
  }

  note(
    { organisation, zone }: { readonly organisation: OrganisationId; readonly zone: ZoneId },
    unsaid: KeyEventTexts['unsaid'],
  ): void {
    const { log, metrics, onRevocation } = this.#parts;
    for (const { event, reason } of unsaid) {
      const { kind } = event;
      metrics.add('causeway_key_events_unsaid_total', { kind, reason });
      // A release that does not know an event has nothing that it could be about.
      if (reason === 'release') continue;
      if (isRevocation(event)) onRevocation(organisation, zone);
      const line = JSON.stringify([organisation, zone, kind]);
      if (this.#logged.has(line)) continue;
      if (this.#logged.size >= limits.unsaidLinesMax) {
        metrics.add('causeway_limit_hits_total', { limit: 'unsaidLinesMax' });
        continue;
      }
      this.#logged.add(line);
      const api = 'api' in event ? { api: event.api } : {};
      log.warn(
        "a key event cannot be told to gateways: its ids hold ':' or '.', which their texts are split at; what comes nearest was told instead, and what it is about may have to be removed from their Redis by hand",
        { organisation, zone, kind, ...api },
      );
    }
  }
}
