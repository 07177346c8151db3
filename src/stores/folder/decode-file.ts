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
} from '../../domain/catalog-item.js';
import { checkShape, mergedApiShape } from '../../domain/catalog-shapes.js';
import { cutOut } from '../../domain/json-members.js';
import { type JsonObject, parseJsonObject } from '../../domain/json-object.js';

export const catalogFolders = ['organisations', 'users', 'apis', 'policies', 'client-idps'] as const;
export type CatalogFolder = (typeof catalogFolders)[number];

/** Beside `orders.json` stands `orders-oas.json`, as in a gateway's own apps folder. */
export const oasSuffix = '-oas.json';
/** The same where the API speaks the Model Context Protocol. */
export const mcpSuffix = '-mcp.json';

export function isOasSource(source: string): boolean {
  return source.endsWith(oasSuffix) || source.endsWith(mcpSuffix);
}

/** What one file says. An API that awaits its OpenAPI document has it in the file beside it. */
export type FileItem = CatalogItem | { readonly type: 'oas'; readonly text: Buffer };
export type FileProblem = ItemProblem;

/** `source` is the path below the catalog folder: `apis/orders.json`. */
export function decodeFile(source: string, bytes: Buffer): FileItem {
  const file = parseJsonObject(bytes, 'the file');
  if (file.text === undefined) return problem(file.problem);
  const raw = { source, form: 'plain', value: file.value, text: file.text } as const;
  const folder = source.slice(0, source.indexOf('/')) as CatalogFolder;
  switch (folder) {
    case 'organisations':
      return decodeOrganisation(file.value);
    case 'users':
      return decodeUser(file.value);
    case 'apis':
      return isOasSource(source) ? decodeOas(file.text) : decodeClassic(raw);
    case 'policies':
      return decodePolicy(raw);
    case 'client-idps':
      return decodeClientIdp(raw);
  }
}

function decodeClassic(raw: RawDefinition): FileItem {
  if ('api_definition' in raw.value) return decodeMergedApi(raw);
  const item = decodeApi(raw);
  if (item.type !== 'problem' || !('openapi' in raw.value) || 'api_id' in raw.value) return item;
  const name = raw.source.slice(raw.source.indexOf('/') + 1, -'.json'.length);
  return problem(
    `an OpenAPI document belongs in ${name}${oasSuffix}, beside its classic definition in ${name}.json`,
  );
}

function decodeMergedApi(raw: RawDefinition): FileItem {
  const wrapper = checkShape(mergedApiShape, raw.value);
  if ('problem' in wrapper) return problem(wrapper.problem);
  const inner = wrapper.value.api_definition;
  if (typeof inner !== 'object' || inner === null) return problem('api_definition: expected object');
  const value = inner as JsonObject;
  const text = cutOut(raw.text, 'api_definition') ?? raw.text;

  let oas: Buffer | undefined;
  if (value['is_oas'] === true && wrapper.value.oas) {
    const decoded = decodeOas(cutOut(raw.text, 'oas') ?? raw.text);
    if (decoded.type === 'problem') return problem(`oas.${decoded.reason}`);
    oas = decoded.text;
  }
  const item = decodeApi({ ...raw, value, text }, oas, wrapper.value, 'api_definition.');
  if (item.type === 'definition' && item.awaitsOas && wrapper.value.oas === null) {
    return problem('oas: expected object, because api_definition.is_oas is true');
  }
  return item;
}
