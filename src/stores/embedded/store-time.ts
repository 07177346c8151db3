import type { Clock } from '../../ports/clock.js';
import { byteKey, numberPart, readNumberPart } from './byte-key.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

/**
 * The time by which stored keys end.
 *
 * An end is stored as a moment, because it has to outlive the process. By the wall clock a moment is not safe: set
 * a day ahead, it ends every key of an hour, and they are removed for good before anybody sets it back; set a day
 * behind, they live a day too long. So this time goes on by the monotonic clock, never backwards, and what it was
 * at which wall time is written down: the next process goes on from there by what the wall clock went on
 * meanwhile. A jump that a process saw is thereby taken out for good; one while none ran looks like a pause.
 *
 * Rejected: ends by the wall clock, moved when a jump is seen. Every key would be written anew, and a crash in
 * the middle would leave some moved twice.
 *
 * Table `key-time`: `note` → this time, wall time (8 bytes each, milliseconds).
 */
export class StoreTime {
  readonly #clock: Clock;
  readonly #table: LmdbTable;
  /** This time minus the monotonic clock. */
  readonly #startMs: number;
  /** This time minus the wall clock, as it is written down; undefined: nothing is. */
  #notedMs: number | undefined;

  constructor(environment: LmdbEnvironment, clock: Clock) {
    this.#clock = clock;
    this.#table = environment.table('key-time');
    const note = environment.read(() => this.#table.get(noteKey));
    const wallMs = wallNowMs(clock);
    let nowMs = wallMs;
    if (note !== undefined && note.length === 16) {
      const notedAtMs = readNumberPart(note, 0);
      const wallThenMs = readNumberPart(note, 8);
      nowMs = notedAtMs + Math.max(0, wallMs - wallThenMs);
      this.#notedMs = notedAtMs - wallThenMs;
    }
    this.#startMs = nowMs - clock.monotonicMs();
  }

  nowMs(): number {
    return Math.floor(this.#startMs + this.#clock.monotonicMs());
  }

  /** The wall clock has jumped since it was last written down: `note` is due. */
  get hasJumped(): boolean {
    const awayMs = this.nowMs() - wallNowMs(this.#clock);
    return Math.abs(awayMs - (this.#notedMs ?? 0)) > toleranceMs;
  }

  /** Inside a write transaction. */
  note(): void {
    const nowMs = this.nowMs();
    const wallMs = wallNowMs(this.#clock);
    this.#table.put(noteKey, Buffer.concat([numberPart(Math.max(0, nowMs)), numberPart(wallMs)]));
    this.#notedMs = nowMs - wallMs;
  }
}

/** Corrections of the host's clock that go in small steps are left to it. */
const toleranceMs = 2_000;
const noteKey = byteKey('note');

function wallNowMs(clock: Clock): number {
  return Math.max(0, Math.floor(clock.nowMs()));
}
