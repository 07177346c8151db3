import { limits } from '../../domain/limits.js';
import type { ByteShares } from '../../hub/shares/byte-shares.js';
import type { GatewaySession } from '../../hub/zones/gateway-session.js';

/** What a long message waits for before more of it is read. */
export type LongMessageWait = 'login' | 'room';

/** Room that a long message takes until its call is answered. */
export interface TakenRoom {
  readonly owner: string;
  readonly bytes: number;
}

/**
 * The long messages of one connection. One that begins is let in with all its announced length, or waits: for
 * the login of its worker, or for room among those of its organisation and of the hub. While it waits nothing
 * more of the connection is read, and what has come of it is little.
 *
 * One kind of message may be long before the login: the login itself.
 */
export class LongMessages {
  readonly #shares: ByteShares;
  #owner = '';
  #wanted = 0;
  #taken = 0;

  constructor(shares: ByteShares) {
    this.#shares = shares;
  }

  /** A part of a message begins. */
  begin(length: number): void {
    if (length > limits.strangerMessageBytesMax) this.#wanted += length;
  }

  /** Lets in what has begun. Undefined: nothing waits. */
  waitsFor(session: GatewaySession | undefined): LongMessageWait | undefined {
    if (this.#wanted === 0) return undefined;
    if (session?.hasLoggedIn !== true) {
      return this.#wanted > limits.strangerLoginBytesMax ? 'login' : undefined;
    }
    this.#owner = session.login?.identity.organisation ?? '';
    if (this.#shares.boundAgainst(this.#owner, this.#wanted) !== undefined) return 'room';
    this.#take();
    return undefined;
  }

  /** The message is complete: the room is its call's from now on. */
  complete(): TakenRoom | undefined {
    // What came in one piece with its beginning is there already.
    if (this.#wanted > 0) this.#take();
    if (this.#taken === 0) return undefined;
    const room = { owner: this.#owner, bytes: this.#taken };
    this.#taken = 0;
    return room;
  }

  giveBack({ owner, bytes }: TakenRoom): void {
    this.#shares.release(owner, bytes);
  }

  onRoom(listener: () => void): () => void {
    return this.#shares.onRoom(listener);
  }

  close(): void {
    this.#wanted = 0;
    this.#shares.release(this.#owner, this.#taken);
    this.#taken = 0;
  }

  #take(): void {
    this.#shares.take(this.#owner, this.#wanted);
    this.#taken += this.#wanted;
    this.#wanted = 0;
  }
}
