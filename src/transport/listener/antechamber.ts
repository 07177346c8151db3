import type { Socket } from 'node:net';
import { LRUCache } from 'lru-cache';
import { networkSourceOf } from '../../domain/network-source.js';
import type { Clock } from '../../ports/clock.js';

const delayMaxMs = 30_000;
const doublingsMax = 5;
const hostsMax = 10_000;

/**
 * Where refused connections wait for their close.
 *
 * A gateway redials at once when a connection is closed that it could open, with every connection of its pool and for
 * ever. So a refused one is kept, unread, for a second, and longer for a host that is refused again: up to 30 s. It
 * costs a descriptor, so there is room for some thousands where descriptors allow; when that is full they are closed at once after all.
 */
export class Antechamber {
  readonly #clock: Clock;
  readonly #places: number;
  readonly #delayMs: number;
  readonly #waiting = new Set<Socket>();
  readonly #refusals = new LRUCache<string, { count: number; untilMs: number }>({ max: hostsMax });

  constructor(clock: Clock, bounds: { readonly places: number; readonly delayMs: number }) {
    this.#clock = clock;
    this.#places = bounds.places;
    this.#delayMs = bounds.delayMs;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Takes a connection that nobody has read from. */
  take(socket: Socket, address: string): void {
    socket.on('error', () => {});
    if (this.#waiting.size >= this.#places) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    const timer = this.#clock.after(this.#nextDelayMs(address), () => socket.destroy());
    socket.once('close', () => {
      timer.cancel();
      this.#waiting.delete(socket);
    });
    // Without this its own close would not be noticed; what it sends is thrown away.
    socket.resume();
  }

  clear(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  #nextDelayMs(address: string): number {
    const { host } = networkSourceOf(address);
    const nowMs = this.#clock.monotonicMs();
    const known = this.#refusals.get(host);
    const count = known === undefined || known.untilMs < nowMs ? 0 : known.count + 1;
    this.#refusals.set(host, { count, untilMs: nowMs + 4 * delayMaxMs });
    // Those of one pool come together: they count as one refusal, not as a chain of them.
    return Math.min(delayMaxMs, this.#delayMs * 2 ** Math.min(doublingsMax, Math.floor(count / 8)));
  }
}
