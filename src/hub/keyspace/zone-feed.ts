import type { Change } from '../../domain/change.js';
import { nodeId } from '../../domain/identifiers.js';
import { isAtMostOnce } from '../../domain/key-event.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { ChangeLog, CursorOwner } from '../../ports/change-log.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { HandedEvents } from './handed-events.js';
import { type BatchEvent, batchOf, entriesOfOneAnswer, eventsOf, repeatable } from './key-event-batch.js';
import { RevocationNotices } from './revocation-notices.js';

/** Log entries looked at for one batch. Source of the size: what a worker can digest between two polls. */
const batchEntriesMax = 1_000;
/** A member that does not return for its batch within this time is taken for lost. */
const returnTimeoutMs = 60_000;
/** An answer later than this may have met a caller that had given up: gateways are run with calls of 3 s. */
const answerDelayMaxMs = 2_500;

/** Ends the name of a second cursor: how far events that may not be repeated were handed out. */
export const onceSuffix = '\u0000once';

/** The way one answer takes. */
export interface Carrier {
  /** The connection has stayed open since the poll. */
  readonly isOpen: boolean;
  /** The answer has left this process. */
  readonly isSent: boolean;
}

/** One poll of a member of the zone. */
export interface Poll {
  /** Names the member over all its connections. */
  readonly member: string;
  readonly carrier: Carrier;
  /** Monotonic time when the call was read. */
  readonly receivedAtMs: number;
}

/** Where a feed without a cursor of its own begins. */
export interface FeedStart {
  /** Sequence that counts as confirmed; undefined: the end of the log. */
  readonly after: number | undefined;
  /**
   * Events that may not be repeated are taken for handed out up to the end of the log: whoever was fed from
   * `after` on until now may have had them.
   */
  readonly takenOver: boolean;
}

export interface ZoneFeedParts {
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Events were trimmed before this zone got them. */
  readonly onMissed: () => void;
}

interface Batch {
  readonly from: number;
  readonly to: number;
  /** Not to be handed out before everything earlier has arrived. */
  readonly isApart: boolean;
  events: readonly BatchEvent[];
  /**
   * `ready`: never handed out. `out`: with `holder`. `lost`: to be handed out again. `confirmed`: arrived, but
   * behind one that has not.
   */
  state: 'ready' | 'out' | 'lost' | 'confirmed';
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
 * Batches come back after later ones, and revocations go ahead of theirs. So an event is never handed out after a
 * later one about the same thing: the later one is handed out in its place. Whatever the grouping, the last that a
 * zone hears about a thing is the last that happened to it.
 *
 * One feed serves workers that share a local store; polls are answered one after the other.
 */
export class ZoneFeed {
  readonly owner: CursorOwner;
  readonly #onceOwner: CursorOwner;
  readonly #parts: ZoneFeedParts;
  /** Log position read up to. */
  #position = 0;
  /** Events that may not be repeated were handed out up to here. */
  #onceThrough = 0;
  readonly #notices: RevocationNotices;
  readonly #handed = new HandedEvents();
  #batches: Batch[] = [];
  /** What follows the last batch could not be told together with it. */
  #isCut = false;
  #opened: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(owner: CursorOwner, parts: ZoneFeedParts) {
    this.owner = owner;
    this.#onceOwner = { ...owner, node: nodeId(owner.node + onceSuffix) };
    this.#parts = parts;
    this.#notices = new RevocationNotices(parts.changeLog, owner.organisation);
  }

  /** Log position up to which everything was confirmed. */
  get confirmed(): number {
    return this.#batches[0]?.from ?? this.#position;
  }

  /** Makes the cursor exist, so that nothing from now on is missed. Asks for a start only without one. */
  open(start: () => Promise<FeedStart>): Promise<void> {
    this.#opened ??= this.#open(start).catch((thrown: unknown) => {
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

  async #open(start: () => Promise<FeedStart>): Promise<void> {
    const { changeLog, clock } = this.#parts;
    const { organisation } = this.owner;
    const [cursor, once] = await Promise.all([
      changeLog.readCursor(this.owner),
      changeLog.readCursor(this.#onceOwner),
    ]);
    const { after, takenOver } =
      cursor === undefined ? await start() : { after: cursor.sequence, takenOver: false };
    const { newest } = await changeLog.bounds(organisation);
    const position = Math.min(after ?? newest, newest);
    const onceThrough = takenOver ? newest : (once?.sequence ?? 0);
    const atMs = clock.nowMs();
    if (takenOver) await changeLog.moveCursorDurably({ ...this.#onceOwner, sequence: onceThrough, atMs });
    await changeLog.moveCursor({ ...this.owner, sequence: position, atMs });
    this.#position = position;
    this.#onceThrough = onceThrough;
    // Its cursor may have gone with the log that was lost, and with it what it had not fetched yet.
    if (after === undefined && changeLog.replaced === true) this.#parts.onMissed();
  }

  async #poll(poll: Poll): Promise<readonly BatchEvent[]> {
    if (this.#opened === undefined) throw new Error('a feed is opened before it is polled');
    await this.#opened;
    this.#settle(poll);
    await this.#moveCursor();
    // Nobody is there any more to take an answer.
    if (!poll.carrier.isOpen) return [];
    for (;;) {
      const batch = this.#waitingBatch() ?? (await this.#nextBatch());
      if (batch === undefined || (batch.isApart && batch !== this.#batches[0])) return [];
      if (batch.state === 'lost') batch.events = repeatable(batch.events);
      if (batch.events.length > 0) {
        // Who may have given up is told all the same, but it does not count as told.
        if (this.#isLate(poll)) return repeatable(this.#handed.asItStands(batch.events));
        return this.#hand(batch, poll);
      }
      batch.state = 'confirmed';
      this.#dropConfirmed();
    }
  }

  #isLate({ receivedAtMs }: Poll): boolean {
    return this.#parts.clock.monotonicMs() - receivedAtMs > answerDelayMaxMs;
  }

  /** Decides, for each batch that is out, whether this poll confirms it or shows that it was lost. */
  #settle(poll: Poll): void {
    const { clock, metrics } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const batch of this.#batches) {
      const { holder } = batch;
      if (batch.state !== 'out' || holder === undefined) continue;
      const returned = holder.member === poll.member;
      // On its way before the answer was: it says nothing.
      if (returned && poll.receivedAtMs < batch.handedAtMs) continue;
      const inTime = batch.handedAtMs - holder.receivedAtMs <= answerDelayMaxMs;
      const { isOpen, isSent } = holder.carrier;
      if (returned && isOpen && isSent && inTime) {
        batch.state = 'confirmed';
        metrics.add('causeway_acks_total', { result: 'inferred' });
      } else if (returned || !isOpen || nowMs - batch.handedAtMs > returnTimeoutMs) {
        batch.state = 'lost';
        metrics.add('causeway_acks_total', { result: 'lost' });
      }
    }
    this.#dropConfirmed();
  }

  #dropConfirmed(): void {
    if (this.#batches[0]?.state !== 'confirmed') return;
    while (this.#batches[0]?.state === 'confirmed') this.#batches.shift();
    this.#handed.confirmed(this.confirmed);
  }

  #waitingBatch(): Batch | undefined {
    return this.#batches.find(({ state }) => state === 'lost' || state === 'ready');
  }

  /** Reads on until there is something for the key space. Undefined: the end of the log. */
  async #nextBatch(): Promise<Batch | undefined> {
    for (;;) {
      const { entries: read, from } = await this.#read(this.#position);
      const entries = read.slice(0, entriesOfOneAnswer(read));
      const last = entries[entries.length - 1];
      if (last === undefined) return undefined;
      const fresh = eventsOf(entries).filter(
        ({ sequence, event }) => !(isAtMostOnce(event) && sequence <= this.#onceThrough),
      );
      const isBacklog = read.length === batchEntriesMax || entries.length < read.length;
      const notices = isBacklog ? await this.#notices.after(last.sequence, fresh) : [];
      const events = batchOf([...fresh, ...notices]);
      this.#position = last.sequence;
      if (events.length === 0) {
        // Nothing among them that a poll has to wait for.
        await this.#moveCursor();
        continue;
      }
      const batch: Batch = {
        from,
        to: last.sequence,
        isApart: this.#isCut,
        events,
        state: 'ready',
        holder: undefined,
        handedAtMs: 0,
      };
      this.#batches.push(batch);
      this.#isCut = entries.length < read.length;
      return batch;
    }
  }

  async #read(after: number): Promise<{ readonly entries: readonly Change[]; readonly from: number }> {
    const { changeLog, log, metrics, onMissed } = this.#parts;
    const { organisation, zone } = this.owner;
    try {
      return { entries: await changeLog.read(organisation, after, batchEntriesMax), from: after };
    } catch (thrown) {
      if (!(thrown instanceof CausewayError) || thrown.code !== 'CHANGE_LOG_TRIMMED') throw thrown;
      const { oldest } = await changeLog.bounds(organisation);
      const from = Math.max(oldest - 1, after + 1);
      metrics.add('causeway_limit_hits_total', { limit: 'changeLogEntriesMax' });
      log.error('zone was away for longer than the change log reaches back: it needs a full key push', {
        organisation,
        zone,
        missed: from - after,
      });
      onMissed();
      this.#position = from;
      return { entries: await changeLog.read(organisation, from, batchEntriesMax), from };
    }
  }

  async #hand(batch: Batch, poll: Poll): Promise<readonly BatchEvent[]> {
    const { changeLog, clock, metrics } = this.#parts;
    if (batch.events.some(({ event }) => isAtMostOnce(event))) {
      // At most once means: note it before it is handed out.
      const sequence = Math.max(this.#onceThrough, batch.to);
      await changeLog.moveCursorDurably({ ...this.#onceOwner, sequence, atMs: clock.nowMs() });
      this.#onceThrough = sequence;
    }
    batch.state = 'out';
    batch.holder = poll;
    batch.handedAtMs = clock.monotonicMs();
    batch.events = this.#handed.asItStands(batch.events);
    this.#handed.note(batch.events);
    metrics.add('causeway_deliveries_total', { protocol: 'gorpc' }, batch.events.length);
    return batch.events;
  }

  async #moveCursor(): Promise<void> {
    const atMs = this.#parts.clock.nowMs();
    await this.#parts.changeLog.moveCursor({ ...this.owner, sequence: this.confirmed, atMs });
  }
}
