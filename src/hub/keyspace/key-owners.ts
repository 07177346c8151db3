import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { OrganisationId } from '../../domain/identifiers.js';
import { sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import { describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { KeyStore } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { Backoff } from '../../std/backoff.js';
import { ownerOfSession } from './session-owner.js';

export interface KeyOwnersParts {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly random: () => number;
  /** Undefined: nobody watches how it gets on. */
  readonly progress?: LoopProgress | undefined;
}

const pageSize = 100;
const pauseMs = 1;
/** Workers come first after a start. */
const surveyDelayMs = 2_000;

interface Seen {
  readonly organisation: OrganisationId;
  /** Of the value that workers were told of, or that stood there at the survey; undefined: only the owner is known. */
  readonly digest: number | undefined;
}

/**
 * Whose keys are, for the moment when one of them is gone and cannot say so any more. Learnt from every session
 * that passes, and from a survey of the key store after the start, because workers hold keys that the hub
 * handed out in an earlier life.
 */
export class KeyOwners implements Component {
  readonly name = 'key owners';
  readonly #parts: KeyOwnersParts;
  readonly #owners: LRUCache<string, Seen>;
  readonly #backoff: Backoff;
  #timer: Timer | undefined;
  #stopped = false;
  #surveying: Promise<void> = Promise.resolve();
  #surveyedAtMs: number | undefined;

  constructor(parts: KeyOwnersParts, entriesMax: number = limits.keyOwnersMax) {
    this.#parts = parts;
    // By size and not by `max`, which would take the memory of half a million entries at once.
    this.#owners = new LRUCache({
      maxSize: entriesMax,
      sizeCalculation: () => 1,
      dispose: (_seen, _id, reason) => {
        if (reason === 'evict') parts.metrics.add('causeway_limit_hits_total', { limit: 'keyOwnersMax' });
      },
    });
    this.#backoff = new Backoff({ firstDelayMs: 5_000, delayMsMax: 300_000, random: parts.random });
  }

  async start(): Promise<void> {
    this.#surveyAfter(surveyDelayMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#surveying;
  }

  notReady(): undefined {
    return undefined;
  }

  /** `id`: the raw key or its hash, as stored. `value`: what it is now and workers need not be told of again. */
  note(id: string, organisation: OrganisationId, value?: Buffer): void {
    const before = value === undefined ? this.#owners.peek(id) : undefined;
    const digest = value === undefined ? before?.digest : digestOf(value);
    if (before?.organisation === organisation) this.#owners.get(id);
    else this.#owners.set(id, { organisation, digest });
  }

  /** The last one that was seen to have it. */
  ownerOf(id: string): OrganisationId | undefined {
    return this.#owners.peek(id)?.organisation;
  }

  /** Whether the value is the one that was noted last. */
  wasSeenAs(id: string, value: Buffer): boolean {
    const digest = this.#owners.peek(id)?.digest;
    return digest !== undefined && digest === digestOf(value);
  }

  /** Of every key whose owner is remembered, as it is now. */
  ids(): readonly string[] {
    return [...this.#owners.keys()];
  }

  /** Monotonic time when every key had been seen once; undefined: not yet. */
  get surveyedAtMs(): number | undefined {
    return this.#surveyedAtMs;
  }

  #surveyAfter(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#surveying = this.#survey().catch((error: unknown) => {
        this.#parts.log.warn('the keys could not be surveyed, trying again', {
          reason: describeError(error),
        });
        this.#parts.progress?.hasWork();
        this.#surveyAfter(this.#backoff.nextDelayMs());
      });
    });
  }

  async #survey(): Promise<void> {
    const { store, log, clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    const keys = await surveySessions(
      { store, clock },
      (id, owner, value) => this.note(id, owner, value),
      () => this.#stopped,
    );
    this.#parts.progress?.madeProgress();
    if (!this.#stopped) this.#surveyedAtMs = clock.monotonicMs();
    log.debug('keys surveyed', { keys, durationMs: clock.monotonicMs() - startedMs });
  }
}

/** Reads every session once, with pauses: nobody waits for it, and workers wait for what it would be in the way of. */
export async function surveySessions(
  { store, clock }: Pick<KeyOwnersParts, 'store' | 'clock'>,
  onSession: (id: string, owner: OrganisationId, value: Buffer) => void,
  isStopped: () => boolean = () => false,
): Promise<number> {
  let keys = 0;
  for await (const names of store.scan(sessionPrefix, pageSize)) {
    if (isStopped()) return keys;
    const values = await store.getMany(names, { ttl: false });
    for (const [index, name] of names.entries()) {
      const stored = values[index];
      const id = name.slice(sessionPrefix.length);
      const owner = stored === undefined ? undefined : ownerOfSession(id, stored.value);
      if (stored !== undefined && owner !== undefined) onSession(id, owner, stored.value);
    }
    keys += names.length;
    await new Promise<void>((resolve) => {
      clock.after(pauseMs, resolve);
    });
  }
  return keys;
}

/** Six bytes: to tell apart what is different, not what somebody made to look alike. */
function digestOf(value: Buffer): number {
  return createHash('sha1').update(value).digest().readUIntBE(0, 6);
}
