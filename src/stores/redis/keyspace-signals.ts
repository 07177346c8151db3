import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../ports/clock.js';
import type { ControlPlaneSignal, ControlPlaneSignals } from '../../ports/control-plane-signals.js';
import type { Log } from '../../ports/log.js';
import type { LoopProgress } from '../../ports/progress.js';
import { Backoff } from '../../std/backoff.js';
import { TokenBucket } from '../../std/token-bucket.js';
import { createSubscriber } from './create-client.js';
import { keyspaceChannels, readKeyspaceNotification } from './keyspace-notification.js';
import { operationChannel, readKeyspaceOperation } from './keyspace-operation.js';
import { type NotificationSettings, notificationChannel, readNotification } from './notification.js';
import type { RedisAccess, RedisOptionPath } from './redis-access.js';
import { within } from './redis-link.js';
import { explainRedisTrouble } from './redis-trouble.js';

export interface KeyspaceSignalsOptions extends NotificationSettings {
  readonly path: RedisOptionPath;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress?: LoopProgress | undefined;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A subscription that is cut off looks like one on which nothing happens, so it is asked now and then. */
const pingPeriodMs = 15_000;

/**
 * Listens to what the control plane tells on Redis: its two channels, and the server's own notifications
 * where an operator has turned them on (not with a Cluster, whose nodes tell only of their own keys).
 *
 * The connection is its own and is not repaired but replaced, because what was said meanwhile is lost, and
 * that has to be told too.
 */
export class KeyspaceSignals implements ControlPlaneSignals {
  readonly #access: RedisAccess;
  readonly #options: KeyspaceSignalsOptions;
  readonly #listeners = new Set<(signal: ControlPlaneSignal) => void>();
  readonly #backoff: Backoff;
  readonly #lines: TokenBucket;
  #connection: Redis | undefined;
  #timer: Timer | undefined;
  #turn = 0;
  #told: string | undefined;
  #closed = false;
  #refused = 0;
  #accepted = 0;

  constructor(access: RedisAccess, options: KeyspaceSignalsOptions) {
    this.#access = access;
    this.#options = options;
    const { random, clock } = options;
    this.#backoff = new Backoff({ firstDelayMs: 100, delayMsMax: 5_000, random });
    this.#lines = new TokenBucket({ capacity: 5, tokensPerMinute: 1 }, clock.monotonicMs());
  }

  #open(): void {
    this.#listen().then(
      () => this.#pingLater(),
      (error: unknown) => this.#failed(error),
    );
  }

  /** How many notifications were signed as `nodeSecret` wants it. Undefined: nobody looks. */
  signatures(): { readonly refused: number; readonly accepted: number } | undefined {
    if (this.#options.nodeSecret === '') return undefined;
    return { refused: this.#refused, accepted: this.#accepted };
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  /** The first subscriber makes it listen, in the background; `listening` is signalled when it does. */
  subscribe(onSignal: (signal: ControlPlaneSignal) => void): () => void {
    this.#listeners.add(onSignal);
    if (this.#listeners.size === 1 && this.#connection === undefined) this.#open();
    return () => this.#listeners.delete(onSignal);
  }

  async #listen(): Promise<void> {
    const { path, random, log } = this.#options;
    const connection = createSubscriber(
      this.#access,
      { path, random, connectionName: 'causeway-signals' },
      this.#turn++,
    );
    this.#connection = connection;
    let reason: unknown = new Error('closed');
    connection.on('error', (error: unknown) => {
      reason = error;
    });
    connection.on('end', () => {
      if (this.#connection === connection) this.#failed(reason);
    });
    connection.on('message', (channel: string, text: string) => {
      if (this.#connection !== connection) return;
      if (channel === notificationChannel) this.#notified(text);
      else if (channel === operationChannel) this.#operated(text);
      else this.#emit(readKeyspaceNotification(channel, text));
    });
    await this.#inTime(connection.connect());
    const own = this.#access.enableCluster ? [] : keyspaceChannels(this.#access.database);
    await this.#inTime(connection.subscribe(notificationChannel, operationChannel, ...own));
    if (this.#connection !== connection) return;
    this.#options.progress?.madeProgress();
    this.#backoff.reset();
    this.#told = undefined;
    log.info('listening to the control plane', { channel: notificationChannel });
    this.#emit({ type: 'listening' });
  }

  #notified(text: string): void {
    const reading = readNotification(text, this.#options);
    if ('signals' in reading) {
      this.#accepted += 1;
      for (const signal of reading.signals) this.#emit(signal);
      return;
    }
    const { nothing, command } = reading;
    if (nothing === 'refused') this.#refused += 1;
    if (nothing === 'ignored' || !this.#lines.take(this.#options.clock.monotonicMs())) return;
    if (nothing === 'refused') {
      this.#options.log.warn(
        'a notification of the control plane is not signed with causeway.node_secret and was ignored',
        { command },
      );
    } else
      this.#options.log.debug('a notification of the control plane says nothing to us', { command, nothing });
  }

  #operated(text: string): void {
    const signal = readKeyspaceOperation(text);
    if (signal !== undefined) this.#emit(signal);
    else if (this.#lines.take(this.#options.clock.monotonicMs())) {
      this.#options.log.debug('a key operation of the control plane was not understood', {
        channel: operationChannel,
        bytes: text.length,
      });
    }
  }

  #emit(signal: ControlPlaneSignal | undefined): void {
    if (signal === undefined) return;
    for (const listener of this.#listeners) listener(signal);
  }

  #pingLater(): void {
    if (this.#closed) return;
    const connection = this.#connection;
    this.#timer = this.#options.clock.after(pingPeriodMs, () => {
      if (connection === undefined || this.#connection !== connection) return;
      this.#inTime(connection.ping()).then(
        () => this.#pingLater(),
        (error: unknown) => {
          if (this.#connection === connection) this.#failed(error);
        },
      );
    });
  }

  #failed(error: unknown): void {
    this.#drop();
    if (this.#closed) return;
    const { log, path, clock, progress } = this.#options;
    progress?.hasWork();
    const reason = explainRedisTrouble(error, path, this.#access);
    if (reason !== this.#told) {
      this.#told = reason;
      log.warn('not listening to the control plane, trying again; changes are found by looking', { reason });
    }
    this.#timer = clock.after(this.#backoff.nextDelayMs(), () => this.#open());
  }

  #drop(): void {
    this.#timer?.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.disconnect();
  }

  #inTime<Result>(work: Promise<Result>): Promise<Result> {
    return within(this.#options.clock, this.#access.timeoutMs, work);
  }
}
