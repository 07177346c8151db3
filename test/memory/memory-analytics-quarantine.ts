import type {
  AnalyticsQuarantine,
  QuarantinedRecord,
  QuarantineSummary,
  RefusedRecord,
} from '../../src/ports/analytics-quarantine.js';
import { MemoryStore } from './memory-store.js';

export interface MemoryQuarantineOptions {
  readonly recordsMax?: number;
  readonly bytesMax?: number;
  readonly textBytesMax?: number;
}

export class MemoryAnalyticsQuarantine extends MemoryStore implements AnalyticsQuarantine {
  readonly #options: MemoryQuarantineOptions;
  #kept: readonly QuarantinedRecord[];

  constructor(options: MemoryQuarantineOptions = {}, kept: readonly QuarantinedRecord[] = []) {
    super();
    this.#options = options;
    this.#kept = kept;
  }

  restart(): MemoryAnalyticsQuarantine {
    this.sever();
    return new MemoryAnalyticsQuarantine(this.#options, this.#kept);
  }

  put(records: readonly RefusedRecord[]): Promise<{ evicted: number; kept: number }> {
    const { recordsMax = 10_000, bytesMax = 2 ** 26, textBytesMax = 2 ** 16 } = this.#options;
    return this.operation('put', () => {
      const fresh = records.map((one) => ({
        ...one,
        atMs: 0,
        bytes: one.text.length,
        text: Buffer.from(one.text.subarray(0, textBytesMax)),
      }));
      const others = this.#kept.filter((old) => !fresh.some((one) => isSame(one, old)));
      const all = [...others, ...fresh].sort((a, b) => a.position - b.position || a.index - b.index);
      let evicted = 0;
      while (all.length > recordsMax || textBytes(all) > bytesMax) {
        all.shift();
        evicted += 1;
      }
      this.#kept = all;
      return { evicted, kept: all.length };
    });
  }

  summary(): Promise<QuarantineSummary> {
    return this.operation('summary', () => {
      const byReason: Record<string, number> = {};
      for (const { reason } of this.#kept) byReason[reason] = (byReason[reason] ?? 0) + 1;
      return { records: this.#kept.length, bytes: textBytes(this.#kept), byReason };
    });
  }

  newest(limit: number): Promise<readonly QuarantinedRecord[]> {
    return this.operation('newest', () => [...this.#kept].reverse().slice(0, limit));
  }
}

function isSame(a: RefusedRecord, b: RefusedRecord): boolean {
  return a.position === b.position && a.index === b.index;
}

function textBytes(records: readonly QuarantinedRecord[]): number {
  return records.reduce((sum, { text }) => sum + text.length, 0);
}
