export interface Timer {
  cancel(): void;
}

/** Time is passed in, so that a simulation can own it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump. */
  nowMs(): number;
  /** Monotonic milliseconds from an arbitrary start: for durations and timeouts. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
}
