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

/** Remembers what was revoked lately, so that an answer under way does not bring it back. */
export class RevokedNames {
  static readonly #namesMax = 10_000;
  readonly #revisions = new Map<string, number>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  note(names: readonly string[]): void {
    this.#revision += 1;
    for (const name of names) {
      this.#revisions.delete(name);
      this.#revisions.set(name, this.#revision);
    }
    for (const oldest of this.#revisions.keys()) {
      if (this.#revisions.size <= RevokedNames.#namesMax) break;
      this.#revisions.delete(oldest);
    }
  }

  isRevokedSince(name: string, revision: number): boolean {
    return (this.#revisions.get(name) ?? 0) > revision;
  }
}

export type DefinitionIndex = Map<DefinitionKey, HeldName>;
