import { unreadableRecord } from '../../domain/analytics-record.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { jsonArrayElements } from '../../std/json-array-elements.js';
import { yieldTurn } from '../../std/yield-turn.js';

/** Why a record is left out. */
export type DropReason = 'null' | 'not-a-record' | 'no-organisation' | 'foreign-organisation';

export interface Screening {
  /** Elements of the array. */
  readonly records: number;
  readonly kept: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** What is kept, in its order. */
  readonly parts: readonly KeptRecords[];
}

export interface KeptRecords {
  readonly records: number;
  /** JSON array: the original bytes if that is everything. Made when it is asked for. */
  payload(): Buffer;
}

interface Run {
  readonly start: number;
  readonly end: number;
}

/** Work between two turns of the event loop: about 10 ms. */
const turnBytes = 1024 * 1024;

/**
 * Looks at each record of a batch once. Elements are found by their bytes and parsed one at a time, so a
 * batch of any size holds up the event loop only for a megabyte's worth, and one object lives at a time;
 * parsing the whole would do neither. What is kept is cut out of the original text, never written anew:
 * 64-bit numbers survive.
 *
 * Throws SyntaxError when it is not a JSON array. Undefined: it has more than `recordsMax` elements. With
 * `partBytesMax` what is kept comes in parts of about that size.
 */
export async function screenRecords(
  batch: Buffer,
  organisation: OrganisationId,
  recordsMax: number,
  partBytesMax = Number.POSITIVE_INFINITY,
): Promise<Screening | undefined> {
  const dropped: Partial<Record<DropReason, number>> = {};
  /** Neighbours that are kept become one run, with the commas between them. */
  let runs: Run[] = [];
  const parts: KeptRecords[] = [];
  let partStart = 0;
  let partRecords = 0;
  const closePart = (end: number) => {
    const own = runs;
    if (partRecords > 0) parts.push({ records: partRecords, payload: () => join(batch, own) });
    runs = [];
    partRecords = 0;
    partStart = end;
    lastWasKept = false;
  };
  let records = 0;
  let kept = 0;
  let lastWasKept = false;
  let turnEnd = turnBytes;
  const elements = jsonArrayElements(batch, turnBytes);
  for (let next = elements.next(); ; next = elements.next()) {
    if (next.done === true) {
      if (!next.value) throw new SyntaxError('not a complete JSON array');
      closePart(batch.length);
      if (kept === records && parts.length === 1) {
        return { records, kept, dropped, parts: [{ records, payload: () => batch }] };
      }
      return { records, kept, dropped, parts };
    }
    if (next.value === undefined) {
      await yieldTurn();
      continue;
    }
    records += 1;
    if (records > recordsMax) return undefined;
    const start = next.value.byteOffset - batch.byteOffset;
    const end = start + next.value.length;
    // What is too deep or too large to be looked at is never stored: the drain sets it aside, with its text.
    const unread = unreadableRecord(next.value) !== undefined;
    const reason = unread ? undefined : dropReason(JSON.parse(next.value.toString('utf8')), organisation);
    if (reason === undefined) {
      const run = lastWasKept ? runs.pop() : undefined;
      runs.push({ start: run?.start ?? start, end });
      kept += 1;
      partRecords += 1;
    } else {
      dropped[reason] = (dropped[reason] ?? 0) + 1;
    }
    lastWasKept = reason === undefined;
    if (end - partStart >= partBytesMax) closePart(end);
    if (end >= turnEnd) {
      turnEnd = end + turnBytes;
      await yieldTurn();
    }
  }
}

function dropReason(record: unknown, organisation: OrganisationId): DropReason | undefined {
  if (record === null) return 'null';
  if (typeof record !== 'object' || Array.isArray(record)) return 'not-a-record';
  let named = false;
  let empty = false;
  for (const [member, value] of Object.entries(record)) {
    if (!isOrganisationMember(member)) continue;
    if (value === organisation) named = true;
    else if (value === '') empty = true;
    else if (value !== null) return 'foreign-organisation';
  }
  return named && !empty ? undefined : 'no-organisation';
}

/**
 * `org_id` and `OrgID` are the spellings of the field; whoever reads the record later ignores case and
 * underscores, so every such member has to name the organisation.
 */
function isOrganisationMember(member: string): boolean {
  const first = member.charCodeAt(0) | 0x20;
  if (first !== 0x6f && first !== 0x7f) return false; // not o, O or _
  return member.replaceAll('_', '').toLowerCase() === 'orgid';
}

function join(batch: Buffer, runs: readonly Run[]): Buffer {
  const parts: Buffer[] = [Buffer.from('[')];
  for (const [index, { start, end }] of runs.entries()) {
    if (index > 0) parts.push(Buffer.from(','));
    parts.push(batch.subarray(start, end));
  }
  parts.push(Buffer.from(']'));
  return Buffer.concat(parts);
}
