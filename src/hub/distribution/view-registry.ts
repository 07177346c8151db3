import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Definition } from '../../domain/definition.js';
import { limits } from '../../domain/limits.js';
import { sees, type ViewKey, type ViewScope, viewKeyOf } from '../../domain/view.js';
import type { OrganisationSnapshot } from './organisation-snapshot.js';

/** What the workers of one scope see at one moment. */
export interface View {
  readonly key: ViewKey;
  readonly scope: ViewScope;
  readonly definitions: readonly Definition[];
  /** Equal for equal content: names every encoding made of this view. */
  readonly contentHash: string;
}

/** Computes each distinct view once per snapshot, however many workers ask. */
export class ViewRegistry {
  readonly #views = new LRUCache<ViewKey, { readonly revision: number; readonly view: View }>({
    max: limits.encodedViewsMax,
  });

  viewOf(snapshot: OrganisationSnapshot, scope: ViewScope): View {
    const key = viewKeyOf(scope);
    const known = this.#views.get(key);
    if (known !== undefined && known.revision === snapshot.revision) return known.view;
    const definitions = [...snapshot.definitions.values()].filter((definition) => sees(scope, definition));
    const contentHash = contentHashOf(definitions);
    // The same content under a newer revision stays the same object, with everything cached for it.
    const view =
      known?.view.contentHash === contentHash ? known.view : { key, scope, definitions, contentHash };
    this.#views.set(key, { revision: snapshot.revision, view });
    return view;
  }
}

function contentHashOf(definitions: readonly Definition[]): string {
  const hash = createHash('sha256');
  for (const line of definitions.map(({ kind, id, hash: own }) => `${kind}/${id} ${own}\n`).sort()) {
    hash.update(line);
  }
  return hash.digest('hex');
}
