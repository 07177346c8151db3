import { jsonArrayElements } from '../std/json-array-elements.js';
import { isDeeperThan } from '../std/json-depth.js';
import { jsonExceeds } from '../std/json-shape.js';
import { quoteLongIntegers } from '../std/quote-long-integers.js';
import { type AnalyticsColumn, type AnalyticsColumnKind, analyticsColumns } from './analytics-columns.js';
import { limits } from './limits.js';

export type AnalyticsValue = string | number | bigint | boolean;

/** One value per entry of `analyticsColumns`, in that order; never null. */
export type AnalyticsRow = readonly AnalyticsValue[];

/**
 * `null`: an element left by a record that the sender could not decode. The others can never be stored:
 * `malformed` (no record, or a known field of the wrong type), `too-deep` and `too-large` (see limits.ts).
 */
export type AnalyticsDropReason = 'null' | 'malformed' | 'too-deep' | 'too-large';

export type AnalyticsRecordResult =
  | { readonly row: AnalyticsRow }
  | { readonly dropped: AnalyticsDropReason };

/** One element of a batch, with its text when it was dropped; undefined: it could not be told apart. */
export type AnalyticsElementResult =
  | { readonly row: AnalyticsRow }
  | { readonly dropped: AnalyticsDropReason; readonly element: Buffer | undefined };

const valuesBound = { values: limits.analyticsRecordValuesMax, depth: Number.POSITIVE_INFINITY };

/**
 * Why an element is not even parsed. Bounded before: a record that nests 20,000 deep parses well, and ends the
 * stack of whoever writes it as text; one of many megabytes is more than a store takes at once.
 */
export function unreadableRecord(element: Buffer): 'too-deep' | 'too-large' | undefined {
  if (element.length > limits.analyticsRecordBytesMax) return 'too-large';
  if (isDeeperThan(element, limits.analyticsRecordDepthMax)) return 'too-deep';
  // Up to some size no shape takes long to parse.
  const mayHoldMany = element.length > limits.analyticsRecordValuesMax;
  return mayHoldMany && jsonExceeds(element, valuesBound) ? 'too-large' : undefined;
}

/**
 * Reads a batch (JSON array, UTF-8) record by record, so that the caller may pause in between. `records` is
 * how many were received: when the array breaks off, those that could not be told apart come out as
 * `malformed`, so that received equals stored plus dropped.
 */
export function* readAnalyticsRecords(
  payload: Buffer,
  records: number,
): Generator<AnalyticsElementResult, void> {
  let seen = 0;
  for (const element of jsonArrayElements(payload)) {
    seen += 1;
    const result = readElement(element);
    yield 'row' in result ? result : { dropped: result.dropped, element };
  }
  for (; seen < records; seen += 1) yield { dropped: 'malformed', element: undefined };
}

/**
 * One record. Names match without regard to case and underscores, because old senders use `APIID` where new
 * ones use `api_id`. Missing and null fields get the zero value of the field's own record type; unknown
 * fields are ignored; a known field of the wrong type makes the record malformed.
 */
export function readAnalyticsRecord(record: unknown): AnalyticsRecordResult {
  if (record === null) return { dropped: 'null' };
  if (typeof record !== 'object' || Array.isArray(record)) return { dropped: 'malformed' };
  const row = [...emptyAnalyticsRow];
  return fill(row, record as Readonly<Record<string, unknown>>, rootNames)
    ? { row }
    : { dropped: 'malformed' };
}

/** Microseconds since 1970 UTC of an RFC 3339 time, rounded to the nearest; undefined: it is none. */
export function parseRecordTime(text: string): bigint | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, date = '', time = '', fraction = '', zone = 'Z'] = match;
  const wholeMs = Date.parse(`${date}T${time}Z`);
  if (Number.isNaN(wholeMs) || new Date(wholeMs).getUTCDate() !== Number(date.slice(-2))) return undefined;
  const micros = Math.round(Number(`0.${fraction || '0'}`) * 1_000_000);
  return BigInt(wholeMs - offsetMs(zone)) * 1000n + BigInt(micros);
}

/** `T` may be a space: some senders print times the way databases do. */
const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

function offsetMs(zone: string): number {
  if (zone === 'Z' || zone === 'z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** What an empty time of the field's record type is: the first of January of the year 1, UTC. */
const zeroTime = -62_135_596_800_000_000n;

const zeroValue: Readonly<Record<AnalyticsColumnKind, AnalyticsValue>> = {
  text: '',
  integer: 0,
  real: 0,
  boolean: false,
  time: zeroTime,
  list: '[]',
  map: '{}',
};

/** A record in which nothing is said. */
export const emptyAnalyticsRow: AnalyticsRow = analyticsColumns.map((column) => zeroValue[column.kind]);

/** Folded name → index of the column, or the names one level down. */
interface Names extends ReadonlyMap<string, number | Names> {}

const rootNames = buildNames();

function buildNames(): Names {
  const root = new Map<string, number | Names>();
  analyticsColumns.forEach((column: AnalyticsColumn, index) => {
    for (const path of column.alias === undefined ? [column.path] : [column.path, column.alias]) {
      const parts = path.split('.').map(fold);
      const leaf = parts.pop() ?? '';
      let level = root;
      for (const part of parts) {
        const deeper = (level.get(part) ?? new Map()) as Map<string, number | Names>;
        level.set(part, deeper);
        level = deeper;
      }
      level.set(leaf, index);
    }
  });
  return root;
}

function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

/** Senders repeat the same few names for ever; strangers' names must not fill the memory. */
const foldedNames = new Map<string, string>();
const foldedNamesMax = 500;

function foldCached(name: string): string {
  const known = foldedNames.get(name);
  if (known !== undefined) return known;
  const folded = fold(name);
  if (foldedNames.size < foldedNamesMax && name.length < 64) foldedNames.set(name, folded);
  return folded;
}

/** False when a known field has the wrong type. */
function fill(row: AnalyticsValue[], fields: Readonly<Record<string, unknown>>, names: Names): boolean {
  for (const name of Object.keys(fields)) {
    const target = names.get(foldCached(name));
    const value = fields[name];
    if (target === undefined || value === null || value === undefined) continue;
    if (typeof target === 'number') {
      const kind = analyticsColumns[target]?.kind;
      const read = kind === undefined ? undefined : readValue(kind, value);
      if (read === undefined) return false;
      row[target] = read;
    } else {
      if (typeof value !== 'object' || Array.isArray(value)) return false;
      if (!fill(row, value as Readonly<Record<string, unknown>>, target)) return false;
    }
  }
  return true;
}

function readValue(kind: AnalyticsColumnKind, value: unknown): AnalyticsValue | undefined {
  switch (kind) {
    case 'text':
      return typeof value === 'string' ? withoutNul(value) : undefined;
    case 'integer':
      return readInteger(value);
    case 'real':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'time':
      return typeof value === 'string' ? parseRecordTime(value) : undefined;
    case 'list':
      return Array.isArray(value) ? jsonText(value) : undefined;
    case 'map':
      return typeof value === 'object' && !Array.isArray(value) ? jsonText(value) : undefined;
  }
}

const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

/** Long integers arrive as text (`quoteLongIntegers`), because a JavaScript number would round them. */
function readInteger(value: unknown): number | bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return undefined;
  const exact = BigInt(value);
  if (exact > int64Max || exact < int64Min) return undefined;
  const rounded = Number(exact);
  return Number.isSafeInteger(rounded) ? rounded : exact;
}

/** SQL text cannot hold U+0000, and one such record would fail a statement of a thousand. */
function withoutNul(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '') : text;
}

function jsonText(value: object | null): string {
  const text = JSON.stringify(value);
  if (!text.includes('\\u0000')) return text;
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'string') return withoutNul(part);
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, one]) => [withoutNul(name), one]));
  });
}

/** Whatever is thrown here lies in the record: nothing else was touched. */
function readElement(element: Buffer): AnalyticsRecordResult {
  const unreadable = unreadableRecord(element);
  if (unreadable !== undefined) return { dropped: unreadable };
  try {
    return readAnalyticsRecord(JSON.parse(quoteLongIntegers(element.toString('utf8'))));
  } catch {
    return { dropped: 'malformed' };
  }
}
