import type { Clock, Timer } from '../../ports/clock.js';

/** A sleep that can be cut short. A ring while nobody sleeps ends the next sleep at once. */
export class AlarmClock {
  readonly #clock: Clock;
  #rung = false;
  #wakeUp: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#wakeUp?.();
  }

  /** Forgets rings so far. */
  silence(): void {
    this.#rung = false;
  }

  /** One sleeper at a time. */
  async sleep(delayMs: number): Promise<void> {
    let timer: Timer | undefined;
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wakeUp = resolve;
        timer = this.#clock.after(delayMs, resolve);
      });
    }
    timer?.cancel();
    this.#wakeUp = undefined;
    this.#rung = false;
  }
}
