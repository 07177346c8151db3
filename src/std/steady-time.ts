/** The two readings of a clock that matter here; see ports/clock.ts. */
export interface TimeSource {
  nowMs(): number;
  monotonicMs(): number;
}

/** Wall clock minus monotonic time, when each clock was first asked. */
const startOf = new WeakMap<TimeSource, number>();

/**
 * Wall time that does not jump: what the wall clock said when it was first asked, and what has passed since. For
 * ends and ages that are kept, and so outlive the monotonic clock of one process, but must not change with the
 * wall clock of the machine while it runs. Not for what is compared with times that others wrote.
 */
export function steadyNowMs(clock: TimeSource): number {
  let start = startOf.get(clock);
  if (start === undefined) {
    start = clock.nowMs() - clock.monotonicMs();
    startOf.set(clock, start);
  }
  return start + clock.monotonicMs();
}

/**
 * How long ago it was `atMs` by the wall clock, which may have jumped since then, or before. By the jump one of two
 * readings is wrong: by far too large, or negative. So the smaller that is not negative counts; 0 when both are.
 */
export function ageMs(clock: TimeSource, atMs: number): number {
  const ages = [clock.nowMs() - atMs, steadyNowMs(clock) - atMs].filter((age) => age >= 0);
  return ages.length === 0 ? 0 : Math.min(...ages);
}
