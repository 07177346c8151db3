import { LRUCache } from 'lru-cache';
import type { OrganisationId } from '../../domain/identifiers.js';
import { sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import { describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { KeyStore } from '../../ports/key-store.js';
import type { Log } from '../../ports/log.js';
import { Backoff } from '../../std/backoff.js';
import { ownerOfSession } from './session-owner.js';

export interface KeyOwnersParts {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

const pageSize = 100;
const pauseMs = 1;
/** Workers come first after a start. */
const surveyDelayMs = 2_000;

/**
 * Whose keys are, for the moment when one of them is gone and cannot say so any more. Learnt from every session
 * that passes, and from a survey of the key store after the start, because workers hold keys that the hub
 * handed out in an earlier life.
 */
export class KeyOwners implements Component {
  readonly name = 'key owners';
  readonly #parts: KeyOwnersParts;
  readonly #owners: LRUCache<string, OrganisationId>;
  readonly #backoff: Backoff;
  #timer: Timer | undefined;
  #stopped = false;
  #surveying: Promise<void> = Promise.resolve();

  constructor(parts: KeyOwnersParts, entriesMax: number = limits.keyOwnersMax) {
    this.#parts = parts;
    // By size and not by `max`, which would take the memory of half a million entries at once.
    this.#owners = new LRUCache({ maxSize: entriesMax, sizeCalculation: () => 1 });
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

  /** `id`: the raw key or its hash, as stored. */
  note(id: string, organisation: OrganisationId): void {
    this.#owners.set(id, organisation);
  }

  /** The last one that was seen to have it. */
  ownerOf(id: string): OrganisationId | undefined {
    return this.#owners.peek(id);
  }

  #surveyAfter(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#surveying = this.#survey().catch((error: unknown) => {
        this.#parts.log.warn('the keys could not be surveyed, trying again', {
          reason: describeError(error),
        });
        this.#surveyAfter(this.#backoff.nextDelayMs());
      });
    });
  }

  async #survey(): Promise<void> {
    const { store, log, clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    const keys = await surveySessions(
      { store, clock },
      (id, owner) => this.note(id, owner),
      () => this.#stopped,
    );
    log.debug('keys surveyed', { keys, durationMs: clock.monotonicMs() - startedMs });
  }
}

/** Reads every session once, with pauses: nobody waits for it, and workers wait for what it would be in the way of. */
export async function surveySessions(
  { store, clock }: Pick<KeyOwnersParts, 'store' | 'clock'>,
  onSession: (id: string, owner: OrganisationId) => void,
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
      if (owner !== undefined) onSession(id, owner);
    }
    keys += names.length;
    await new Promise<void>((resolve) => {
      clock.after(pauseMs, resolve);
    });
  }
  return keys;
}
