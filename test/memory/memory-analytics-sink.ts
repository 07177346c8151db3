import { analyticsColumns } from '../../src/domain/analytics-columns.js';
import {
  type AnalyticsRow,
  type AnalyticsValue,
  readAnalyticsRecords,
} from '../../src/domain/analytics-record.js';
import type { RefusedRecord } from '../../src/ports/analytics-quarantine.js';
import type { AnalyticsSink, SetAside, SinkResult } from '../../src/ports/analytics-sink.js';
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

  async store(batches: readonly SpooledBatch[], setAside?: SetAside): Promise<SinkResult> {
    const { refused } = this.#read(batches);
    if (refused.length > 0) await setAside?.(refused);
    return this.operation('store', () => {
      const { rows, aggregates, dropped, position } = this.#read(batches);
      this.#rows.push(...rows);
      this.aggregates.push(...aggregates);
      this.#position = position;
      return { stored: rows.length, dropped };
    });
  }

  check(): Promise<number> {
    return this.operation('check', () => this.#position);
  }

  count(): Promise<number> {
    return this.operation('count', () => this.#rows.length);
  }

  #read(batches: readonly SpooledBatch[]) {
    let position = this.#position;
    const rows: AnalyticsRow[] = [];
    const aggregates: SpooledBatch[] = [];
    const refused: RefusedRecord[] = [];
    const dropped: Record<string, number> = {};
    for (const batch of batches) {
      if (batch.position <= position) continue;
      position = batch.position;
      if (batch.kind !== undefined) {
        aggregates.push(batch);
        continue;
      }
      let index = -1;
      for (const result of readAnalyticsRecords(batch.payload, batch.records)) {
        index += 1;
        if ('row' in result) rows.push(result.row);
        else {
          const { dropped: reason, element: text } = result;
          dropped[reason] = (dropped[reason] ?? 0) + 1;
          if (text === undefined || reason === 'null') continue;
          refused.push({ organisation: batch.organisation, position, index, reason, text });
        }
      }
    }
    return { position, rows, aggregates, refused, dropped };
  }

  /** What a reader of the store sees: one object per record, by column name. */
  get records(): readonly Readonly<Record<string, AnalyticsValue>>[] {
    return this.#rows.map((row) =>
      Object.fromEntries(analyticsColumns.map((column, index) => [column.name, row[index] ?? ''])),
    );
  }
}
