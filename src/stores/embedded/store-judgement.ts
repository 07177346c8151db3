import type { IdentityNote } from './identity-note.js';

/** What a data folder shows of its past. */
export interface FolderSigns {
  /** `identity.json`. */
  readonly note: IdentityNote | 'damaged' | undefined;
  /** Other files that only a hub that has served leaves behind. */
  readonly traces: readonly string[];
}

/** What `causeway.mdb` is. */
export type StoreSigns =
  | { readonly state: 'missing' | 'emptied' }
  | {
      readonly state: 'present';
      /** Undefined: made by a version that had none, or new. */
      readonly id: string | undefined;
      /** Nothing was ever written. */
      readonly blank: boolean;
      readonly transaction: number;
    };

export type Judgement =
  /** Nothing was here before. */
  | { readonly verdict: 'new' }
  /** Of this folder; `adopt`: it gets its identity now. */
  | { readonly verdict: 'own'; readonly adopt: boolean }
  | { readonly verdict: 'lost'; readonly reason: string };

/**
 * Whether the store is the one that belongs in this folder. An identity stands in the store and beside it; who has
 * the one without the other has lost something, and must not be taken for a newcomer.
 */
export function judgeStore(folder: FolderSigns, store: StoreSigns): Judgement {
  const { note, traces } = folder;
  const [trace] = note === undefined ? traces : ['identity.json'];
  if (store.state !== 'present' || store.blank) {
    if (trace === undefined) return { verdict: 'new' };
    const how = { missing: 'is missing', emptied: 'is empty', present: 'holds nothing' }[store.state];
    return {
      verdict: 'lost',
      reason: `causeway.mdb ${how}, but ${trace} shows that this folder has served before`,
    };
  }
  // The file beside it is the lesser of the two: without it the store speaks for itself.
  if (note === undefined) return { verdict: 'own', adopt: store.id === undefined };
  if (store.id === undefined) {
    return {
      verdict: 'lost',
      reason: 'causeway.mdb is older than this folder: it is from before it had an identity',
    };
  }
  if (note === 'damaged') return { verdict: 'own', adopt: false };
  if (store.id !== note.id) {
    return { verdict: 'lost', reason: 'causeway.mdb belongs to another data folder than identity.json' };
  }
  if (store.transaction < note.transaction) {
    return {
      verdict: 'lost',
      reason: `causeway.mdb is an older copy: it ends at transaction ${store.transaction}, this folder was at ${note.transaction}`,
    };
  }
  return { verdict: 'own', adopt: false };
}
