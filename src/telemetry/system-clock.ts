import type { Clock, Timer } from '../ports/clock.js';

/** Node fires longer timers at once, so they are laid end to end. */
const timerMsMax = 2 ** 31 - 1;

/** The clock of the machine. Its timers never keep the process alive. */
export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(delayMs: number, run: () => void): Timer {
    let timer: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      const stepMs = Math.min(Math.max(remainingMs, 0), timerMsMax);
      timer = setTimeout(() => (remainingMs > stepMs ? arm(remainingMs - stepMs) : run()), stepMs);
      timer.unref();
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(timer) };
  }
}
