import { LRUCache } from 'lru-cache';
import type { Definition, DefinitionKey, DefinitionKind } from '../domain/definition.js';

/** A position in the change log, as the hub named it. */
export interface WorkerCursor {
  readonly epoch: string;
  /** Everything up to and including this sequence is applied. */
  readonly sequence: number;
}

/** A definition as it arrived, byte for byte. */
export interface HeldDefinition {
  readonly kind: DefinitionKind;
  readonly id: string;
  readonly hash: string;
  readonly form: Definition['form'];
  readonly body: Buffer;
  readonly oas: Buffer | undefined;
}

export type HeldName = Pick<HeldDefinition, 'kind' | 'id' | 'hash' | 'form'>;

export interface HeldKey {
  /** Raw key-space name: `apikey-...`, `cert-raw-...`. */
  readonly name: string;
  readonly value: Buffer;
  /** Wall clock; undefined: does not expire. */
  readonly expiresAtMs: number | undefined;
}

/** Changes that become visible and durable together with the cursor. */
export interface LocalCopyChange {
  readonly put: readonly HeldDefinition[];
  readonly remove: readonly { readonly kind: DefinitionKind; readonly id: string }[];
  readonly putKeys: readonly HeldKey[];
  readonly removeKeys: readonly string[];
  /** What `LocalCopy.revision` was when `putKeys` were asked for: a key revoked since stays away. */
  readonly keysAsOf: number;
  /** Undefined: the cursor stays, because more belongs to this step (snapshot chunks). */
  readonly cursor: WorkerCursor | undefined;
}

/**
 * What a worker holds: enough to serve while no hub answers, and to say where to go on from.
 * Only one change is applied at a time; reads may happen at any time.
 */
export interface LocalCopy {
  /** Undefined: nothing was ever completed, or the copy is damaged and must be levelled. */
  readonly cursor: WorkerCursor | undefined;
  /** Counts revocations. */
  readonly revision: number;
  definitions(): Iterable<HeldName>;
  readDefinition(kind: DefinitionKind, id: string): Promise<HeldDefinition | undefined>;
  /** Names of the keys held; some may have expired. */
  keyNames(): Iterable<string>;
  /** Undefined: not held, or expired at `nowMs`. */
  readKey(name: string, nowMs: number): Promise<HeldKey | undefined>;
  /** Durable when it resolves. A failure at any point leaves a copy from which repeating is right. */
  apply(change: LocalCopyChange): Promise<void>;
  /** Drops keys at once, past a change that is being applied; reads miss them before this returns. */
  revoke(names: readonly string[]): Promise<void>;
}

const revokedNamesMax = 10_000;

/** Remembers what was revoked lately, so that an answer under way does not bring it back. */
export class RevokedNames {
  readonly #revisions: LRUCache<string, number>;
  /** Up to here names had to be forgotten: an answer asked for before that is not to be trusted. */
  #forgottenThrough = 0;
  #revision = 0;

  constructor(namesMax = revokedNamesMax) {
    this.#revisions = new LRUCache({
      max: namesMax,
      dispose: (revision, _name, reason) => {
        if (reason === 'evict') this.#forgottenThrough = Math.max(this.#forgottenThrough, revision);
      },
    });
  }

  get revision(): number {
    return this.#revision;
  }

  note(names: readonly string[]): void {
    this.#revision += 1;
    for (const name of names) this.#revisions.set(name, this.#revision);
  }

  isRevokedSince(name: string, revision: number): boolean {
    return (this.#revisions.peek(name) ?? this.#forgottenThrough) > revision;
  }
}

export type DefinitionIndex = Map<DefinitionKey, HeldName>;
