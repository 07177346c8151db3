import { numberPart } from './byte-key.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { Gap } from './lmdb-walk.js';

/**
 * Where keys were lost to damage, between two that are left. A name in a gap that is not stored may have been, so it
 * is answered with an error: a worker that is told "not found" forgets a key that is good.
 *
 * Table `lost-keys`: number (8 bytes) → JSON [after, before], keys in hex, null for the start or the end.
 */
export interface KeyGaps {
  readonly count: number;
  cover(key: Buffer): boolean;
}

export function readKeyGaps(environment: LmdbEnvironment): KeyGaps {
  if (!environment.tableNames().includes(tableName)) return noGaps;
  const gaps: Gap[] = [];
  for (const { value } of environment.table(tableName).getRange({ start: firstKey })) {
    // A gap that cannot be read could be anywhere.
    gaps.push(value === undefined ? { after: undefined, before: undefined } : decode(value));
  }
  if (gaps.length === 0) return noGaps;
  return {
    count: gaps.length,
    cover: (key) => gaps.some(({ after, before }) => isAfter(key, after) && isBefore(key, before)),
  };
}

/** In a transaction. */
export function writeKeyGaps(environment: LmdbEnvironment, gaps: readonly Gap[]): void {
  const table = environment.table(tableName);
  const known = [...table.getKeys({ start: firstKey })].length;
  for (const [index, { after, before }] of gaps.entries()) {
    const text = JSON.stringify([after?.toString('hex') ?? null, before?.toString('hex') ?? null]);
    table.put(numberPart(known + index), Buffer.from(text, 'utf8'));
  }
}

/** From now on what is not stored is not there. */
export async function forgetKeyGaps(environment: LmdbEnvironment): Promise<void> {
  const table = environment.table(tableName);
  await environment.transact(() => {
    for (const key of [...table.getKeys({ start: firstKey })]) table.remove(key);
  });
}

const tableName = 'lost-keys';
const firstKey = Buffer.from([0]);
const noGaps: KeyGaps = { count: 0, cover: () => false };

function decode(value: Buffer): Gap {
  const [after, before] = JSON.parse(value.toString('utf8')) as readonly (string | null)[];
  return { after: bytesOf(after), before: bytesOf(before) };
}

function bytesOf(hex: string | null | undefined): Buffer | undefined {
  return typeof hex === 'string' ? Buffer.from(hex, 'hex') : undefined;
}

function isAfter(key: Buffer, bound: Buffer | undefined): boolean {
  return bound === undefined || key.compare(bound) > 0;
}

function isBefore(key: Buffer, bound: Buffer | undefined): boolean {
  return bound === undefined || key.compare(bound) < 0;
}
