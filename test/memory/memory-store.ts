import { CausewayError } from '../../src/errors/causeway-error.js';

export interface FailureOptions {
  /** Only calls of this method; any method when undefined. */
  readonly method?: string;
  /**
   * `before` (default): nothing happened. `after`: it happened and is durable, but the answer was lost, as
   * when a connection breaks on the way back.
   */
  readonly when?: 'before' | 'after';
  /** How many calls fail. Default 1. */
  readonly times?: number;
}

interface PlannedFailure {
  readonly error: Error;
  readonly method: string | undefined;
  readonly when: 'before' | 'after';
  remaining: number;
}

/**
 * What every in-memory store can be made to do: fail, hang, and die.
 *
 * A crash is `restart()` of the concrete store: it returns a new store with what was durable, and severs
 * the old one, so that code of the dead hub that is still running cannot touch the new hub's data.
 */
export abstract class MemoryStore {
  readonly #failures: PlannedFailure[] = [];
  #outage: Error | undefined;
  #severed = false;
  #paused: { readonly resumed: Promise<void>; readonly resume: () => void } | undefined;

  /** The next matching call rejects with `error`. Several calls queue up in order. */
  failNext(error: Error = storeAway(), options: FailureOptions = {}): void {
    this.#failures.push({
      error,
      method: options.method,
      when: options.when ?? 'before',
      remaining: options.times ?? 1,
    });
  }

  /** Every call rejects until `recover`. */
  failAlways(error: Error = storeAway()): void {
    this.#outage = error;
  }

  recover(): void {
    this.#outage = undefined;
    this.#failures.length = 0;
  }

  /** Calls made from now on wait, unapplied, until `resume`; a restart leaves them undone. */
  pause(): void {
    if (this.#paused !== undefined) return;
    let resume = (): void => {};
    const resumed = new Promise<void>((resolve) => {
      resume = resolve;
    });
    this.#paused = { resumed, resume };
  }

  resume(): void {
    this.#paused?.resume();
    this.#paused = undefined;
  }

  protected sever(): void {
    this.#severed = true;
    this.resume();
  }

  /** Runs one call. `run` is one atomic, durable step. */
  protected async operation<Result>(method: string, run: () => Result): Promise<Result> {
    if (this.#paused !== undefined) await this.#paused.resumed;
    if (this.#severed) throw storeAway('this store was restarted');
    if (this.#outage !== undefined) throw this.#outage;
    const failure = this.#takeFailure(method);
    if (failure?.when === 'before') throw failure.error;
    const result = run();
    if (failure !== undefined) throw failure.error;
    return result;
  }

  #takeFailure(method: string): PlannedFailure | undefined {
    const index = this.#failures.findIndex((one) => one.method === undefined || one.method === method);
    const failure = this.#failures[index];
    if (failure === undefined) return undefined;
    failure.remaining -= 1;
    if (failure.remaining <= 0) this.#failures.splice(index, 1);
    return failure;
  }
}

export function storeAway(detail = 'injected'): CausewayError {
  return new CausewayError('STORE_UNAVAILABLE', 'the store does not answer', { detail });
}
