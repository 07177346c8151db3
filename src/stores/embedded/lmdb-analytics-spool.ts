import { createHash } from 'node:crypto';
import { organisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type {
  AggregateKind,
  AnalyticsSpool,
  BatchIdentity,
  SpooledBatch,
} from '../../ports/analytics-spool.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { byteKey, lastNumberPart, readNumberPart } from './byte-key.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

export interface LmdbAnalyticsSpoolOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Default `limits.analyticsSpoolBytesMax`. */
  readonly bytesMax?: number;
  /** Default `limits.analyticsBatchIdsMax`. */
  readonly batchIdsMax?: number;
}

/**
 * Tables:
 *   spool-batches   position → JSON {organisation, receivedAtMs, records, bytes, kind?}
 *   spool-payloads  position, piece → at most 1 MiB. LMDB wants a value in one run of pages, and long runs
 *                   are hard to find in a file that is written and emptied all the time.
 *   spool-ids       hash of the identity → position
 *   spool-id-order  position → hash of the identity; the first is the oldest
 *   spool-state     `state` → newest position, batches, bytes, identities (8 bytes each)
 */
export class LmdbAnalyticsSpool implements AnalyticsSpool {
  readonly #environment: LmdbEnvironment;
  readonly #options: LmdbAnalyticsSpoolOptions;
  readonly #batches: LmdbTable;
  readonly #payloads: LmdbTable;
  readonly #ids: LmdbTable;
  readonly #idOrder: LmdbTable;
  readonly #state: LmdbTable;

  constructor(environment: LmdbEnvironment, options: LmdbAnalyticsSpoolOptions) {
    this.#environment = environment;
    this.#options = options;
    this.#batches = environment.table('spool-batches');
    this.#payloads = environment.table('spool-payloads');
    this.#ids = environment.table('spool-ids');
    this.#idOrder = environment.table('spool-id-order');
    this.#state = environment.table('spool-state');
  }

  /** The payload must not be changed until this resolves: it is copied when its turn has come. */
  async append(
    batch: Omit<SpooledBatch, 'position'>,
    identity: BatchIdentity | undefined,
  ): Promise<'taken' | 'duplicate'> {
    const id = identity === undefined ? undefined : identityHash(identity);
    const bytes = batch.payload.length;
    const bytesMax = this.#options.bytesMax ?? limits.analyticsSpoolBytesMax;
    return this.#environment.transact(() => {
      if (id !== undefined && this.#ids.has(id)) return 'duplicate';
      const state = this.#readState();
      if (state.bytes + bytes > bytesMax) {
        throw new CausewayError(
          'LIMIT_EXCEEDED',
          `the analytics spool is full: analyticsSpoolBytesMax (${bytesMax}) is reached`,
        );
      }
      const position = state.newestPosition + 1;
      this.#put(position, batch);
      const identities =
        state.identities + (id === undefined ? 0 : this.#remember(id, position, state.identities));
      this.#writeState({
        newestPosition: position,
        batches: state.batches + 1,
        bytes: state.bytes + bytes,
        identities,
      });
      return 'taken';
    });
  }

  /** May give fewer than `limit` when they are large: reading them holds up everything else. */
  async peek(limit: number): Promise<readonly SpooledBatch[]> {
    return this.#environment.read(() => {
      const found: SpooledBatch[] = [];
      let bytes = 0;
      if (limit <= 0) return found;
      for (const { key, value } of this.#batches.getRange({ start: byteKey(0), limit })) {
        const position = lastNumberPart(key);
        const header = readHeader(value);
        if (found.length > 0 && bytes + (header?.bytes ?? 0) > peekBytesMax) break;
        const batch = this.#assemble(position, header);
        bytes += batch.payload.length;
        found.push(batch);
      }
      return found;
    });
  }

  async removeThrough(position: number): Promise<void> {
    await this.#environment.transact(() => this.#writeState(this.#forget(position)));
  }

  async replace(position: number, parts: readonly Omit<SpooledBatch, 'position'>[]): Promise<void> {
    await this.#environment.transact(() => {
      let { newestPosition, batches, bytes, identities } = this.#forget(position);
      for (const part of parts) {
        newestPosition += 1;
        batches += 1;
        bytes += part.payload.length;
        this.#put(newestPosition, part);
      }
      this.#writeState({ newestPosition, batches, bytes, identities });
    });
  }

  async size(): Promise<{ readonly batches: number; readonly bytes: number }> {
    const { batches, bytes } = this.#environment.read(() => this.#readState());
    return { batches, bytes };
  }

  #put(
    position: number,
    { organisation, receivedAtMs, records, payload, kind }: Omit<SpooledBatch, 'position'>,
  ): void {
    const bytes = payload.length;
    const header = JSON.stringify({ organisation, receivedAtMs, records, bytes, kind });
    this.#batches.put(byteKey(position), Buffer.from(header, 'utf8'));
    for (let piece = 0; piece * pieceBytes < bytes; piece += 1) {
      const content = payload.subarray(piece * pieceBytes, (piece + 1) * pieceBytes);
      this.#payloads.put(byteKey(position, piece), content);
    }
  }

  /** Removes batches; the state as it is then. */
  #forget(position: number): State {
    const state = this.#readState();
    let { batches, bytes } = state;
    const range = { start: byteKey(0), end: byteKey(position + 1) };
    for (const { key, value } of [...this.#batches.getRange(range)]) {
      this.#batches.remove(key);
      batches -= 1;
      bytes -= readHeader(value)?.bytes ?? 0;
    }
    for (const key of [...this.#payloads.getKeys(range)]) this.#payloads.remove(key);
    // An unreadable header hides its bytes; an empty spool has none.
    return { ...state, batches, bytes: batches === 0 ? 0 : bytes };
  }

  /** How many identities more there are now. */
  #remember(id: Buffer, position: number, known: number): number {
    this.#ids.put(id, byteKey(position));
    this.#idOrder.put(byteKey(position), id);
    const idsMax = Math.max(1, this.#options.batchIdsMax ?? limits.analyticsBatchIdsMax);
    const excess = Math.min(known + 1 - idsMax, forgottenPerAppendMax);
    if (excess <= 0) return 1;
    for (const { key, value } of [...this.#idOrder.getRange({ start: byteKey(0), limit: excess })]) {
      this.#idOrder.remove(key);
      if (value !== undefined) this.#ids.remove(value);
    }
    return 1 - excess;
  }

  /** A batch that is damaged comes out empty, so that the sink counts its records as malformed and goes on. */
  #assemble(position: number, header: Header | undefined): SpooledBatch {
    const pieces: Buffer[] = [];
    if (header !== undefined) {
      const range = { start: byteKey(position, 0), end: byteKey(position + 1, 0) };
      for (const { value } of this.#payloads.getRange(range)) pieces.push(value ?? empty);
      const payload = pieces.length === 1 ? (pieces[0] ?? empty) : Buffer.concat(pieces);
      const { organisation, receivedAtMs, records, kind } = header;
      const batch = { position, organisation: organisationId(organisation), receivedAtMs, records, kind };
      if (payload.length === header.bytes) return { ...batch, payload };
      this.#reportDamage(position);
      return { ...batch, payload: empty };
    }
    this.#reportDamage(position);
    return { position, organisation: organisationId(''), receivedAtMs: 0, records: 0, payload: empty };
  }

  #reportDamage(position: number): void {
    this.#options.log.error('spooled analytics batch cannot be read', {
      code: 'STORE_ITEM_UNREADABLE',
      position,
    });
  }

  #readState(): State {
    const bytes = this.#state.get(stateKey);
    if (bytes !== undefined) return readState(bytes);
    const newestPosition = firstPosition(this.#options.clock.nowMs());
    return { newestPosition, batches: 0, bytes: 0, identities: 0 };
  }

  #writeState(state: State): void {
    writeState(this.#state, state);
  }
}

/**
 * For a spool that is older than the sink: positions that the sink has seen would be skipped by it, and the batches
 * lost. Those spooled keep theirs, because the sink may have them.
 */
export async function moveSpoolAhead(environment: LmdbEnvironment, nowMs: number): Promise<void> {
  const table = environment.table('spool-state');
  await environment.transact(() => {
    const bytes = table.get(stateKey);
    if (bytes === undefined) return;
    const state = readState(bytes);
    writeState(table, { ...state, newestPosition: Math.max(state.newestPosition, firstPosition(nowMs)) });
  });
}

/**
 * In a transaction, after entries were lost: counts what is left, and forgets pieces without a batch and identities
 * without a place in their order.
 */
export function rebuildSpool(environment: LmdbEnvironment, nowMs: number): void {
  const payloads = environment.table('spool-payloads');
  const ids = environment.table('spool-ids');
  const order = environment.table('spool-id-order');
  const positions = new Set<number>();
  let bytes = 0;
  let newest = 0;
  for (const { key, value } of environment.table('spool-batches').getRange({ start: byteKey(0) })) {
    newest = lastNumberPart(key);
    positions.add(newest);
    bytes += readHeader(value)?.bytes ?? 0;
  }
  for (const key of [...payloads.getKeys({ start: byteKey(0) })]) {
    if (!positions.has(readNumberPart(key, 0))) payloads.remove(key);
  }
  const ordered = new Set<string>();
  for (const { key, value } of [...order.getRange({ start: byteKey(0) })]) {
    if (value !== undefined && ids.has(value)) ordered.add(value.toString('hex'));
    else order.remove(key);
  }
  for (const id of [...ids.getKeys({ start: Buffer.from([0]) })]) {
    if (!ordered.has(id.toString('hex'))) ids.remove(id);
  }
  const table = environment.table('spool-state');
  const known = table.get(stateKey);
  const newestPosition = Math.max(
    known === undefined ? firstPosition(nowMs) : readState(known).newestPosition,
    newest,
  );
  writeState(table, { newestPosition, batches: positions.size, bytes, identities: ordered.size });
}

interface State {
  readonly newestPosition: number;
  readonly batches: number;
  readonly bytes: number;
  readonly identities: number;
}

interface Header {
  readonly organisation: string;
  readonly receivedAtMs: number;
  readonly records: number;
  readonly bytes: number;
  readonly kind: AggregateKind | undefined;
}

function readState(bytes: Buffer): State {
  return {
    newestPosition: readNumberPart(bytes, 0),
    batches: readNumberPart(bytes, 8),
    bytes: readNumberPart(bytes, 16),
    identities: readNumberPart(bytes, 24),
  };
}

function writeState(table: LmdbTable, { newestPosition, batches, bytes, identities }: State): void {
  table.put(stateKey, byteKey(newestPosition, Math.max(0, batches), Math.max(0, bytes), identities));
}

/**
 * The sink skips positions that it has seen. One that outlives this file, after a disk was replaced, must not take
 * the new batches for old ones: microseconds run ahead of any count of batches.
 */
function firstPosition(nowMs: number): number {
  return Math.max(0, Math.floor(nowMs)) * 1_000;
}

const pieceBytes = 1024 * 1024;
const peekBytesMax = 8 * 1024 * 1024;
const forgottenPerAppendMax = 1_000;
const empty = Buffer.alloc(0);
const stateKey = byteKey('state');

function identityHash(identity: BatchIdentity): Buffer {
  const text = JSON.stringify([identity.organisation, identity.node, identity.batchId]);
  return createHash('sha256').update(text).digest();
}

function readHeader(value: Buffer | undefined): Header | undefined {
  if (value === undefined) return undefined;
  let header: unknown;
  try {
    header = JSON.parse(value.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof header !== 'object' || header === null) return undefined;
  const { organisation, receivedAtMs, records, bytes, kind } = header as Readonly<Record<string, unknown>>;
  if (typeof organisation !== 'string' || typeof receivedAtMs !== 'number') return undefined;
  if (typeof records !== 'number' || typeof bytes !== 'number') return undefined;
  if (kind !== undefined && kind !== 'aggregate' && kind !== 'mcp-aggregate') return undefined;
  return { organisation, receivedAtMs, records, bytes, kind };
}
