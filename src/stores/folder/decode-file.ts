import type { Definition, Visibility } from '../../domain/definition.js';
import { hashDefinition } from '../../domain/definition-hash.js';
import { organisationId } from '../../domain/identifiers.js';
import { type JsonMember, membersOf, rootOf } from '../../domain/json-members.js';
import type { Organisation, User } from '../../domain/organisation.js';
import {
  apiShape,
  checkShape,
  clientIdpShape,
  mergedApiShape,
  oasShape,
  organisationShape,
  policyShape,
  userShape,
} from './file-shapes.js';
import { type JsonObject, parseJsonFile } from './json-file.js';

export const catalogFolders = ['organisations', 'users', 'apis', 'policies', 'client-idps'] as const;
export type CatalogFolder = (typeof catalogFolders)[number];

/** Beside `orders.json` stands `orders-oas.json`, as in a gateway's own apps folder. */
export const oasSuffix = '-oas.json';

/** What one file says. */
export type FileItem =
  | { readonly type: 'organisation'; readonly organisation: Organisation }
  | { readonly type: 'user'; readonly user: User }
  /** `awaitsOas`: the OpenAPI document is in the file beside it. */
  | { readonly type: 'definition'; readonly definition: Definition; readonly awaitsOas: boolean }
  | { readonly type: 'oas'; readonly text: Buffer }
  | FileProblem;

export interface FileProblem {
  readonly type: 'problem';
  readonly reason: string;
}

/** `source` is the path below the catalog folder: `apis/orders.json`. */
export function decodeFile(source: string, bytes: Buffer): FileItem {
  const file = parseJsonFile(bytes);
  if (file.text === undefined) return problem(file.problem);
  const folder = source.slice(0, source.indexOf('/')) as CatalogFolder;
  switch (folder) {
    case 'organisations':
      return decodeOrganisation(file.value);
    case 'users':
      return decodeUser(file.value);
    case 'apis':
      if (source.endsWith(oasSuffix)) return decodeOas(file.value, file.text);
      return decodeApi(source, file.value, file.text);
    case 'policies':
      return decodePolicy(source, file.value, file.text);
    case 'client-idps':
      return decodeClientIdp(source, file.value, file.text);
  }
}

/** The definition with its OpenAPI document. */
export function withOas(definition: Definition, oas: Buffer): Definition {
  return { ...definition, oas, hash: hashDefinition(definition.form, definition.body, oas) };
}

function decodeOrganisation(value: JsonObject): FileItem {
  const checked = checkShape(organisationShape, value);
  if ('problem' in checked) return problem(checked.problem);
  const { id, owner_name, hybrid_enabled } = checked.value;
  return {
    type: 'organisation',
    organisation: { id: organisationId(id), name: owner_name ?? '', hybridEnabled: hybrid_enabled ?? false },
  };
}

function decodeUser(value: JsonObject): FileItem {
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

function decodeApi(source: string, value: JsonObject, text: Buffer): FileItem {
  if ('api_definition' in value) return decodeMergedApi(source, value, text);
  const checked = checkShape(apiShape, value);
  if ('problem' in checked) {
    if (!('openapi' in value) || 'api_id' in value) return problem(checked.problem);
    const name = source.slice(source.indexOf('/') + 1, -'.json'.length);
    return problem(
      `an OpenAPI document belongs in ${name}${oasSuffix}, beside its classic definition in ${name}.json`,
    );
  }
  const api = checked.value;
  const definition = makeDefinition('api', source, api.api_id, api, text, undefined, visibilityOf(api));
  return { type: 'definition', definition, awaitsOas: api.is_oas === true };
}

function decodeMergedApi(source: string, value: JsonObject, text: Buffer): FileItem {
  const wrapper = checkShape(mergedApiShape, value);
  if ('problem' in wrapper) return problem(wrapper.problem);
  const inner = wrapper.value.api_definition;
  if (typeof inner !== 'object' || inner === null) return problem('api_definition: expected object');
  const checked = checkShape(apiShape, inner as JsonObject);
  if ('problem' in checked) return problem(`api_definition.${checked.problem}`);
  const api = checked.value;

  const members = membersOf(text, rootOf(text));
  const body = cutOut(text, members, 'api_definition') ?? text;
  const isOas = api.is_oas === true;
  let oas: Buffer | undefined;
  if (isOas && wrapper.value.oas) {
    const document = checkShape(oasShape, wrapper.value.oas);
    if ('problem' in document) return problem(`oas.${document.problem}`);
    oas = cutOut(text, members, 'oas');
  } else if (isOas && wrapper.value.oas === null) {
    return problem('oas: expected object, because api_definition.is_oas is true');
  }
  const visibility = visibilityOf({
    ...api,
    user_owners: [...(api.user_owners ?? []), ...(wrapper.value.user_owners ?? [])],
    user_group_owners: [...(api.user_group_owners ?? []), ...(wrapper.value.user_group_owners ?? [])],
  });
  const definition = makeDefinition('api', source, api.api_id, api, body, oas, visibility);
  return { type: 'definition', definition, awaitsOas: isOas && oas === undefined };
}

function decodeOas(value: JsonObject, text: Buffer): FileItem {
  const checked = checkShape(oasShape, value);
  return 'problem' in checked ? problem(checked.problem) : { type: 'oas', text };
}

function decodePolicy(source: string, value: JsonObject, text: Buffer): FileItem {
  const checked = checkShape(policyShape, value);
  if ('problem' in checked) return problem(checked.problem);
  const policy = checked.value;
  const definition = makeDefinition('policy', source, policy._id, policy, text, undefined, visibilityOf({}));
  return { type: 'definition', definition, awaitsOas: false };
}

function decodeClientIdp(source: string, value: JsonObject, text: Buffer): FileItem {
  const checked = checkShape(clientIdpShape, value);
  if ('problem' in checked) return problem(checked.problem);
  const idp = checked.value;
  const visibility = visibilityOf(idp);
  const definition = makeDefinition(
    'client-idp',
    source,
    idp.client_idp_id,
    idp,
    text,
    undefined,
    visibility,
  );
  return { type: 'definition', definition, awaitsOas: false };
}

function makeDefinition(
  kind: Definition['kind'],
  source: string,
  id: string,
  named: { readonly org_id: string; readonly name?: string | null | undefined },
  body: Buffer,
  oas: Buffer | undefined,
  visibility: Visibility,
): Definition {
  const form = 'plain';
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

type Names = readonly string[] | null | undefined;

function visibilityOf(fields: {
  readonly tags?: Names;
  readonly tags_disabled?: boolean | null | undefined;
  readonly user_owners?: Names;
  readonly user_group_owners?: Names;
}): Visibility {
  return {
    tags: fields.tags ?? [],
    tagsDisabled: fields.tags_disabled ?? false,
    ownerUsers: fields.user_owners ?? [],
    ownerGroups: fields.user_group_owners ?? [],
  };
}

/** The bytes of a member's value. Of a repeated name the last counts, as everywhere in JSON. */
function cutOut(text: Buffer, members: readonly JsonMember[], name: string): Buffer | undefined {
  const member = members.findLast((candidate) => candidate.name === name);
  return member === undefined ? undefined : text.subarray(member.value.start, member.value.end);
}

function problem(reason: string): FileProblem {
  return { type: 'problem', reason };
}
