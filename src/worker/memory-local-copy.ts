import { type DefinitionKey, type DefinitionKind, definitionKey } from '../domain/definition.js';
import {
  type HeldDefinition,
  type HeldKey,
  type HeldName,
  type LocalCopy,
  type LocalCopyChange,
  RevokedNames,
  type WorkerCursor,
} from './local-copy.js';

/** A local copy for as long as the process lives: for measurements and tests. */
export class MemoryLocalCopy implements LocalCopy {
  readonly #definitions = new Map<DefinitionKey, HeldDefinition>();
  readonly #keys = new Map<string, HeldKey>();
  readonly #revoked = new RevokedNames();
  #cursor: WorkerCursor | undefined;

  get cursor(): WorkerCursor | undefined {
    return this.#cursor;
  }

  get revision(): number {
    return this.#revoked.revision;
  }

  definitions(): Iterable<HeldName> {
    return this.#definitions.values();
  }

  async readDefinition(kind: DefinitionKind, id: string): Promise<HeldDefinition | undefined> {
    return this.#definitions.get(definitionKey(kind, id));
  }

  keyNames(): Iterable<string> {
    return this.#keys.keys();
  }

  async readKey(name: string, nowMs: number): Promise<HeldKey | undefined> {
    const key = this.#keys.get(name);
    return key?.expiresAtMs !== undefined && key.expiresAtMs <= nowMs ? undefined : key;
  }

  async apply(change: LocalCopyChange): Promise<void> {
    for (const definition of change.put) {
      this.#definitions.set(definitionKey(definition.kind, definition.id), definition);
    }
    for (const { kind, id } of change.remove) this.#definitions.delete(definitionKey(kind, id));
    for (const name of change.removeKeys) this.#keys.delete(name);
    for (const key of change.putKeys) {
      if (!this.#revoked.isRevokedSince(key.name, change.keysAsOf)) this.#keys.set(key.name, key);
    }
    this.#cursor = change.cursor ?? this.#cursor;
  }

  async revoke(names: readonly string[]): Promise<void> {
    this.#revoked.note(names);
    for (const name of names) this.#keys.delete(name);
  }
}
