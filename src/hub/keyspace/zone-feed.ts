import type { Change } from '../../domain/change.js';
import { nodeId } from '../../domain/identifiers.js';
import { isAtMostOnce, isRevocation } from '../../domain/key-event.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { ChangeLog, CursorOwner } from '../../ports/change-log.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { type BatchEvent, batchOf, repeatable } from './key-event-batch.js';

/** Log entries looked at for one batch. Source of the size: what a worker can digest between two polls. */
const batchEntriesMax = 1_000;
/** Further entries searched for revocations that must not wait behind a backlog. */
const lookAheadEntriesMax = 5_000;
/** A member that does not return for its batch within this time is taken for lost. */
const returnTimeoutMs = 60_000;
/** An answer later than this may have met a caller that had given up. */
const answerDelayMaxMs = 10_000;

/** The connection an answer travels on. */
export interface Carrier {
  readonly isOpen: boolean;
}

/** One poll of a member of the zone. */
export interface Poll {
  /** Names the member over all its connections. */
  readonly member: string;
  readonly carrier: Carrier;
  /** Monotonic time when the call was read. */
  readonly receivedAtMs: number;
}

interface Batch {
  readonly from: number;
  readonly to: number;
  events: readonly BatchEvent[];
  /** Where it is: with `holder`, to be handed out again, or arrived but behind one that has not. */
  state: 'out' | 'lost' | 'confirmed';
  holder: Poll | undefined;
  /** Monotonic. */
  handedAtMs: number;
}

/**
 * Hands key events to workers that poll and cannot acknowledge.
 *
 * Confirmation is inferred: a batch has arrived when the member that got it polls again, the connection that
 * carried the answer is still open, and the answer went out long before the caller would have given up.
 * A batch whose carrier died, or whose member stays away, goes to whoever polls next; events that must not
 * be repeated are taken out of it then. The cursor moves over the unbroken run of confirmed batches.
 *
 * One feed serves workers that share a local store; polls are answered one after the other.
 */
export class ZoneFeed {
  readonly owner: CursorOwner;
  readonly #onceOwner: CursorOwner;
  readonly #parts: ZoneFeedParts;
  #position = 0;
  #onceThrough = 0;
  #batches: Batch[] = [];
  #opened: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(owner: CursorOwner, parts: ZoneFeedParts) {
    this.owner = owner;
    this.#onceOwner = { ...owner, node: nodeId(`${owner.node}\u0000once`) };
    this.#parts = parts;
  }

  /** Log position up to which everything was confirmed. */
  get confirmed(): number {
    return this.#batches[0]?.from ?? this.#position;
  }

  /**
   * Makes the cursor exist, so that nothing from now on is missed. `startAt`: where a feed without a cursor
   * of its own begins; undefined: at the end of the log.
   */
  open(startAt: number | undefined): Promise<void> {
    this.#opened ??= this.#open(startAt).catch((thrown: unknown) => {
      this.#opened = undefined;
      throw thrown;
    });
    return this.#opened;
  }

  /** The next batch for this caller; empty when nothing is pending. Rejects as the change log does. */
  poll(poll: Poll): Promise<readonly BatchEvent[]> {
    const answer = this.#turn.then(() => this.#poll(poll));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  async #open(startAt: number | undefined): Promise<void> {
    const { changeLog, clock } = this.#parts;
    const [cursor, once, bounds] = await Promise.all([
      changeLog.readCursor(this.owner),
      changeLog.readCursor(this.#onceOwner),
      changeLog.bounds(this.owner.organisation),
    ]);
    this.#onceThrough = once?.sequence ?? 0;
    this.#position = Math.min(cursor?.sequence ?? startAt ?? bounds.newest, bounds.newest);
    await changeLog.moveCursor({ ...this.owner, sequence: this.#position, atMs: clock.nowMs() });
  }

  async #poll(poll: Poll): Promise<readonly BatchEvent[]> {
    await this.open(undefined);
    this.#settle(poll);
    await this.#moveCursor();
    const lost = this.#batches.find(({ state }) => state === 'lost');
    if (lost !== undefined) {
      lost.events = repeatable(lost.events);
      return this.#hand(lost, poll);
    }
    const batch = await this.#nextBatch();
    if (batch === undefined) return [];
    this.#batches.push(batch);
    return this.#hand(batch, poll);
  }

  /** Decides, for each batch that is out, whether this poll confirms it or shows that it was lost. */
  #settle(poll: Poll): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const batch of this.#batches) {
      const { holder } = batch;
      if (batch.state !== 'out' || holder === undefined) continue;
      const returned = holder.member === poll.member;
      const inTime = batch.handedAtMs - holder.receivedAtMs < answerDelayMaxMs;
      if (returned && holder.carrier.isOpen && inTime) batch.state = 'confirmed';
      else if (returned || !holder.carrier.isOpen || nowMs - batch.handedAtMs > returnTimeoutMs) {
        batch.state = 'lost';
      }
    }
    while (this.#batches[0]?.state === 'confirmed') this.#batches.shift();
  }

  async #nextBatch(): Promise<Batch | undefined> {
    const from = this.#position;
    const entries = await this.#read(from);
    const last = entries[entries.length - 1];
    if (last === undefined) return undefined;
    const fresh = entries.filter(
      ({ sequence, body }) =>
        body.type === 'key' && !(isAtMostOnce(body.event) && sequence <= this.#onceThrough),
    );
    let events = batchOf(fresh);
    if (entries.length === batchEntriesMax)
      events = [...(await this.#revocationsAfter(last.sequence)), ...events];
    this.#position = last.sequence;
    if (events.length > 0)
      return { from, to: last.sequence, events, state: 'lost', holder: undefined, handedAtMs: 0 };
    // Nothing for the key space among them: pass over, and look at what follows.
    await this.#moveCursor();
    return this.#nextBatch();
  }

  async #read(after: number): Promise<readonly Change[]> {
    const { changeLog, log, metrics } = this.#parts;
    try {
      return await changeLog.read(this.owner.organisation, after, batchEntriesMax);
    } catch (thrown) {
      if (!(thrown instanceof CausewayError) || thrown.code !== 'CHANGE_LOG_TRIMMED') throw thrown;
      const { oldest } = await changeLog.bounds(this.owner.organisation);
      metrics.add('causeway_limit_hits_total', { limit: 'changeLogEntriesMax' });
      log.error('zone was away for longer than the change log reaches back: it needs a full key push', {
        organisation: this.owner.organisation,
        zone: this.owner.zone,
        missed: oldest - 1 - after,
      });
      this.#parts.onMissed();
      return changeLog.read(this.owner.organisation, oldest - 1, batchEntriesMax);
    }
  }

  /** Rights taken away overtake a backlog. They come once more at their own place, which does no harm. */
  async #revocationsAfter(sequence: number): Promise<readonly BatchEvent[]> {
    const ahead = await this.#parts.changeLog.read(this.owner.organisation, sequence, lookAheadEntriesMax);
    return batchOf(ahead.filter(({ body }) => body.type === 'key' && isRevocation(body.event)));
  }

  async #hand(batch: Batch, poll: Poll): Promise<readonly BatchEvent[]> {
    const once = batch.events.filter(({ event }) => isAtMostOnce(event)).at(-1);
    if (once !== undefined) {
      // At most once means: note it before it is handed out.
      this.#onceThrough = Math.max(this.#onceThrough, batch.to);
      const atMs = this.#parts.clock.nowMs();
      await this.#parts.changeLog.moveCursor({ ...this.#onceOwner, sequence: this.#onceThrough, atMs });
    }
    batch.state = 'out';
    batch.holder = poll;
    batch.handedAtMs = this.#parts.clock.monotonicMs();
    this.#parts.metrics.add('causeway_deliveries_total', { protocol: 'gorpc' }, batch.events.length);
    return batch.events;
  }

  async #moveCursor(): Promise<void> {
    const atMs = this.#parts.clock.nowMs();
    await this.#parts.changeLog.moveCursor({ ...this.owner, sequence: this.confirmed, atMs });
  }
}

export interface ZoneFeedParts {
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Events were trimmed before this zone got them. */
  readonly onMissed: () => void;
}
