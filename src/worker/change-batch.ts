import { type DefinitionKey, definitionKey } from '../domain/definition.js';
import type { HeldDefinition, HeldKey, LocalCopyChange, WorkerCursor } from './local-copy.js';
import type { DefinitionReference, ReceivedChange } from './read-changes.js';
import type { KeyOutcome, WorkerEvent } from './worker-event.js';

/** The net effect of consecutive changes: of several about one thing, the last one counts. */
export class ChangeBatch {
  readonly changes: readonly ReceivedChange[];
  readonly #put = new Map<DefinitionKey, HeldDefinition>();
  readonly #removed = new Map<DefinitionKey, DefinitionReference>();
  readonly #fetch = new Set<string>();
  readonly #drop = new Set<string>();

  constructor(changes: readonly ReceivedChange[], heldKeys: () => Iterable<string>) {
    this.changes = changes;
    for (const { body } of changes) {
      if (body.type === 'put') this.#addPut(body.definition);
      else if (body.type === 'removed') this.#addRemoval(body.name);
      else {
        for (const name of body.effect.drop) this.#addDrop(name);
        for (const name of namesWith(body.effect.dropPrefixes, heldKeys)) this.#addDrop(name);
        for (const name of body.effect.fetch) {
          this.#drop.delete(name);
          this.#fetch.add(name);
        }
      }
    }
  }

  /** Keys to be fetched anew. */
  get fetch(): readonly string[] {
    return [...this.#fetch];
  }

  /** Sequence of the first change that needs a key; undefined: none does. */
  get firstFetch(): number | undefined {
    return this.changes.find(({ body }) => body.type === 'key' && body.effect.fetch.length > 0)?.sequence;
  }

  toLocalCopyChange(
    fetched: readonly HeldKey[],
    keysAsOf: number,
    cursor: WorkerCursor | undefined,
  ): LocalCopyChange {
    const found = new Set(fetched.map(({ name }) => name));
    const absent = [...this.#fetch].filter((name) => !found.has(name));
    return {
      put: [...this.#put.values()],
      remove: [...this.#removed.values()],
      putKeys: fetched,
      removeKeys: [...this.#drop, ...absent],
      keysAsOf,
      cursor,
    };
  }

  /** One event per change as it was delivered. `isHeld` is asked after the batch was applied. */
  *events(isHeld: (keyName: string) => boolean): Generator<WorkerEvent, void> {
    for (const { sequence, atMs, body } of this.changes) {
      if (body.type === 'put') {
        const { kind, id, hash, body: bytes, oas } = body.definition;
        yield { type: 'put', kind, id, hash, sequence, atMs, bytes: bytes.length + (oas?.length ?? 0) };
      } else if (body.type === 'removed') {
        yield { type: 'removed', ...body.name, sequence, atMs };
      } else {
        const { event, key, hashed, drop, dropPrefixes, fetch } = body.effect;
        let outcome: KeyOutcome = 'noted';
        if (drop.length + dropPrefixes.length > 0) outcome = 'dropped';
        if (fetch.length > 0) outcome = fetch.some(isHeld) ? 'stored' : 'dropped';
        yield { type: 'key', event, key, hashed, outcome, sequence, atMs };
      }
    }
  }

  #addPut(definition: HeldDefinition): void {
    const key = definitionKey(definition.kind, definition.id);
    this.#removed.delete(key);
    this.#put.set(key, definition);
  }

  #addRemoval(name: DefinitionReference): void {
    const key = definitionKey(name.kind, name.id);
    this.#put.delete(key);
    this.#removed.set(key, name);
  }

  #addDrop(name: string): void {
    this.#fetch.delete(name);
    this.#drop.add(name);
  }
}

export function namesWith(prefixes: readonly string[], heldKeys: () => Iterable<string>): readonly string[] {
  if (prefixes.length === 0) return [];
  return [...heldKeys()].filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
}
