import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { type ClientOptions, createClient, type RedisClient } from './create-client.js';
import type { RedisAccess } from './redis-access.js';
import { explainRedisTrouble, hintAtFirstConnection } from './redis-trouble.js';

export interface LinkOptions extends Omit<ClientOptions, 'connectionName'> {
  readonly clock: Clock;
  readonly log: Log;
  readonly connectionName?: string;
}

/** While it is away for longer, calls fail at once instead of each waiting for its own timeout. */
const failAtOnceAfterMs = 1_000;

/** A client, what is known of its health, and the one way to call it. */
export class RedisLink {
  readonly client: RedisClient;
  readonly #access: RedisAccess;
  readonly #options: LinkOptions;
  /** Monotonic; undefined: it is there. */
  #awaySinceMs: number | undefined;
  #trouble: string | undefined;
  #told: string | undefined;
  #wasReady = false;
  #closed = false;

  constructor(access: RedisAccess, options: LinkOptions) {
    this.#access = access;
    this.#options = options;
    this.#awaySinceMs = options.clock.monotonicMs();
    this.client = createClient(access, { connectionName: 'causeway', ...options });
    this.client.on('error', (error: unknown) => this.#failed(error));
    // A cluster tells apart what one node did; only the sum of them is an `error`.
    this.client.on('node error', (error: unknown) => this.#noted(error));
    this.client.on('ready', () => this.#ready());
    this.client.on('close', () => this.#away());
  }

  /** Why it cannot be used at the moment, naming the option; undefined when it can. */
  trouble(): string | undefined {
    return this.#awaySinceMs === undefined ? undefined : (this.#trouble ?? 'not connected yet');
  }

  /** Resolves when it is connected, or when `waitMs` are over: being away is not a reason not to start. */
  async open(waitMs: number): Promise<void> {
    const connecting = this.client.connect().catch((error: unknown) => this.#noted(error));
    await within(this.#options.clock, waitMs, connecting).catch(() => {});
  }

  /**
   * Runs one call and resolves within the timeout; every failure is STORE_UNAVAILABLE with a reason that
   * holds no secret. A write that failed may have reached the server.
   */
  async run<Result>(call: (client: RedisClient) => Promise<Result>): Promise<Result> {
    const { clock } = this.#options;
    // Never asked to connect: the call does it.
    if (this.client.status === 'wait') this.#awaySinceMs = clock.monotonicMs();
    const away = this.#awaySinceMs;
    if (away !== undefined && clock.monotonicMs() - away > failAtOnceAfterMs) {
      throw this.#unavailable(this.trouble() ?? '');
    }
    try {
      return await within(clock, this.#access.timeoutMs, call(this.client));
    } catch (error) {
      if (error instanceof CausewayError) throw error;
      throw this.#unavailable(this.#reasonOf(error));
    }
  }

  close(): void {
    this.#closed = true;
    this.client.disconnect();
  }

  /** An error of a single reply, as `run` would have thrown it. */
  failure(error: unknown): CausewayError {
    return this.#unavailable(this.#reasonOf(error));
  }

  /** The driver's own words for "the connection went" say less than what made it go. */
  #reasonOf(error: unknown): string {
    const away = this.#awaySinceMs !== undefined;
    if (this.#trouble !== undefined && (away || isConsequence(error))) return this.#trouble;
    return explainRedisTrouble(error, this.#options.path, this.#access);
  }

  /** The driver's error is not kept as a cause: it holds the command with its arguments. */
  #unavailable(reason: string): CausewayError {
    return new CausewayError('STORE_UNAVAILABLE', 'the key store does not answer', { detail: reason });
  }

  #noted(error: unknown): void {
    if (isConsequence(error)) return;
    const { path } = this.#options;
    const explained = explainRedisTrouble(error, path, this.#access);
    const unclear = /closed the connection$|answer in time$/.test(explained);
    const hint = unclear && !this.#wasReady ? hintAtFirstConnection(path, this.#access) : '';
    this.#trouble = `${explained}${hint}`;
  }

  #failed(error: unknown): void {
    this.#noted(error);
    const said = error instanceof Error ? error.message : '';
    if (/DB index is out of range|invalid DB index|SELECT is not allowed/i.test(said)) {
      // The driver would go on with database 0, which is somebody else's.
      this.client.disconnect(true);
    }
    if (this.#awaySinceMs !== undefined) this.#tell();
  }

  #ready(): void {
    this.#wasReady = true;
    const wasTold = this.#told !== undefined;
    this.#awaySinceMs = undefined;
    this.#trouble = undefined;
    this.#told = undefined;
    this.#options.log.info(wasTold ? 'redis is back' : 'redis connected', { store: this.#options.path });
  }

  #away(): void {
    if (this.#closed) return;
    this.#awaySinceMs ??= this.#options.clock.monotonicMs();
    if (this.#trouble === undefined) this.#noted(new Error('closed'));
    this.#tell();
  }

  /** Once for each reason, not for each attempt. */
  #tell(): void {
    if (this.#closed || this.#trouble === undefined || this.#trouble === this.#told) return;
    this.#told = this.#trouble;
    this.#options.log.warn('redis is away, trying again', {
      code: 'STORE_UNAVAILABLE',
      store: this.#options.path,
      reason: this.#trouble,
    });
  }
}

/** The driver telling a call that there is no connection, as opposed to why there is none. */
function isConsequence(error: unknown): boolean {
  const said = error instanceof Error ? error.message : '';
  return /max retries per request|Connection is closed|Command aborted|startup nodes/i.test(said);
}

/** Rejects when `promise` takes longer. What it was waiting for goes on. */
export function within<Result>(clock: Clock, waitMs: number, promise: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(waitMs, () => reject(new Error(`timeout: no answer within ${waitMs} ms`)));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
