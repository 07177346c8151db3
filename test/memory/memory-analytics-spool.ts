import { limits } from '../../src/domain/limits.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import type { AnalyticsSpool, BatchIdentity, SpooledBatch } from '../../src/ports/analytics-spool.js';
import { MemoryStore } from './memory-store.js';

export interface MemoryAnalyticsSpoolOptions {
  readonly bytesMax?: number;
  readonly batchIdsMax?: number;
}

interface DurableState {
  readonly batches: readonly SpooledBatch[];
  readonly identities: ReadonlySet<string>;
  readonly newestPosition: number;
}

export class MemoryAnalyticsSpool extends MemoryStore implements AnalyticsSpool {
  readonly #options: MemoryAnalyticsSpoolOptions;
  #batches: SpooledBatch[];
  /** In order of arrival: the first is the oldest. */
  readonly #identities: Set<string>;
  #newestPosition: number;

  constructor(
    options: MemoryAnalyticsSpoolOptions = {},
    state: DurableState = { batches: [], identities: new Set(), newestPosition: 0 },
  ) {
    super();
    this.#options = options;
    this.#batches = [...state.batches];
    this.#identities = new Set(state.identities);
    this.#newestPosition = state.newestPosition;
  }

  /** A crash: every batch that was taken is there. */
  restart(): MemoryAnalyticsSpool {
    this.sever();
    return new MemoryAnalyticsSpool(this.#options, {
      batches: this.#batches,
      identities: this.#identities,
      newestPosition: this.#newestPosition,
    });
  }

  append(
    batch: Omit<SpooledBatch, 'position'>,
    identity: BatchIdentity | undefined,
  ): Promise<'taken' | 'duplicate'> {
    return this.operation('append', () => {
      const known = identity === undefined ? undefined : identityKey(identity);
      if (known !== undefined && this.#identities.has(known)) return 'duplicate';
      const bytesMax = this.#options.bytesMax ?? limits.analyticsSpoolBytesMax;
      if (this.#bytes() + batch.payload.length > bytesMax) {
        throw new CausewayError('LIMIT_EXCEEDED', `analyticsSpoolBytesMax (${bytesMax}) is reached`);
      }
      this.#newestPosition += 1;
      this.#batches.push({ ...batch, payload: Buffer.from(batch.payload), position: this.#newestPosition });
      if (known !== undefined) {
        this.#identities.add(known);
        const idsMax = this.#options.batchIdsMax ?? limits.analyticsBatchIdsMax;
        for (const oldest of this.#identities) {
          if (this.#identities.size <= idsMax) break;
          this.#identities.delete(oldest);
        }
      }
      return 'taken';
    });
  }

  peek(limit: number): Promise<readonly SpooledBatch[]> {
    return this.operation('peek', () => this.#batches.slice(0, limit));
  }

  removeThrough(position: number): Promise<void> {
    return this.operation('removeThrough', () => {
      this.#batches = this.#batches.filter((batch) => batch.position > position);
    });
  }

  replace(position: number, parts: readonly Omit<SpooledBatch, 'position'>[]): Promise<void> {
    return this.operation('replace', () => {
      this.#batches = this.#batches.filter((batch) => batch.position > position);
      for (const part of parts) {
        this.#newestPosition += 1;
        const payload = Buffer.from(part.payload);
        this.#batches.push({ ...part, payload, position: this.#newestPosition });
      }
    });
  }

  size(): Promise<{ readonly batches: number; readonly bytes: number }> {
    return this.operation('size', () => ({ batches: this.#batches.length, bytes: this.#bytes() }));
  }

  #bytes(): number {
    return this.#batches.reduce((sum, batch) => sum + batch.payload.length, 0);
  }
}

function identityKey(identity: BatchIdentity): string {
  return JSON.stringify([identity.organisation, identity.node, identity.batchId]);
}
