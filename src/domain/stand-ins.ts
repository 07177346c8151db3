import type { Definition } from './definition.js';
import { placesOf } from './definition-places.js';
import type { Resolved, SourceProblem } from './resolve-claims.js';

export interface StandIns {
  readonly items: readonly Resolved<Definition>[];
  /** Those that gave way, and to whom. */
  readonly gaveWay: readonly SourceProblem[];
}

/**
 * What stands for something that is broken, or not known to be gone for good, is of yesterday. Beside what the control
 * plane says today it must not occupy a place that is somebody else's by now: a file that was renamed with a new id in
 * it, or an API that took over the path of one that was edited and is broken since. Then it gives way.
 *
 * Two that stood in one place together before, with the will of the control plane, both stay.
 * `stoodThere`: whether what came from that source stood in that place before.
 */
export function letStandInsGiveWay(
  resolved: readonly Resolved<Definition>[],
  stoodThere: (source: string, place: string) => boolean,
): StandIns {
  if (!resolved.some(({ standIn }) => standIn)) return { items: resolved, gaveWay: [] };
  const holders = new Map<string, string>();
  for (const { source, item, standIn } of resolved) {
    if (standIn) continue;
    for (const place of placesIn(item)) {
      const known = holders.get(place);
      // Of several, a newcomer counts.
      if (known === undefined || stoodThere(known, place)) holders.set(place, source);
    }
  }
  const gaveWay: SourceProblem[] = [];
  const items = resolved.filter(({ source, item, standIn }) => {
    if (!standIn) return true;
    for (const place of placesIn(item)) {
      const holder = holders.get(place);
      if (holder === undefined || (stoodThere(source, place) && stoodThere(holder, place))) continue;
      gaveWay.push({ source, reason: `what was in force gave way: its place is that of ${holder}` });
      return false;
    }
    return true;
  });
  return { items, gaveWay };
}

/** Places of two organisations are two. */
function placesIn(definition: Definition): readonly string[] {
  return placesOf(definition).sole.map((place) => `${definition.organisation} ${place}`);
}

/** As {@link letStandInsGiveWay} names places. */
export function standsThere(definition: Definition, place: string): boolean {
  return placesIn(definition).includes(place);
}
