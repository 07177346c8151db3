import {
  type CatalogItem,
  decodeApi,
  decodeClientIdp,
  decodeOas,
  decodeOrganisation,
  decodePolicy,
  decodeUser,
  type ItemProblem,
  problem,
  type RawDefinition,
} from './catalog-item.js';
import { isString, type JsonMember, membersOf, rootOf, textOf } from './json-members.js';
import { type JsonObject, parseJsonObject } from './json-object.js';
import type { LeftOutReason } from './left-out.js';
import { type SwitchedOff, saysInactive, switchedOff } from './switched-off.js';
import { unescapeDots } from './unescape-dots.js';

/** The tables or collections of a control plane. */
export const catalogTables = [
  'organisations',
  'users',
  'user_groups',
  'apis',
  'policies',
  'client_idps',
] as const;
export type CatalogTable = (typeof catalogTables)[number];

/** A group and who is said to be in it, beyond what the users say themselves. */
export interface UserGroup {
  readonly id: string;
  readonly members: readonly string[];
}

/**
 * What one row says. `left-out`: it is in order, and no business of any worker's.
 * `switched-off`: an API that is there and that nobody is to serve.
 */
export type RowItem =
  | CatalogItem
  | { readonly type: 'switched-off'; readonly api: SwitchedOff }
  | { readonly type: 'group'; readonly group: UserGroup }
  | { readonly type: 'left-out'; readonly reason: LeftOutReason };

function leftOut(reason: LeftOutReason): RowItem {
  return { type: 'left-out', reason };
}

export interface RowText {
  readonly table: CatalogTable;
  readonly source: string;
  readonly fields: Buffer;
  readonly document: Buffer | undefined;
}

/**
 * Reads one row of a database. Definitions are in database form.
 *
 * What people are made of is found by name in any case, with and without underscores: databases spell it
 * `accesskey`, JSON spells it `access_key`. Definitions are decoded by gateways, which know one spelling; mapping
 * names to it is the store's part.
 */
export function decodeRow(row: RowText, options: { readonly unescapeDots: boolean }): RowItem {
  const parsed = parseJsonObject(row.fields, 'the row');
  if (parsed.text === undefined) return problem(parsed.problem);
  const fields = parsed.value;
  if (isGiven(find(fields, 'deleted_at'))) return leftOut('deleted');
  switch (row.table) {
    case 'organisations':
      return decodeOrganisation({
        id: idOf(fields),
        owner_name: find(fields, 'owner_name', 'name'),
        hybrid_enabled: find(fields, 'hybrid_enabled'),
        event_options: find(fields, 'event_options'),
      });
    case 'users':
      return decodeUserRow(fields);
    case 'user_groups':
      return decodeGroup(fields);
    default:
      return decodeDefinitionRow(row, row.table, fields, options);
  }
}

function decodeUserRow(fields: JsonObject): RowItem {
  const accessKey = find(fields, 'access_key');
  if (!isGiven(accessKey)) return leftOut('no key');
  const organisation = find(fields, 'org_id');
  if (!isGiven(organisation)) return leftOut('no organisation');
  const user = decodeUser({
    id: idOf(fields),
    org_id: organisation,
    email_address: find(fields, 'email_address'),
    access_key: accessKey,
    active: find(fields, 'active', 'is_active') ?? false,
    user_group_ids: find(fields, 'user_group_ids', 'groups_ids', 'group_ids'),
    user_group_id: find(fields, 'user_group_id'),
    group_id: find(fields, 'group_id'),
  });
  return user.type === 'problem' ? problem(user.reason, organisation) : user;
}

function decodeGroup(fields: JsonObject): RowItem {
  const id = idOf(fields);
  if (typeof id !== 'string' || id === '') return leftOut('no id');
  // Users say themselves in which groups they are; what a group says besides is a hint in a form that nobody fixed.
  const found = find(fields, 'user_ids', 'users', 'members');
  const members = Array.isArray(found) ? found : [];
  return { type: 'group', group: { id, members: members.filter((member) => typeof member === 'string') } };
}

type DefinitionTable = Exclude<CatalogTable, 'organisations' | 'users' | 'user_groups'>;

/** What a definition needs, from the fields beside it when it does not say so itself; the first that is given. */
const identities: Readonly<Record<DefinitionTable, Readonly<Record<string, readonly string[]>>>> = {
  apis: { api_id: ['api_id'], org_id: ['org_id'] },
  // Gateways take an object id for the `_id` of a policy, and nothing else.
  policies: { _id: ['_id', 'id'], org_id: ['org_id'] },
  client_idps: { client_idp_id: ['client_idp_id', '_id', 'id'], org_id: ['org_id'] },
};

/** One of these says which one it is. */
const idNames: Readonly<Record<DefinitionTable, readonly string[]>> = {
  apis: ['api_id'],
  policies: ['_id', 'id'],
  client_idps: ['client_idp_id'],
};

function isObjectId(value: unknown): boolean {
  return /^[0-9a-f]{24}$/i.test(String(value));
}

/** What a row of APIs holds that is no part of a definition. */
const besideApi = ['oas', 'oas_doc', '_id'];

function decodeDefinitionRow(
  row: RowText,
  table: DefinitionTable,
  fields: JsonObject,
  options: { readonly unescapeDots: boolean },
): RowItem {
  const whole = unwrap(row, fields);
  if ('type' in whole) return whole;
  const text = withIdentity(table, whole, fields);
  const raw = { source: row.source, form: 'database', ...text } as const;
  const organisation = raw.value['org_id'];
  if (!isGiven(organisation)) return leftOut('no organisation');
  if (!idNames[table].some((name) => isGiven(raw.value[name]))) return leftOut('no id');
  const item = decodeDefinition(row, table, fields, raw, whole, options);
  return item.type === 'problem' ? problem(item.reason, organisation) : item;
}

function decodeDefinition(
  row: RowText,
  table: DefinitionTable,
  fields: JsonObject,
  raw: RawDefinition,
  whole: WholeText,
  options: { readonly unescapeDots: boolean },
): RowItem {
  if (table === 'policies') return decodePolicy(raw);
  if (table === 'client_idps') return decodeClientIdp(raw);
  const isOas = raw.value['is_oas'] === true;
  const found = isOas ? findOas([row.document, row.fields]) : undefined;
  // Before anything is found wrong with it: what nobody serves is nobody's trouble.
  if (saysInactive([raw.value, fields], found?.value)) {
    const api = switchedOff(raw.value, row.source);
    return api === undefined ? leftOut('no id') : { type: 'switched-off', api };
  }
  const oas = found === undefined ? undefined : readOas(found, options);
  if (oas !== undefined && 'type' in oas) return oas;
  const outer = row.document === undefined ? whole.outer : { ...fields, ...whole.outer };
  const item = decodeApi(raw, oas, {
    user_owners: textsOf(outer, 'user_owners'),
    user_group_owners: textsOf(outer, 'user_group_owners'),
  });
  if (item.type !== 'definition' || !item.awaitsOas) return item;
  return problem('oas_doc: expected object, because is_oas is true');
}

interface WholeText {
  readonly value: JsonObject;
  readonly text: Buffer;
  /** What stands around the definition. */
  readonly outer: JsonObject;
}

/** The definition, out of whatever it is wrapped in. */
function unwrap(row: RowText, fields: JsonObject): WholeText | ItemProblem {
  let whole: WholeText = { value: fields, text: row.fields, outer: {} };
  if (row.document !== undefined) {
    const parsed = parseJsonObject(row.document, 'the definition');
    if (parsed.text === undefined) return problem(parsed.problem);
    whole = { value: parsed.value, text: parsed.text, outer: {} };
  }
  const inner = whole.value['api_definition'];
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return whole;
  const member = membersOf(whole.text, rootOf(whole.text)).findLast(({ name }) => name === 'api_definition');
  if (member === undefined) return whole;
  const text = whole.text.subarray(member.value.start, member.value.end);
  return { value: inner as JsonObject, text, outer: whole.value };
}

/**
 * The text with the identity it needs and, for an API, without what a database keeps beside it. The same text when
 * there is nothing to change.
 */
function withIdentity(
  table: DefinitionTable,
  { value, text }: WholeText,
  fields: JsonObject,
): { readonly value: JsonObject; readonly text: Buffer } {
  const added: [string, unknown][] = [];
  for (const [name, others] of Object.entries(identities[table])) {
    if (isGiven(value[name])) continue;
    const isFit = name === '_id' ? isObjectId : isGiven;
    const found = others.flatMap((other) => [value[other], fields[other]]).find(isFit);
    if (found !== undefined) added.push([name, found]);
  }
  if (table === 'apis') {
    // A gateway takes an object id there and nothing else; keys of other kinds are the database's own.
    const id = [value['_id'], value['id'], fields['_id']].find(isObjectId);
    if (id !== undefined && id !== value['id']) added.push(['id', id]);
  }
  const names = new Set(added.map(([name]) => name));
  const members = membersOf(text, rootOf(text));
  const kept = members.filter(({ name }) => {
    if (names.has(name) || (table === 'apis' && besideApi.includes(name))) return false;
    // A number is the database's own key; gateways have a text there.
    return name !== 'id' || typeof value['id'] !== 'number';
  });
  if (added.length === 0 && kept.length === members.length) return { value, text: compactCopy(text) };
  const parts = [
    ...added.map(([name, found]) => `${JSON.stringify(name)}:${JSON.stringify(found)}`),
    ...kept.map(({ nameRange, value: range }) => {
      return `${text.toString('utf8', nameRange.start, nameRange.end)}:${text.toString('utf8', range.start, range.end)}`;
    }),
  ];
  return {
    value: { ...value, ...Object.fromEntries(added) },
    text: compactCopy(Buffer.from(`{${parts.join(',')}}`)),
  };
}

/** A document that was found: its text and what it says, or what is wrong with it. */
type FoundOas =
  | { readonly text: Buffer; readonly value: JsonObject }
  | { readonly text?: undefined; readonly value?: undefined; readonly problem: string };

/** Of the documents named in any of these texts, the first that is one. */
function findOas(texts: readonly (Buffer | undefined)[]): FoundOas | undefined {
  for (const text of texts) {
    if (text === undefined) continue;
    const member = oasMember(text);
    if (member === undefined) continue;
    // A text column or field may hold the document as text.
    const found = isString(text, member.value)
      ? Buffer.from(textOf(text, member.value))
      : text.subarray(member.value.start, member.value.end);
    if (found.length === 0) continue;
    const parsed = parseJsonObject(found, 'oas_doc');
    if (parsed.text === undefined || Object.keys(parsed.value).length > 0) return parsed;
  }
  return undefined;
}

function readOas(found: FoundOas, options: { readonly unescapeDots: boolean }): Buffer | ItemProblem {
  if (found.text === undefined) return problem(`oas_doc: ${found.problem}`);
  const oas = decodeOas(options.unescapeDots ? unescapeDots(found.text) : found.text);
  return oas.type === 'problem' ? problem(`oas_doc.${oas.reason}`) : compactCopy(oas.text);
}

function oasMember(text: Buffer): JsonMember | undefined {
  const isNull = ({ value }: JsonMember) => text.toString('utf8', value.start, value.end) === 'null';
  const members = membersOf(text, rootOf(text)).filter((member) => !isNull(member));
  return members.findLast(({ name }) => name === 'oas_doc') ?? members.findLast(({ name }) => name === 'oas');
}

/** Definitions live long: they must not keep the larger piece of memory alive that they were cut from. */
function compactCopy(text: Buffer): Buffer {
  if (text.length === text.buffer.byteLength) return text;
  const copy = Buffer.allocUnsafeSlow(text.length);
  text.copy(copy);
  return copy;
}

function idOf(fields: JsonObject): unknown {
  return [fields['_id'], fields['id']].find(isGiven);
}

/** The first of the fields that is given, whatever its case and underscores. */
function find(fields: JsonObject, ...names: readonly string[]): unknown {
  for (const name of names) {
    if (isGiven(fields[name])) return fields[name];
    const wanted = squash(name);
    const other = Object.keys(fields).find((field) => squash(field) === wanted && isGiven(fields[field]));
    if (other !== undefined) return fields[other];
  }
  return undefined;
}

export function squash(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function textsOf(fields: JsonObject, name: string): readonly string[] {
  const found = fields[name];
  return Array.isArray(found) ? found.filter((one) => typeof one === 'string') : [];
}
