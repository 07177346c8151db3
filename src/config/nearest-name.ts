import { distance } from 'fastest-levenshtein';

/** Longer names are not compared: the time it takes grows with the square of the length. */
const comparedCharactersMax = 200;

/**
 * The candidate most like `name`, ignoring case and separators; undefined when none is alike: a wrong hint
 * is worse than none. About one edit in three characters is still alike.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > comparedCharactersMax) return undefined;
  const wanted = bare(name);
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(wanted, bare(candidate));
    if (edits < bestDistance) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best;
}

function bare(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
