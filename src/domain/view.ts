import type { Definition, DefinitionKind, Visibility } from './definition.js';
import type { OrganisationId } from './identifiers.js';

/** Which definitions of an organisation a worker may see. Equal scopes share every encoded byte. */
export interface ViewScope {
  readonly organisation: OrganisationId;
  /** A worker that is not segmented sees everything, tagged or not. */
  readonly segmented: boolean;
  readonly tags: readonly string[];
  /** Set only with `enable_ownership`: the user behind the API key, and that user's groups. */
  readonly owner: { readonly user: string; readonly groups: readonly string[] } | undefined;
}

/** Names a distinct view: two workers with the same key receive the same bytes. */
export type ViewKey = string & { readonly __brand: 'ViewKey' };

export function viewKeyOf(scope: ViewScope): ViewKey {
  const tags = scope.segmented ? [...new Set(scope.tags)].sort() : null;
  const owner = scope.owner === undefined ? null : [scope.owner.user, [...scope.owner.groups].sort()];
  return JSON.stringify([scope.organisation, tags, owner]) as ViewKey;
}

/**
 * Source of the rules: the gateway's own segment filter. A segmented worker gets APIs (and identity
 * providers) with at least one common tag whose tags are not disabled; policies are not segmented.
 */
export function isVisible(kind: DefinitionKind, visibility: Visibility, scope: ViewScope): boolean {
  if (kind === 'policy') return true;
  if (scope.segmented) {
    if (visibility.tagsDisabled) return false;
    const untaggedProvider = kind === 'client-idp' && visibility.tags.length === 0;
    if (!untaggedProvider && !visibility.tags.some((tag) => scope.tags.includes(tag))) return false;
  }
  return isOwned(visibility, scope);
}

export function sees(scope: ViewScope, definition: Definition): boolean {
  return (
    definition.organisation === scope.organisation && isVisible(definition.kind, definition.visibility, scope)
  );
}

function isOwned(visibility: Visibility, scope: ViewScope): boolean {
  const { owner } = scope;
  if (owner === undefined) return true;
  if (visibility.ownerUsers.length === 0 && visibility.ownerGroups.length === 0) return true;
  return (
    visibility.ownerUsers.includes(owner.user) ||
    visibility.ownerGroups.some((group) => owner.groups.includes(group))
  );
}
