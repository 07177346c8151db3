import { analyticsColumns } from '../../src/domain/analytics-columns.js';
import {
  type AnalyticsRow,
  type AnalyticsValue,
  readAnalyticsRecords,
} from '../../src/domain/analytics-record.js';
import type { AnalyticsSink, SinkResult } from '../../src/ports/analytics-sink.js';
import type { SpooledBatch } from '../../src/ports/analytics-spool.js';
import { MemoryStore } from './memory-store.js';

interface DurableState {
  readonly rows: readonly AnalyticsRow[];
  readonly position: number;
}

export class MemoryAnalyticsSink extends MemoryStore implements AnalyticsSink {
  readonly #rows: AnalyticsRow[];
  #position: number;
  /** What workers have summed up themselves, as they sent it. */
  readonly aggregates: SpooledBatch[] = [];

  constructor(state: DurableState = { rows: [], position: 0 }) {
    super();
    this.#rows = [...state.rows];
    this.#position = state.position;
  }

  restart(): MemoryAnalyticsSink {
    this.sever();
    return new MemoryAnalyticsSink({ rows: this.#rows, position: this.#position });
  }

  store(batches: readonly SpooledBatch[]): Promise<SinkResult> {
    return this.operation('store', () => {
      let stored = 0;
      const dropped: Record<string, number> = {};
      for (const batch of batches) {
        if (batch.position <= this.#position) continue;
        this.#position = batch.position;
        if (batch.kind !== undefined) {
          this.aggregates.push(batch);
          continue;
        }
        for (const result of readAnalyticsRecords(batch.payload, batch.records)) {
          if ('row' in result) {
            this.#rows.push(result.row);
            stored += 1;
          } else dropped[result.dropped] = (dropped[result.dropped] ?? 0) + 1;
        }
      }
      return { stored, dropped };
    });
  }

  count(): Promise<number> {
    return this.operation('count', () => this.#rows.length);
  }

  /** What a reader of the store sees: one object per record, by column name. */
  get records(): readonly Readonly<Record<string, AnalyticsValue>>[] {
    return this.#rows.map((row) =>
      Object.fromEntries(analyticsColumns.map((column, index) => [column.name, row[index] ?? ''])),
    );
  }
}
