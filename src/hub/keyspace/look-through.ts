import { nodeId, type OrganisationId, organisationId, zoneId } from '../../domain/identifiers.js';
import { describeError } from '../../errors/causeway-error.js';
import type { ChangeLog, CursorOwner } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { Backoff } from '../../std/backoff.js';

/**
 * How closely keys are looked at.
 *
 *   removals     what the log says workers hold, and is gone
 *   changes      besides, what was seen by this process, and is gone or another one now
 *   everything   besides, every key that is there: nobody knows what was seen before
 */
export type LookDepth = 'removals' | 'changes' | 'everything';

const depths: readonly LookDepth[] = ['removals', 'changes', 'everything'];

export interface Marked {
  /** Empty: all of them. */
  readonly organisation: OrganisationId;
  readonly depth: LookDepth;
  readonly reason: string;
  readonly sinceMs: number;
}

export interface LookThroughParts {
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Undefined: nobody watches how it gets on. */
  readonly progress?: LoopProgress | undefined;
  readonly organisations: () => readonly OrganisationId[];
  /** Looks, and tells what differs. Resolves to how many keys that were. */
  readonly look: (
    marked: ReadonlyMap<OrganisationId, LookDepth>,
    isStopped: () => boolean,
  ) => Promise<number>;
}

/** Signals that were lost come in crowds: one look answers them all. */
const delayMs = 1_000;
/** From the end of one look to the next; and when only removals are looked for, which costs a reading of the log. */
const pauseMs = 30_000;
const removalsPauseMs = 300_000;

const allOrganisations = organisationId('');
const markZone = zoneId('');
const markNode = nodeId('\u0000look-through');

/** True for cursors that are marks of organisations to be looked through. */
export function isLookThroughMark(owner: Pick<CursorOwner, 'node'>): boolean {
  return owner.node === markNode;
}

/**
 * Remembers whose keys have to be looked through, because something that happened to them was not heard or not
 * taken, and has them looked through. A mark is a cursor of its own kind, durable before the look and gone after it:
 * a hub that dies in between starts again, and looks closer, as it has forgotten what it had seen.
 */
export class LookThrough implements Component {
  readonly name = 'look-through';
  readonly #parts: LookThroughParts;
  readonly #marks = new Map<OrganisationId, Marked>();
  readonly #backoff: Backoff;
  #timer: Timer | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: LookThroughParts) {
    this.#parts = parts;
    this.#backoff = new Backoff({ firstDelayMs: 1_000, delayMsMax: 60_000, random: parts.random });
  }

  async start(): Promise<void> {
    for (const cursor of await this.#parts.changeLog.cursors()) {
      if (!isLookThroughMark(cursor)) continue;
      const { organisation, atMs: sinceMs } = cursor;
      const reason = 'marked before the start';
      this.#marks.set(organisation, { organisation, depth: 'everything', reason, sinceMs });
    }
    if (this.#marks.size > 0) this.#lookAfter(delayMs);
    this.#measure();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  notReady(): undefined {
    return undefined;
  }

  marked(): readonly Marked[] {
    return [...this.#marks.values()];
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** `organisation` undefined: it is not known whose. Resolves when the mark is durable; never rejects. */
  async mark(organisation: OrganisationId | undefined, depth: LookDepth, reason: string): Promise<void> {
    const { clock, log } = this.#parts;
    const whose = organisation ?? allOrganisations;
    const before = this.#marks.get(whose);
    const deeper = before !== undefined && depths.indexOf(before.depth) > depths.indexOf(depth);
    const mark = {
      organisation: whose,
      depth: deeper ? before.depth : depth,
      reason: before === undefined || before.depth === 'removals' ? reason : before.reason,
      sinceMs: before?.sinceMs ?? clock.nowMs(),
    };
    const deepened = mark.depth !== 'removals' && (before === undefined || before.depth === 'removals');
    // A new one each time, so that a look under way sees that it was marked again.
    this.#marks.set(whose, mark);
    if (deepened) {
      log.warn('keys are to be looked through, as something that happened to them may not have been told', {
        organisation: organisation ?? 'all',
        reason,
      });
    }
    this.#measure();
    if (deepened) this.#timer?.cancel();
    if (deepened) this.#timer = undefined;
    this.#lookAfter(Math.max(delayMs, this.#lookedAtMs + this.#pauseMs() - clock.monotonicMs()));
    if (deepened) await this.#note(mark);
  }

  /** Of removals a start makes sure by itself. */
  async #note({ organisation, sinceMs: atMs }: Marked): Promise<void> {
    const { changeLog, log } = this.#parts;
    const cursor = { organisation, zone: markZone, node: markNode, sequence: 1, atMs };
    await changeLog.moveCursorDurably(cursor).catch((error: unknown) => {
      log.error('it could not be noted that keys are to be looked through: a restart would forget it', {
        organisation: organisation || 'all',
        reason: describeError(error),
      });
    });
  }

  #lookAfter(afterMs: number): void {
    if (this.#stopped || this.#timer !== undefined || this.#running !== undefined) return;
    this.#timer = this.#parts.clock.after(afterMs, () => {
      this.#timer = undefined;
      this.#running = this.#look().finally(() => {
        this.#running = undefined;
        this.#lookedAtMs = this.#parts.clock.monotonicMs();
        this.#measure();
      });
      void this.#running.then(
        () => this.#again(this.#pauseMs()),
        (error: unknown) => {
          this.#parts.log.warn('keys could not be looked through, trying again', {
            reason: describeError(error),
          });
          // Only now: a look may take long, and one that goes well is no stall.
          this.#parts.progress?.hasWork();
          this.#again(this.#backoff.nextDelayMs());
        },
      );
    });
  }

  #pauseMs(): number {
    const onlyRemovals = this.marked().every(({ depth }) => depth === 'removals');
    return onlyRemovals ? removalsPauseMs : pauseMs;
  }

  #again(afterMs: number): void {
    if (this.#marks.size > 0) this.#lookAfter(afterMs);
  }

  async #look(): Promise<void> {
    const { organisations, look, log, clock } = this.#parts;
    const taken = [...this.#marks.values()];
    const startedMs = clock.monotonicMs();
    const all = taken.find(({ organisation }) => organisation === allOrganisations);
    const marked = new Map<OrganisationId, LookDepth>();
    if (all !== undefined) for (const id of organisations()) marked.set(id, all.depth);
    for (const { organisation, depth } of taken) {
      if (organisation === allOrganisations) continue;
      const before = marked.get(organisation);
      if (before === undefined || depths.indexOf(before) < depths.indexOf(depth)) {
        marked.set(organisation, depth);
      }
    }
    this.#measure();
    const differences = await look(marked, () => this.#stopped);
    if (this.#stopped) return;
    this.#backoff.reset();
    this.#parts.progress?.madeProgress();
    for (const mark of taken) await this.#clear(mark);
    const fields = {
      organisations: marked.size,
      differences,
      durationMs: Math.round(clock.monotonicMs() - startedMs),
    };
    const isRoutine = differences === 0 && taken.every(({ depth }) => depth === 'removals');
    if (isRoutine) log.debug('keys looked through', fields);
    else log.info('keys looked through', fields);
  }

  async #clear(mark: Marked): Promise<void> {
    const { organisation } = mark;
    if (this.#marks.get(organisation) !== mark) return;
    await this.#parts.changeLog.removeCursor({ organisation, zone: markZone, node: markNode });
    const now = this.#marks.get(organisation);
    if (now === mark) this.#marks.delete(organisation);
    else if (now !== undefined && now.depth !== 'removals') await this.#note(now);
  }

  #measure(): void {
    const pending = this.marked().filter(({ depth }) => depth !== 'removals').length;
    this.#parts.metrics.set('causeway_look_throughs_pending', {}, pending);
  }
}
