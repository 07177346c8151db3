import type { SpooledBatch } from '../../ports/analytics-spool.js';
import { jsonArrayElements } from '../../std/json-array-elements.js';

export type BatchPart = Omit<SpooledBatch, 'position'>;

/**
 * The same records in several batches, each of at most `bytesMax` bytes or one record, in their order; none when
 * it cannot be divided: one record, or sums, which belong together. Records that were announced and are not in
 * the text go with the last part, which then counts them as malformed.
 */
export function splitBatch(batch: SpooledBatch, bytesMax: number): readonly BatchPart[] {
  if (batch.kind !== undefined) return [];
  const runs: Buffer[][] = [];
  let runBytes = 0;
  let found = 0;
  for (const element of jsonArrayElements(batch.payload)) {
    const run = runs.at(-1);
    if (run === undefined || runBytes + element.length > bytesMax) {
      runs.push([element]);
      runBytes = element.length;
    } else {
      run.push(element);
      runBytes += element.length;
    }
    found += 1;
  }
  if (runs.length < 2) return [];
  const { organisation, receivedAtMs } = batch;
  return runs.map((run, index) => ({
    organisation,
    receivedAtMs,
    records: run.length + (index === runs.length - 1 ? Math.max(0, batch.records - found) : 0),
    payload: arrayOf(run),
  }));
}

/** In two about equal parts, by their bytes. */
export function halveBatch(batch: SpooledBatch): readonly BatchPart[] {
  if (batch.kind !== undefined) return [];
  let bytes = 0;
  for (const element of jsonArrayElements(batch.payload)) bytes += element.length;
  return splitBatch(batch, Math.ceil(bytes / 2));
}

function arrayOf(elements: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (const element of elements) parts.push(parts.length === 0 ? open : comma, element);
  return Buffer.concat([...parts, close]);
}

const open = Buffer.from('[');
const comma = Buffer.from(',');
const close = Buffer.from(']');
