import {
  apiShape,
  checkShape,
  clientIdpShape,
  organisationShape,
  policyShape,
  userShape,
} from './catalog-shapes.js';
import type { Definition, Visibility } from './definition.js';
import { hashDefinition } from './definition-hash.js';
import { fitForGateways } from './gateway-types/fit-for-gateways.js';
import type { GatewayRoot } from './gateway-types/gateway-type.js';
import { organisationId } from './identifiers.js';
import type { JsonObject } from './json-object.js';
import type { Organisation, User } from './organisation.js';

/** What one file or row says. */
export type CatalogItem =
  | { readonly type: 'organisation'; readonly organisation: Organisation }
  | { readonly type: 'user'; readonly user: User }
  /** `awaitsOas`: the OpenAPI document stands elsewhere. */
  | { readonly type: 'definition'; readonly definition: Definition; readonly awaitsOas: boolean }
  | ItemProblem;

export interface ItemProblem {
  readonly type: 'problem';
  /** One line without secrets. */
  readonly reason: string;
  /** Whose the item is, where that can be told all the same. */
  readonly organisation?: string | undefined;
}

/** JSON text, what it says, and where and how it stood. */
export interface RawDefinition {
  readonly source: string;
  readonly form: Definition['form'];
  readonly value: JsonObject;
  readonly text: Buffer;
}

export interface Owners {
  readonly user_owners?: Names;
  readonly user_group_owners?: Names;
}

type Names = readonly string[] | null | undefined;

export function problem(reason: string, organisation?: unknown): ItemProblem {
  return typeof organisation === 'string'
    ? { type: 'problem', reason, organisation }
    : { type: 'problem', reason };
}

export function decodeOrganisation(value: JsonObject): CatalogItem {
  const checked = checkShape(organisationShape, value);
  if ('problem' in checked) return problem(checked.problem);
  const { id, owner_name, hybrid_enabled } = checked.value;
  return {
    type: 'organisation',
    organisation: { id: organisationId(id), name: owner_name ?? '', hybridEnabled: hybrid_enabled ?? false },
  };
}

export function decodeUser(value: JsonObject): CatalogItem {
  const checked = checkShape(userShape, value);
  if ('problem' in checked) return problem(checked.problem);
  const user = checked.value;
  const groups = [...(user.user_group_ids ?? []), user.user_group_id ?? '', user.group_id ?? ''];
  return {
    type: 'user',
    user: {
      id: user.id ?? user._id ?? '',
      organisation: organisationId(user.org_id),
      emailAddress: user.email_address ?? '',
      accessKey: user.access_key,
      active: user.active,
      groups: [...new Set(groups.filter((group) => group !== ''))],
    },
  };
}

/**
 * A classic definition. `oas` undefined: with `is_oas` it awaits its document. `others`: owners that stand beside
 * the definition. `at` goes in front of a problem's path.
 */
export function decodeApi(given: RawDefinition, oas?: Buffer, others: Owners = {}, at = ''): CatalogItem {
  const raw = fitted('api', given);
  if ('type' in raw) return problem(`${at}${raw.reason}`);
  const checked = checkShape(apiShape, raw.value);
  if ('problem' in checked) return problem(`${at}${checked.problem}`);
  const api = checked.value;
  const isOas = api.is_oas === true;
  const visibility = visibilityOf({
    ...api,
    user_owners: [...new Set([...(api.user_owners ?? []), ...(others.user_owners ?? [])])],
    user_group_owners: [...new Set([...(api.user_group_owners ?? []), ...(others.user_group_owners ?? [])])],
  });
  const definition = makeDefinition('api', raw, api.api_id, api, isOas ? oas : undefined, visibility);
  return { type: 'definition', definition, awaitsOas: isOas && oas === undefined };
}

/** An OpenAPI document as it may leave for gateways, or what is wrong with it. `text` is one JSON object. */
export function decodeOas(text: Buffer): { readonly type: 'oas'; readonly text: Buffer } | ItemProblem {
  const fit = fitForGateways('oas', text);
  return fit.text === undefined ? problem(fit.problem) : { type: 'oas', text: fit.text };
}

export function decodePolicy(given: RawDefinition): CatalogItem {
  const raw = fitted('policy', given);
  if ('type' in raw) return raw;
  const checked = checkShape(policyShape, raw.value);
  if ('problem' in checked) return problem(checked.problem);
  const policy = checked.value;
  const id = policy._id || policy.id || '';
  const definition = makeDefinition('policy', raw, id, policy, undefined, visibilityOf({}));
  return { type: 'definition', definition, awaitsOas: false };
}

export function decodeClientIdp(given: RawDefinition): CatalogItem {
  const raw = fitted('client-idp', given);
  if ('type' in raw) return raw;
  const checked = checkShape(clientIdpShape, raw.value);
  if ('problem' in checked) return problem(checked.problem);
  const idp = checked.value;
  const definition = makeDefinition('client-idp', raw, idp.client_idp_id, idp, undefined, visibilityOf(idp));
  return { type: 'definition', definition, awaitsOas: false };
}

/** As gateways can decode it; a number may have to be spelt in another way. */
function fitted(root: GatewayRoot, raw: RawDefinition): RawDefinition | ItemProblem {
  const { text, problem: reason } = fitForGateways(root, raw.text);
  if (text === undefined) return problem(reason);
  if (text === raw.text) return raw;
  return { ...raw, text, value: JSON.parse(text.toString('utf8')) as JsonObject };
}

/** The definition with its OpenAPI document. */
export function withOas(definition: Definition, oas: Buffer): Definition {
  return { ...definition, oas, hash: hashDefinition(definition.form, definition.body, oas) };
}

function makeDefinition(
  kind: Definition['kind'],
  { source, form, text: body }: RawDefinition,
  id: string,
  named: { readonly org_id: string; readonly name?: string | null | undefined },
  oas: Buffer | undefined,
  visibility: Visibility,
): Definition {
  return {
    kind,
    id,
    organisation: organisationId(named.org_id),
    name: named.name ?? '',
    hash: hashDefinition(form, body, oas),
    visibility,
    form,
    body,
    oas,
    source,
  };
}

function visibilityOf(
  fields: Owners & { readonly tags?: Names; readonly tags_disabled?: boolean | null | undefined },
): Visibility {
  return {
    tags: fields.tags ?? [],
    tagsDisabled: fields.tags_disabled ?? false,
    ownerUsers: fields.user_owners ?? [],
    ownerGroups: fields.user_group_owners ?? [],
  };
}
