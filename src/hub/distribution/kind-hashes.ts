import { createHash } from 'node:crypto';
import { type DefinitionKind, definitionKinds } from '../../domain/definition.js';
import type { View } from './view-registry.js';

/** Names the content of a view, kind by kind. */
export type KindHashes = Readonly<Record<DefinitionKind, string>>;

/** A view is immutable, so its hashes are made once. */
const known = new WeakMap<View, KindHashes>();

export function kindHashesOf(view: View): KindHashes {
  const cached = known.get(view);
  if (cached !== undefined) return cached;
  const made = { api: '', policy: '', 'client-idp': '' };
  for (const kind of definitionKinds) {
    const hash = createHash('sha256');
    const own = view.definitions.filter((definition) => definition.kind === kind);
    for (const line of own.map(({ id, hash: content }) => `${id} ${content}\n`).sort()) hash.update(line);
    made[kind] = hash.digest('hex');
  }
  known.set(view, made);
  return made;
}
