import { organisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type {
  AnalyticsQuarantine,
  QuarantinedRecord,
  QuarantineSummary,
  RefusedRecord,
} from '../../ports/analytics-quarantine.js';
import type { Clock } from '../../ports/clock.js';
import { byteKey, readNumberPart } from './byte-key.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

export interface LmdbAnalyticsQuarantineOptions {
  readonly clock: Clock;
  /** Default `limits.analyticsQuarantineRecordsMax`. */
  readonly recordsMax?: number;
  /** Default `limits.analyticsQuarantineBytesMax`. */
  readonly bytesMax?: number;
  /** Default `limits.analyticsQuarantinedTextBytesMax`. */
  readonly textBytesMax?: number;
}

/**
 * Tables:
 *   quarantine-records  position, index → JSON {organisation, reason, detail?, atMs, bytes, kept}
 *   quarantine-texts    position, index → text
 */
export class LmdbAnalyticsQuarantine implements AnalyticsQuarantine {
  readonly #environment: LmdbEnvironment;
  readonly #options: LmdbAnalyticsQuarantineOptions;
  readonly #records: LmdbTable;
  readonly #texts: LmdbTable;
  /** Undefined: to be counted. */
  #size: Size | undefined;

  constructor(environment: LmdbEnvironment, options: LmdbAnalyticsQuarantineOptions) {
    this.#environment = environment;
    this.#options = options;
    this.#records = environment.table('quarantine-records');
    this.#texts = environment.table('quarantine-texts');
  }

  async put(records: readonly RefusedRecord[]): Promise<{ readonly evicted: number; readonly kept: number }> {
    const {
      clock,
      recordsMax = limits.analyticsQuarantineRecordsMax,
      bytesMax = limits.analyticsQuarantineBytesMax,
      textBytesMax = limits.analyticsQuarantinedTextBytesMax,
    } = this.#options;
    const atMs = clock.nowMs();
    const before = this.#size;
    // Unknown until the commit: one that fails leaves what was there.
    this.#size = undefined;
    const { evicted, size } = await this.#environment.transact(() => {
      let { count, bytes } = before ?? this.#countAll();
      const remove = (key: Buffer): void => {
        const [entry] = this.#records.getRange({ start: key, limit: 1 });
        if (entry === undefined || !entry.key.equals(key)) return;
        const { value } = entry;
        count -= 1;
        bytes -= readHeader(value)?.kept ?? 0;
        this.#records.remove(key);
        this.#texts.remove(key);
      };
      for (const { position, index, organisation, reason, detail, text } of records) {
        const kept = text.subarray(0, textBytesMax);
        const key = byteKey(position, index);
        remove(key);
        const header: Header = { organisation, reason, detail, atMs, bytes: text.length, kept: kept.length };
        this.#records.put(key, Buffer.from(JSON.stringify(header), 'utf8'));
        this.#texts.put(key, kept);
        count += 1;
        bytes += kept.length;
      }
      let evicted = 0;
      while (count > recordsMax || bytes > bytesMax) {
        const oldest = [...this.#records.getKeys({ start: byteKey(0), limit: evictedPerTurn })];
        if (oldest.length === 0) break;
        for (const key of oldest) {
          if (count <= recordsMax && bytes <= bytesMax) break;
          remove(key);
          evicted += 1;
        }
      }
      return { evicted, size: { count, bytes } };
    });
    this.#size = size;
    return { evicted, kept: size.count };
  }

  async summary(): Promise<QuarantineSummary> {
    return this.#environment.read(() => {
      const byReason: Record<string, number> = {};
      let records = 0;
      let bytes = 0;
      for (const { value } of this.#records.getRange({ start: byteKey(0) })) {
        const header = readHeader(value);
        const reason = header?.reason ?? 'unreadable';
        byReason[reason] = (byReason[reason] ?? 0) + 1;
        records += 1;
        bytes += header?.kept ?? 0;
      }
      return { records, bytes, byReason };
    });
  }

  async newest(limit: number): Promise<readonly QuarantinedRecord[]> {
    return this.#environment.read(() => {
      const found: QuarantinedRecord[] = [];
      for (const { key, value } of this.#records.getRange({ reverse: true, limit })) {
        const header = readHeader(value);
        if (header === undefined) continue;
        const { organisation, reason, detail, atMs, bytes } = header;
        found.push({
          ...{ position: readNumberPart(key, 0), index: readNumberPart(key, 8) },
          ...{ organisation: organisationId(organisation), reason, detail, atMs, bytes },
          text: this.#texts.get(key) ?? Buffer.alloc(0),
        });
      }
      return found;
    });
  }

  #countAll(): Size {
    let count = 0;
    let bytes = 0;
    for (const { value } of this.#records.getRange({ start: byteKey(0) })) {
      count += 1;
      bytes += readHeader(value)?.kept ?? 0;
    }
    return { count, bytes };
  }
}

interface Size {
  readonly count: number;
  /** Kept text. */
  readonly bytes: number;
}

const evictedPerTurn = 100;

interface Header {
  readonly organisation: string;
  readonly reason: string;
  readonly detail?: string | undefined;
  readonly atMs: number;
  /** Of the whole record. */
  readonly bytes: number;
  /** Of the text that is kept. */
  readonly kept: number;
}

function readHeader(value: Buffer | undefined): Header | undefined {
  if (value === undefined) return undefined;
  try {
    const header = JSON.parse(value.toString('utf8')) as Partial<Header>;
    const { organisation, reason, detail, atMs, bytes, kept } = header;
    if (typeof organisation !== 'string' || typeof reason !== 'string') return undefined;
    if (typeof atMs !== 'number' || typeof bytes !== 'number' || typeof kept !== 'number') return undefined;
    return {
      organisation,
      reason,
      detail: typeof detail === 'string' ? detail : undefined,
      atMs,
      bytes,
      kept,
    };
  } catch {
    return undefined;
  }
}
