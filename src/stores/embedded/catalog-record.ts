import { type Definition, definitionKinds, type Visibility } from '../../domain/definition.js';
import { organisationId } from '../../domain/identifiers.js';
import type { Organisation, User } from '../../domain/organisation.js';
import type { SavedCatalog } from '../../ports/catalog-copy.js';

/*
 * Definition: length of the head (4 bytes), head (JSON), body, OpenAPI document.
 * The head has every field but the two documents, and their lengths; they stay byte for byte.
 */
export function encodeDefinition(definition: Definition): Buffer {
  const { body, oas, ...rest } = definition;
  const head = Buffer.from(
    JSON.stringify({ ...rest, bodyBytes: body.length, oasBytes: oas === undefined ? -1 : oas.length }),
    'utf8',
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, body, oas ?? Buffer.alloc(0)]);
}

/** undefined: it is damaged. */
export function decodeDefinition(bytes: Buffer): Definition | undefined {
  if (bytes.length < 4) return undefined;
  const bodyAt = 4 + bytes.readUInt32BE(0);
  const head = readJson(bytes.subarray(4, bodyAt));
  if (!isObject(head)) return undefined;
  const { id, organisation, name, hash, form, source, bodyBytes, oasBytes } = head;
  const kind = definitionKinds.find((one) => one === head['kind']);
  const visibility = readVisibility(head['visibility']);
  if (kind === undefined || visibility === undefined || (form !== 'plain' && form !== 'database'))
    return undefined;
  if (typeof id !== 'string' || typeof organisation !== 'string' || typeof name !== 'string')
    return undefined;
  if (typeof hash !== 'string' || typeof source !== 'string') return undefined;
  if (typeof bodyBytes !== 'number' || typeof oasBytes !== 'number') return undefined;
  const oasAt = bodyAt + bodyBytes;
  if (bytes.length !== oasAt + Math.max(0, oasBytes)) return undefined;
  return {
    kind,
    id,
    organisation: organisationId(organisation),
    name,
    hash,
    visibility,
    form,
    body: bytes.subarray(bodyAt, oasAt),
    oas: oasBytes < 0 ? undefined : bytes.subarray(oasAt),
    source,
  };
}

type People = Pick<SavedCatalog, 'organisations' | 'users'>;

export function encodePeople({ organisations, users }: People): Buffer {
  return Buffer.from(JSON.stringify({ organisations, users }), 'utf8');
}

/** undefined: it is damaged. */
export function decodePeople(bytes: Buffer): People | undefined {
  const people = readJson(bytes);
  if (!isObject(people)) return undefined;
  const { organisations, users } = people;
  if (!Array.isArray(organisations) || !Array.isArray(users)) return undefined;
  const readOrganisations = organisations.map(readOrganisation);
  const readUsers = users.map(readUser);
  if (!allDefined(readOrganisations) || !allDefined(readUsers)) return undefined;
  return { organisations: readOrganisations, users: readUsers };
}

function readOrganisation(value: unknown): Organisation | undefined {
  if (!isObject(value)) return undefined;
  const { id, name, hybridEnabled } = value;
  if (typeof id !== 'string' || typeof name !== 'string' || typeof hybridEnabled !== 'boolean')
    return undefined;
  return { id: organisationId(id), name, hybridEnabled };
}

function readUser(value: unknown): User | undefined {
  if (!isObject(value)) return undefined;
  const { id, organisation, emailAddress, accessKey, active, groups } = value;
  if (typeof id !== 'string' || typeof organisation !== 'string' || typeof emailAddress !== 'string')
    return undefined;
  if (typeof accessKey !== 'string' || typeof active !== 'boolean' || !isTextList(groups)) return undefined;
  return { id, organisation: organisationId(organisation), emailAddress, accessKey, active, groups };
}

function readVisibility(value: unknown): Visibility | undefined {
  if (!isObject(value)) return undefined;
  const { tags, tagsDisabled, ownerUsers, ownerGroups } = value;
  if (!isTextList(tags) || typeof tagsDisabled !== 'boolean') return undefined;
  if (!isTextList(ownerUsers) || !isTextList(ownerGroups)) return undefined;
  return { tags, tagsDisabled, ownerUsers, ownerGroups };
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function allDefined<Item>(items: readonly (Item | undefined)[]): items is readonly Item[] {
  return !items.includes(undefined);
}
