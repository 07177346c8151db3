/** What a look at a key store shows of the control plane behind it: a sample, taken within bounds. */
export interface KeyStoreFacts {
  /** Names of sessions, `limits.evidenceNamesMax` at most. */
  readonly sessionNames: readonly string[];
  readonly certificateNames: readonly string[];
  /** Names of any kind; undefined: the store is nobody's but ours. */
  readonly otherNames?: readonly string[] | undefined;
  /** Keys in the database that is used and in those beside it; undefined: there are none beside it. */
  readonly databases?: { readonly own: number; readonly others: ReadonlyMap<number, number> } | undefined;
  /** How far the clock of the store is ahead of ours. */
  readonly clockAheadMs?: number | undefined;
}
