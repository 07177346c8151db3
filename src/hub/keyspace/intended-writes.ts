import type { NewChange } from '../../domain/change.js';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { AnnouncedWrite, AnnouncedWrites } from '../../ports/announced-writes.js';
import type { ChangeIntentions, Intention } from '../../ports/change-intentions.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { KeyStore } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { Backoff } from '../../std/backoff.js';
import { KeyedQueue } from '../../std/keyed-queue.js';

export interface IntendedWritesParts {
  readonly store: KeyStore;
  readonly intentions: ChangeIntentions;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Undefined: nobody watches how it gets on. */
  readonly progress?: LoopProgress | undefined;
}

/**
 * Announced writes where keys and change log are two engines: the intention is noted beside the log, then the key is
 * written, then the log has its entries and the note is gone, in one commit.
 *
 * What is noted and not settled, because a store failed or the hub died, may have happened. It is never done a second
 * time, as somebody else may have written the key since; it is announced by what is there: workers are then level
 * with the store, whichever way it went. Until a store answers this is tried again, also over restarts.
 */
export class IntendedWrites implements AnnouncedWrites, Component {
  readonly name = 'key writes';
  readonly #parts: IntendedWritesParts;
  readonly #intendedMax: number;
  /** Of one key one after the other, so that what is found when one is finished is still so when it is told. */
  readonly #queue = new KeyedQueue();
  readonly #unfinished = new Map<number, Intention>();
  readonly #backoff: Backoff;
  #timer: Timer | undefined;
  #finishing: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: IntendedWritesParts, intendedMax: number = limits.keyIntentionsMax) {
    this.#parts = parts;
    this.#intendedMax = intendedMax;
    this.#backoff = new Backoff({ firstDelayMs: 200, delayMsMax: 5_000, random: parts.random });
  }

  async start(): Promise<void> {
    for (const intention of await this.#parts.intentions.intentions()) {
      this.#unfinished.set(intention.id, intention);
    }
    if (this.#unfinished.size === 0) return;
    this.#parts.log.warn('writes of keys were under way when the hub ended; their workers are told', {
      writes: this.#unfinished.size,
    });
    this.#measure();
    this.#finishAfter(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#finishing;
  }

  notReady(): undefined {
    return undefined;
  }

  /** Writes that may have happened and are not announced. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  write({ name, stored, changes }: AnnouncedWrite): Promise<void> {
    // It is written later, and the caller may use its buffer for something else by then.
    const copy = stored && { value: Buffer.from(stored.value), ttlMs: stored.ttlMs };
    const write = { name, stored: copy, changes };
    return this.#queue.run(name, () => {
      return changes.length === 0 ? this.#store(write) : this.#write(write);
    });
  }

  async #store({ name, stored }: AnnouncedWrite): Promise<void> {
    const { store } = this.#parts;
    if (stored === undefined) await store.remove([name]);
    else await store.put(name, stored.value, stored.ttlMs);
  }

  async #write(write: AnnouncedWrite): Promise<void> {
    const { intentions, metrics } = this.#parts;
    const { name, changes } = write;
    if (this.#unfinished.size >= this.#intendedMax) {
      metrics.add('causeway_limit_hits_total', { limit: 'keyIntentionsMax' });
      throw new CausewayError('STORE_UNAVAILABLE', 'too many writes wait for a store; keyIntentionsMax');
    }
    const intention = await intentions.intend(name, changes);
    try {
      await this.#store(write);
      await intentions.settle(intention, changes);
    } catch (error) {
      this.#unfinished.set(intention.id, intention);
      this.#measure();
      this.#finishAfter(this.#backoff.nextDelayMs());
      throw error;
    }
  }

  #finishAfter(delayMs: number): void {
    if (this.#stopped || this.#timer !== undefined) return;
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#finishing = this.#finish().finally(() => {
        this.#timer = undefined;
        if (this.#unfinished.size > 0) this.#finishAfter(this.#backoff.nextDelayMs());
      });
    });
  }

  async #finish(): Promise<void> {
    for (const intention of [...this.#unfinished.values()]) {
      if (this.#stopped) return;
      this.#parts.progress?.hasWork();
      try {
        await this.#queue.run(intention.name, () => this.#finishOne(intention));
        this.#parts.progress?.madeProgress();
      } catch (error) {
        this.#parts.log.warn('workers are not told yet of a key that may have been written, trying again', {
          writes: this.#unfinished.size,
          reason: describeError(error),
        });
        // Of unknown kind, it lies in this one, and the others need not wait for it.
        if (!(error instanceof CausewayError)) continue;
        return;
      }
    }
    this.#backoff.reset();
  }

  async #finishOne(intention: Intention): Promise<void> {
    const { store, intentions, metrics } = this.#parts;
    const [stored] = await store.getMany([intention.name], { ttl: false });
    const changes = intention.changes.flatMap((change) => asFound(change, stored !== undefined));
    await intentions.settle(intention, changes);
    this.#unfinished.delete(intention.id);
    this.#measure();
    if (changes.length > 0) metrics.add('causeway_changes_total', { type: 'key' }, changes.length);
  }

  #measure(): void {
    this.#parts.metrics.set('causeway_key_writes_unannounced', {}, this.#unfinished.size);
  }
}

/** What workers are to hear when it is not known how far the write came, and the key is there or not. */
function asFound(change: NewChange, isThere: boolean): readonly NewChange[] {
  const { body } = change;
  if (body.type !== 'key' || !isThere) return [change];
  const { event } = body;
  // Of a removal that did not happen: the key may be another one by now, so it is to be fetched anew.
  if (event.kind === 'key-removed') {
    return [{ ...change, body: { type: 'key', event: { ...event, kind: 'key-changed' } } }];
  }
  return event.kind === 'oauth-token-revoked' ? [] : [change];
}
