import type { Definition, DefinitionKey, DefinitionKind } from '../../domain/definition.js';
import { definitionKey } from '../../domain/definition.js';

/** Removals this close together count as one act: a slow `rm -r` arrives in several pieces. */
const oneActMs = 10_000;

/**
 * Decides whether removals may be shipped.
 *
 * An emptied folder or a table that lost its rows looks exactly like an operator who deletes everything;
 * shipped, it unloads every API in every data center. So a removal that empties a kind, or takes more than
 * half of it within {@link oneActMs}, is held for a person to confirm. Identity providers are counted with
 * everything else only: losing the single one of them is ordinary.
 */
export class RemovalHold {
  readonly #recent: { readonly atMs: number; readonly kind: DefinitionKind; readonly count: number }[] = [];

  /** The removals to hold, of those wanted against what is in force. */
  decide(
    inForce: ReadonlyMap<DefinitionKey, Definition>,
    wanted: readonly Definition[],
    accepted: ReadonlySet<DefinitionKey>,
    nowMs: number,
  ): readonly Definition[] {
    this.#forgetOld(nowMs);
    const open = wanted.filter((definition) => !accepted.has(definitionKey(definition.kind, definition.id)));
    if (this.#tooMany(inForce, open, undefined)) return open;
    const kinds = (['api', 'policy'] as const).filter((kind) => this.#tooMany(inForce, open, kind));
    return open.filter((definition) => kinds.some((kind) => kind === definition.kind));
  }

  /** Remembers what was let through without having been accepted by a person. */
  passed(removed: readonly Definition[], accepted: ReadonlySet<DefinitionKey>, nowMs: number): void {
    for (const definition of removed) {
      if (accepted.has(definitionKey(definition.kind, definition.id))) continue;
      this.#recent.push({ atMs: nowMs, kind: definition.kind, count: 1 });
    }
  }

  #tooMany(
    inForce: ReadonlyMap<DefinitionKey, Definition>,
    wanted: readonly Definition[],
    kind: DefinitionKind | undefined,
  ): boolean {
    const matches = (item: { readonly kind: DefinitionKind }) => kind === undefined || item.kind === kind;
    const removing = wanted.filter(matches).length;
    if (removing === 0) return false;
    let present = 0;
    for (const definition of inForce.values()) if (matches(definition)) present += 1;
    const before = this.#recent.filter(matches).reduce((sum, entry) => sum + entry.count, 0);
    return removing === present || removing + before > (present + before) / 2;
  }

  #forgetOld(nowMs: number): void {
    // A clock that jumped back must not keep old removals for ever: drop what lies in the future, too.
    const fresh = this.#recent.filter((entry) => Math.abs(nowMs - entry.atMs) < oneActMs);
    this.#recent.splice(0, this.#recent.length, ...fresh);
  }
}
