import type { Definition, DefinitionKey } from '../../domain/definition.js';
import { placesOf } from '../../domain/definition-places.js';
import { yieldTurn } from '../../std/yield-turn.js';

/** A tool that creates and removes one after the other is done with a pair within this time. */
const onePairMs = 10_000;
/** A few ms of the event loop. */
const placesPerTurn = 100;

/**
 * Tells replacements from removals.
 *
 * Tools that copy an environment give everything a new id. What such an act removes is not lost: something else has
 * taken its place (see definition-places.ts), and a gateway must get both halves of the exchange or neither. With the
 * old beside the new, each path is there twice, and the gateway answers 404 on it.
 *
 * A place that is the only one of its kind is taken when anything stands on it now, however long. That several share a
 * label is ordinary, so there a newcomer takes the place of one: of a table that lost its rows, those left over are
 * nobody's successors.
 *
 * A replacement is judged as an edit of the same definition would be. So it is one, too, when the successor is for other
 * zones or other owners: then each worker sees what the control plane says it shall.
 */
export class Successors {
  /** When newcomers of a label came that have taken nobody's place yet. Monotonic. */
  readonly #newcomers = new Map<string, number[]>();

  /**
   * Those of `removed` whose place something of `next` has. To be asked once for each load, also when nothing is
   * removed. `nowMs`: monotonic.
   */
  replaced(
    inForce: ReadonlyMap<DefinitionKey, Definition>,
    next: ReadonlyMap<DefinitionKey, Definition>,
    removed: readonly Definition[],
    nowMs: number,
  ): ReadonlySet<Definition> {
    this.#forgetOld(nowMs);
    // The first load brings nothing but newcomers, and none of them replaces anything.
    if (inForce.size > 0) this.#welcome(inForce, next, nowMs);
    const replaced = new Set<Definition>();
    if (removed.length === 0) return replaced;
    const taken = new Set<string>();
    for (const definition of next.values()) for (const place of placesOf(definition).sole) taken.add(place);
    for (const definition of removed) {
      const { sole, label } = placesOf(definition);
      if (this.#claim(label) || sole.some((place) => taken.has(place))) replaced.add(definition);
    }
    return replaced;
  }

  #welcome(
    inForce: ReadonlyMap<DefinitionKey, Definition>,
    next: ReadonlyMap<DefinitionKey, Definition>,
    nowMs: number,
  ): void {
    for (const [key, definition] of next) {
      // APIs have no label, and there may be many to read in vain.
      if (definition.kind === 'api' || inForce.has(key)) continue;
      const { label } = placesOf(definition);
      if (label !== undefined) this.#newcomers.set(label, [...(this.#newcomers.get(label) ?? []), nowMs]);
    }
  }

  /** Each newcomer takes one place. */
  #claim(label: string | undefined): boolean {
    return label !== undefined && this.#newcomers.get(label)?.pop() !== undefined;
  }

  #forgetOld(nowMs: number): void {
    for (const [label, times] of this.#newcomers) {
      const recent = times.filter((atMs) => nowMs - atMs < onePairMs);
      if (recent.length === 0) this.#newcomers.delete(label);
      else if (recent.length < times.length) this.#newcomers.set(label, recent);
    }
  }
}

/**
 * Has the places of all read that `Successors` will ask for, in pieces: there may be many, and the first removal asks
 * for all of them at once.
 */
export async function readPlaces(
  inForce: ReadonlyMap<DefinitionKey, Definition> = new Map(),
  next: ReadonlyMap<DefinitionKey, Definition>,
): Promise<void> {
  let isRemoving = false;
  for (const key of inForce.keys()) isRemoving ||= !next.has(key);
  if (!isRemoving) return;
  let read = 0;
  for (const definition of [...inForce.values(), ...next.values()]) {
    placesOf(definition);
    read += 1;
    if (read % placesPerTurn === 0) await yieldTurn();
  }
}
