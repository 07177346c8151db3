import { describeError } from '../errors/causeway-error.js';
import type { Clock } from '../ports/clock.js';
import type { Component } from '../ports/component.js';
import type { Log } from '../ports/log.js';

/** Starts components in order, unwinds a failed start, stops once and in reverse. */
export class ComponentStack {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #started: Component[] = [];
  #stopping: Promise<void> | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Rejects with what the first failing component said, after the others were stopped. */
  async start(components: readonly Component[], unwindWithinMs: number): Promise<void> {
    for (const component of components) {
      try {
        await component.start();
      } catch (thrown) {
        await this.stop(this.#clock.monotonicMs() + unwindWithinMs);
        throw thrown;
      }
      this.#started.push(component);
    }
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stopAll(deadlineMs);
    return this.#stopping;
  }

  async #stopAll(deadlineMs: number): Promise<void> {
    for (let one = this.#started.pop(); one !== undefined; one = this.#started.pop()) {
      try {
        await one.stop(deadlineMs);
      } catch (thrown) {
        this.#log.error('a component did not stop cleanly', {
          component: one.name,
          reason: describeError(thrown),
        });
      }
    }
  }
}
