import type { OrganisationId } from './identifiers.js';

export type DefinitionKind = 'api' | 'policy' | 'client-idp';
export const definitionKinds = ['api', 'policy', 'client-idp'] as const satisfies readonly DefinitionKind[];

/** `kind/id`: unique within an organisation. */
export type DefinitionKey = string & { readonly __brand: 'DefinitionKey' };

/** What decides which workers may see a definition. */
export interface Visibility {
  /** Segment tags. Empty: only workers that are not segmented see it (APIs); policies ignore tags. */
  readonly tags: readonly string[];
  /** The tags are switched off: segmented workers never get it. */
  readonly tagsDisabled: boolean;
  /** User ids and group ids that own it; both empty: everyone's. Used with `enable_ownership`. */
  readonly ownerUsers: readonly string[];
  readonly ownerGroups: readonly string[];
}

/**
 * An API definition (classic or OAS), a policy or a client identity provider entry, as the control plane
 * has it. The bytes pass through: unknown fields and 64-bit numbers survive.
 */
export interface Definition {
  readonly kind: DefinitionKind;
  readonly id: string;
  readonly organisation: OrganisationId;
  /** For people: logs and status only. */
  readonly name: string;
  /** SHA-256 (hex) over form, body and oas: equal hash means nothing to send. */
  readonly hash: string;
  readonly visibility: Visibility;
  /**
   * `plain`: as the gateway's own files and REST API spell it. `database`: version names, certificate
   * domains and JSON schemas are base64, as a control-plane database stores them.
   */
  readonly form: 'plain' | 'database';
  /** JSON text, UTF-8: the classic API definition, the policy, or the identity provider entry. */
  readonly body: Buffer;
  /** APIs with an OpenAPI document: that document, JSON text. */
  readonly oas: Buffer | undefined;
  /** Where it came from (file or row), for people. */
  readonly source: string;
}

export function definitionKey(kind: DefinitionKind, id: string): DefinitionKey {
  return `${kind}/${id}` as DefinitionKey;
}

export function sameVisibility(a: Visibility, b: Visibility): boolean {
  return (
    a.tagsDisabled === b.tagsDisabled &&
    sameList(a.tags, b.tags) &&
    sameList(a.ownerUsers, b.ownerUsers) &&
    sameList(a.ownerGroups, b.ownerGroups)
  );
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
