import type { Definition, DefinitionKey, DefinitionKind } from '../../domain/definition.js';
import { definitionKey } from '../../domain/definition.js';

/** Removals this close together count as one act: a slow `rm -r` arrives in several pieces. */
const oneActMs = 10_000;

/**
 * Decides whether removals may be shipped.
 *
 * An emptied folder or a table that lost its rows looks exactly like an operator who deletes everything;
 * shipped, it unloads every API in every data center. So a removal that empties a kind, or takes more than
 * half of it within {@link oneActMs}, is held for a person to confirm. What is held stays held until then,
 * however small its part of the whole has become; only its return ends that. Identity providers are counted
 * with everything else only: losing the single one of them is ordinary.
 *
 * It is asked only about what is gone without a trace: a definition that another has taken the place of, or that a
 * person switched off, is no loss.
 */
export class RemovalHold {
  readonly #recent: { readonly atMs: number; readonly kind: DefinitionKind }[] = [];
  #held: ReadonlySet<DefinitionKey>;

  /** `held`: what an earlier life of the hub held. */
  constructor(held: Iterable<DefinitionKey> = []) {
    this.#held = new Set(held);
  }

  /**
   * The removals to hold, of those wanted against what is in force. `nowMs`: monotonic, so that a correction
   * of the wall clock does not tear one act apart.
   */
  decide(
    inForce: ReadonlyMap<DefinitionKey, Definition>,
    wanted: readonly Definition[],
    accepted: ReadonlySet<DefinitionKey>,
    nowMs: number,
  ): readonly Definition[] {
    this.#forgetOld(nowMs);
    const open = wanted.filter((definition) => !accepted.has(keyOf(definition)));
    // What a person lets go is gone: the rest has to stand by itself.
    const gone = new Set(wanted.map(keyOf).filter((key) => accepted.has(key)));
    const present = [...inForce.values()].filter((definition) => !gone.has(keyOf(definition)));
    const everything = this.#tooMany(present, open, undefined);
    const kinds = (['api', 'policy'] as const).filter((kind) => this.#tooMany(present, open, kind));
    const held = open.filter(
      (definition) =>
        everything || kinds.some((kind) => kind === definition.kind) || this.#held.has(keyOf(definition)),
    );
    this.#held = new Set(held.map(keyOf));
    return held;
  }

  /** Remembers what was let through without having been accepted by a person. */
  passed(removed: readonly Definition[], accepted: ReadonlySet<DefinitionKey>, nowMs: number): void {
    for (const definition of removed) {
      if (!accepted.has(keyOf(definition))) this.#recent.push({ atMs: nowMs, kind: definition.kind });
    }
  }

  #tooMany(
    inForce: readonly Definition[],
    wanted: readonly Definition[],
    kind: DefinitionKind | undefined,
  ): boolean {
    const matches = (item: { readonly kind: DefinitionKind }) => kind === undefined || item.kind === kind;
    const removing = wanted.filter(matches).length;
    if (removing === 0) return false;
    const present = inForce.filter(matches).length;
    const before = this.#recent.filter(matches).length;
    return removing === present || removing + before > (present + before) / 2;
  }

  #forgetOld(nowMs: number): void {
    const firstFresh = this.#recent.findIndex(({ atMs }) => nowMs - atMs < oneActMs);
    this.#recent.splice(0, firstFresh < 0 ? this.#recent.length : firstFresh);
  }
}

function keyOf({ kind, id }: Definition): DefinitionKey {
  return definitionKey(kind, id);
}
