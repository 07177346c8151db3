import type { StartPosition } from './start-position.js';

/**
 * What one worker was sent and what it has confirmed: plain bookkeeping.
 *
 * Four positions, because each answers another question. `position`: what is read next? `standsAt`: where is
 * the worker when it has applied everything sent? `announced`: what may it acknowledge? `confirmed`: what does
 * the hub never send again? They differ because the hub reads past entries that are not this worker's
 * business without telling it, and because a refusal takes the first two back.
 */
export class DeliveryLedger {
  #position = 0;
  #standsAt = 0;
  /** Below every sequence until the worker was welcomed. */
  #announced = -1;
  #acknowledged = 0;
  #confirmed = 0;
  /** Last sequences of the deltas sent and not confirmed. */
  #unconfirmed: number[] = [];
  /** Sent, or being sent, and not confirmed. */
  #snapshot: { readonly start: StartPosition; complete: boolean } | undefined;
  #snapshotRefused = false;
  #lastSnapshot: StartPosition | undefined;
  #owesAnswer = false;
  #turn = 0;

  /** Log position read up to, including entries that are not this view's business. */
  get position(): number {
    return this.#position;
  }

  /** Never above the worker's own position when what is sent now arrives. */
  get standsAt(): number {
    return this.#standsAt;
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  get unconfirmedDeltas(): number {
    return this.#unconfirmed.length;
  }

  /** Changes whenever the position moves otherwise than by a delivery: what was prepared before is void. */
  get turn(): number {
    return this.#turn;
  }

  /** Nothing sent is waiting for the worker's word. */
  get isSettled(): boolean {
    return this.#snapshot === undefined && this.#unconfirmed.length === 0;
  }

  /** The snapshot that the worker refused and that has to be sent again. */
  get refusedSnapshot(): StartPosition | undefined {
    return this.#snapshotRefused ? this.#snapshot?.start : undefined;
  }

  /**
   * After a refusal the worker takes nothing for valid until the refused comes again; so something has to
   * come, even if nothing is left of it.
   */
  get owesAnswer(): boolean {
    return this.#owesAnswer;
  }

  /** The worker is welcomed at this position. A snapshot counts as sent when {@link snapshotSent} is called. */
  startAt(start: StartPosition): void {
    this.#turn += 1;
    this.#position = start.sequence;
    this.#standsAt = start.sequence;
    this.#announced = Math.max(this.#announced, start.sequence);
    this.#unconfirmed = [];
    this.#snapshotRefused = false;
    this.#owesAnswer = false;
    if (start.mode === 'snapshot') {
      this.#snapshot = { start, complete: false };
      this.#lastSnapshot = start;
      return;
    }
    // Where the worker resumes is where it says it stands: a confirmation like any other.
    this.#snapshot = undefined;
    this.#acknowledged = start.sequence;
    this.#confirmed = start.sequence;
  }

  snapshotSent(): void {
    if (this.#snapshot !== undefined) this.#snapshot.complete = true;
  }

  /** Read on to `to` without telling anybody. */
  passOver(to: number): void {
    this.#position = to;
    if (this.isSettled) this.#confirmed = Math.max(this.#confirmed, to);
  }

  sent(to: number): void {
    this.#position = to;
    this.#standsAt = to;
    this.#announced = Math.max(this.#announced, to);
    this.#unconfirmed.push(to);
    this.#owesAnswer = false;
  }

  /** The worker is told by a heartbeat that nothing up to the position is still to come. */
  announce(): number {
    this.#announced = Math.max(this.#announced, this.#position);
    return this.#position;
  }

  /** False: the worker confirms what it was never told of. */
  acknowledge(sequence: number): boolean {
    if (sequence > this.#announced) return false;
    const outstanding = this.#snapshot;
    if (outstanding !== undefined && sequence >= outstanding.start.sequence) {
      // Before its last chunk is sent nobody can have applied a snapshot.
      if (!outstanding.complete || this.#snapshotRefused) return true;
      this.#snapshot = undefined;
    }
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    this.#unconfirmed = this.#unconfirmed.filter((sent) => sent > sequence);
    if (sequence > this.#position) {
      // Confirmed after a refusal had taken the position back: it need not be sent again.
      this.#turn += 1;
      this.#position = sequence;
      this.#standsAt = sequence;
    }
    // With nothing outstanding the worker is level with what the hub has read past on its behalf.
    const upTo = this.isSettled ? Math.max(sequence, this.#position) : sequence;
    this.#confirmed = Math.max(this.#confirmed, upTo);
    return true;
  }

  /** `sequence` could not be applied: everything after the confirmed position is to be sent again. */
  refuse(sequence: number): void {
    this.#turn += 1;
    this.#unconfirmed = [];
    if (this.#snapshot === undefined && sequence <= (this.#lastSnapshot?.sequence ?? -1)) {
      // A snapshot that was sent twice: the first was confirmed, the second is refused.
      this.#snapshot = this.#lastSnapshot && { start: this.#lastSnapshot, complete: true };
    }
    if (this.#snapshot === undefined) {
      this.#owesAnswer = true;
      // A worker that refuses what it has confirmed is believed.
      this.#position = Math.max(0, Math.min(this.#confirmed, sequence - 1));
      this.#standsAt = Math.min(this.#acknowledged, this.#position);
    } else if (this.#snapshot.complete && sequence > this.#snapshot.start.sequence) {
      // Only what followed the snapshot was refused.
      this.#owesAnswer = true;
      this.#position = this.#snapshot.start.sequence;
      this.#standsAt = this.#position;
    } else this.#snapshotRefused = true;
  }
}
