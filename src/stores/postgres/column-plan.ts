import { type CatalogTable, squash } from '../../domain/catalog-row.js';
import { gatewayTypes } from '../../domain/gateway-types/gateway-type.js';

export interface Column {
  readonly name: string;
  /** As pg_type has it: `jsonb`, `varchar`, `_text`. */
  readonly type: string;
  /** `pg_type.typcategory`: N numeric, S text, B boolean, D date, A array. */
  readonly category: string;
}

/** One column to read, and how to write its text into JSON. */
export interface Selection {
  /** SQL whose value is text or null. */
  readonly expression: string;
  /** Name in JSON. */
  readonly field: string;
  /**
   * `json`: the text is JSON. `string`: a string whatever it looks like. `text`: JSON when it looks like an object
   * or a list, else a string. `bytes`: hexadecimal of one of these.
   */
  readonly reading: 'json' | 'string' | 'text' | 'bytes';
}

export interface TablePlan {
  readonly selections: readonly Selection[];
  /** The one that holds definitions whole. Undefined: each field has its column. */
  readonly document: Selection | undefined;
}

/** Fields in which a table with one column per field keeps what the kind is about. */
const essentials: Readonly<Record<CatalogTable, readonly string[]>> = {
  organisations: [],
  users: ['access_key'],
  user_groups: [],
  apis: ['proxy', 'version_data'],
  policies: ['access_rights', 'rate'],
  client_idps: ['issuer', 'jwks_uri', 'api_mappings'],
};

/** What a column of whole definitions may be called, the likeliest first. */
const documentNames = [
  'api_definition',
  'definition',
  'policy',
  'document',
  'doc',
  'data',
  'body',
  'json',
  'content',
];

/** Of tables about people only this is read: passwords and the like are no business of ours. */
const wanted: Partial<Record<CatalogTable, readonly string[]>> = {
  organisations: ['_id', 'id', 'owner_name', 'name', 'hybrid_enabled', 'event_options', 'deleted_at'],
  users: [
    ...['_id', 'id', 'org_id', 'email_address', 'access_key', 'active', 'is_active', 'deleted_at'],
    ...['group_id', 'user_group_id', 'user_group_ids', 'groups_ids', 'group_ids'],
  ],
  user_groups: ['_id', 'id', 'org_id', 'user_ids', 'users', 'members', 'deleted_at'],
};

/** Kept by the database for itself: no part of a definition. `deleted_at` is looked at, and empty where it matters. */
const bookkeeping = ['created_at', 'updated_at'];

/** Beside a whole definition only this is read. */
const besideDocument = [
  ...['_id', 'id', 'api_id', 'org_id', 'client_idp_id', 'oas', 'oas_doc', 'deleted_at', 'active'],
  ...['user_owners', 'user_group_owners'],
];

/** Texts, though they may look like anything: those of people, and those of the gateway's own structures. */
const strings = new Set([
  ...textFieldsOf('apidef.APIDefinition'),
  ...textFieldsOf('user.Policy'),
  ...textFieldsOf('gateway.IdP'),
  ...['_id', 'id', 'org_id', 'owner_name', 'access_key', 'email_address', 'group_id', 'user_group_id'],
]);

/**
 * Columns that an object-relational mapper named after the field of the gateway's struct, where the name in JSON is
 * another one; and spellings of the document database.
 */
const otherNames: Partial<Record<CatalogTable, Readonly<Record<string, string>>>> = {
  apis: {
    cors: 'CORS',
    version_definition: 'definition',
    dont_set_quotas_on_create: 'dont_set_quota_on_create',
    enable_co_process_auth: 'enable_coprocess_auth',
    enable_ip_white_listing: 'enable_ip_whitelisting',
    enable_ip_black_listing: 'enable_ip_blacklisting',
    external_o_auth: 'external_oauth',
    graph_ql: 'graphql',
    id_p_client_id_mapping_disabled: 'idp_client_id_mapping_disabled',
    jwt_client_id_base_field: 'jwt_client_base_field',
    jwt_identit_base_field: 'jwt_identity_base_field',
    notifications_details: 'notifications',
    oauth2_meta: 'oauth_meta',
    open_id_options: 'openid_options',
    use_keyless_access: 'use_keyless',
    use_open_id: 'use_openid',
  },
  policies: { m_id: '_id', graph_ql: 'graphql_access_rights' },
};

/**
 * How to read a table with these columns. `renamed` maps the operator's column names to fields (`definition` for the
 * one that holds definitions whole). A text says why it cannot be read.
 */
export function planTable(
  table: CatalogTable,
  columns: readonly Column[],
  renamed: ReadonlyMap<string, string>,
): TablePlan | string {
  const names = new Set(columns.map(({ name }) => name));
  const absent = [...renamed.keys()].find((name) => !names.has(name));
  if (absent !== undefined) return `has no column ${absent}, which causeway.catalog_columns names`;

  const fields = columns.map((column) => ({ column, field: fieldOf(table, column.name, names, renamed) }));
  const needed = essentials[table];
  const isInline = needed.length === 0 || fields.some(({ field }) => needed.includes(field));
  const document = documentColumn(table, columns, renamed, isInline);
  if (document === undefined && !isInline) {
    return `has none of the columns ${needed.join(', ')}, and no column of JSON that may hold the whole; name it in causeway.catalog_columns as ${table}.definition=...`;
  }
  const selections = fields
    .filter(({ column, field }) => {
      if (column === document || bookkeeping.includes(field)) return false;
      if (document !== undefined) return besideDocument.includes(field);
      const some = wanted[table];
      return some === undefined || some.some((name) => squash(name) === squash(field));
    })
    .map(({ column, field }) => selectionOf(column, field));
  return {
    selections,
    document: document === undefined ? undefined : selectionOf(document, 'definition', true),
  };
}

function fieldOf(
  table: CatalogTable,
  name: string,
  names: ReadonlySet<string>,
  renamed: ReadonlyMap<string, string>,
): string {
  const given = renamed.get(name);
  if (given !== undefined) return given;
  const other = otherNames[table]?.[name];
  if (other !== undefined && !names.has(other)) return other;
  const known = [...besideDocument, ...essentials[table], ...strings];
  if (known.includes(name)) return name;
  return known.find((field) => squash(field) === squash(name) && !names.has(field)) ?? name;
}

function documentColumn(
  table: CatalogTable,
  columns: readonly Column[],
  renamed: ReadonlyMap<string, string>,
  isInline: boolean,
): Column | undefined {
  const given = columns.find(({ name }) => renamed.get(name) === 'definition');
  if (given !== undefined || essentials[table].length === 0 || table === 'users') return given;
  const candidates = columns.filter(
    ({ type, category }) => isJson(type) || type === 'bytea' || category === 'S',
  );
  const sure = candidates.find(({ name }) => name === 'api_definition');
  if (sure !== undefined || isInline) return sure;
  for (const name of documentNames) {
    const found = candidates.find((column) => column.name === name);
    if (found !== undefined) return found;
  }
  const json = columns.filter(({ name, type }) => isJson(type) && !besideDocument.includes(name));
  return json.length === 1 ? json[0] : undefined;
}

function selectionOf({ name, type, category }: Column, field: string, whole = false): Selection {
  const column = `t.${quoteIdentifier(name)}`;
  if (type === 'bytea') return { expression: `encode(${column}, 'hex')`, field, reading: 'bytes' };
  if (isJson(type)) return { expression: `${column}::text`, field, reading: 'json' };
  if (whole) return { expression: `${column}::text`, field, reading: 'json' };
  if (strings.has(field)) return { expression: `${column}::text`, field, reading: 'string' };
  if (category === 'S') return { expression: `${column}::text`, field, reading: 'text' };
  if (type === 'timestamptz' || type === 'timestamp') {
    const inUtc = type === 'timestamptz' ? `${column} at time zone 'UTC'` : column;
    return { expression: `to_char(${inUtc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`, field, reading: 'string' };
  }
  // Numbers with every digit, booleans, arrays as lists; what JSON has no form for as text.
  return { expression: `to_json(${column})::text`, field, reading: 'json' };
}

function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A value as JSON text; undefined: there is none. */
export function jsonOf({ reading, field }: Selection, value: string | null): string | undefined {
  if (value === null) return undefined;
  if (reading === 'json') return value === 'null' ? undefined : value;
  if (reading === 'string') return JSON.stringify(value);
  if (reading === 'text') return jsonOfText(value);
  const bytes = Buffer.from(value, 'hex');
  // An object id as its twelve bytes.
  if (bytes.length === 12 && strings.has(field)) return JSON.stringify(value);
  return strings.has(field) ? JSON.stringify(bytes.toString('utf8')) : jsonOfText(bytes.toString('utf8'));
}

function jsonOfText(text: string): string | undefined {
  if (text === 'null') return undefined;
  const first = /^\s*([[{])/.exec(text);
  if (first === null) return JSON.stringify(text);
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

function textFieldsOf(structure: string): string[] {
  const fields = Object.entries(gatewayTypes[structure] ?? {});
  return fields.filter(([, words]) => words === 'string').map(([field]) => field);
}
