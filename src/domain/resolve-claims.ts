/** A source that cannot be used, and why. */
export interface SourceProblem {
  readonly source: string;
  readonly reason: string;
}

/** What one source says it is, or why it cannot be used. */
export interface Claim<Item> {
  readonly source: string;
  /** The item; undefined: `problem` says why there is none. Its source may be that of a file beside. */
  readonly item: Item | undefined;
  readonly problem: SourceProblem | undefined;
  /** Whose a broken item is, where that can be told. */
  readonly organisation?: string | undefined;
  /** The file is gone and the removal has not settled: whoever else claims the key now, gets it. */
  readonly missing: boolean;
}

export interface Resolved<Item> {
  readonly source: string;
  readonly item: Item;
  /** Not what the source says now: it is broken, or missing and perhaps back in a moment. */
  readonly standIn: boolean;
}

export interface ClaimRules<Item> {
  /** No two items in force have the same. */
  readonly keyOf: (item: Item) => string;
  /** For the message: `the API id "orders"`. No secret. */
  readonly describe: (item: Item) => string;
  /** The versions in force that came from a source. */
  readonly lastGood: (source: string) => readonly Item[];
  /** Whether that source has that key in force. */
  readonly inForce: (source: string, key: string) => boolean;
}

interface Contender<Item> extends Resolved<Item> {
  readonly key: string;
  readonly missing: boolean;
  /** Stands for a source that is quarantined already. */
  readonly lastGood: boolean;
}

/**
 * Decides who is in force. A broken source stands for its last good version. When two claim one key, the one in
 * force keeps it, else the first by path has it; the other is quarantined, and what it was before stays in force
 * unless that key is somebody else's by now (so that two files may swap their ids).
 *
 * `claims` come in the order of their paths; so do the results.
 */
export function resolveClaims<Item>(
  claims: readonly Claim<Item>[],
  rules: ClaimRules<Item>,
): { readonly items: readonly Resolved<Item>[]; readonly quarantined: readonly SourceProblem[] } {
  const winners = new Map<string, Contender<Item>>();
  const losers: Contender<Item>[] = [];
  const quarantined: SourceProblem[] = [];

  for (const { source, item, problem, missing } of claims) {
    if (problem !== undefined) quarantined.push(problem);
    const lastGood = item === undefined;
    for (const claimed of lastGood ? rules.lastGood(source) : [item]) {
      const key = rules.keyOf(claimed);
      const contender = { source, item: claimed, key, missing, lastGood, standIn: lastGood || missing };
      const holder = winners.get(contender.key);
      if (holder === undefined) {
        winners.set(contender.key, contender);
      } else if (rankOf(contender) < rankOf(holder)) {
        winners.set(contender.key, contender);
        losers.push(holder);
      } else {
        losers.push(contender);
      }
    }
  }

  for (const loser of losers) {
    if (loser.lastGood || loser.missing) continue;
    const holder = winners.get(loser.key)?.source;
    quarantined.push({
      source: loser.source,
      reason: `${rules.describe(loser.item)} is already that of ${holder}`,
    });
    for (const item of rules.lastGood(loser.source)) {
      const key = rules.keyOf(item);
      if (!winners.has(key)) winners.set(key, { ...loser, item, key, lastGood: true, standIn: true });
    }
  }
  return { items: [...winners.values()].sort(bySource), quarantined: quarantined.sort(bySource) };

  /** In force before new before gone. Asked only in a dispute. */
  function rankOf(contender: Contender<Item>): number {
    if (contender.missing) return 2;
    return contender.lastGood || rules.inForce(contender.source, contender.key) ? 0 : 1;
  }
}

export function bySource(a: { readonly source: string }, b: { readonly source: string }): number {
  if (a.source === b.source) return 0;
  return a.source < b.source ? -1 : 1;
}
