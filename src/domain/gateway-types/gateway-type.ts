import { apiTypes } from './api-types.js';
import { gatewayExtensionTypes } from './gateway-extension-types.js';
import type { GatewayTypeTable } from './gateway-type-table.js';
import { identityProviderTypes } from './identity-provider-types.js';
import { openapiTypes } from './openapi-types.js';
import { sessionTypes } from './session-types.js';

export const gatewayTypes: GatewayTypeTable = {
  ...apiTypes,
  ...gatewayExtensionTypes,
  ...identityProviderTypes,
  ...openapiTypes,
  ...sessionTypes,
};

/** Where decoding starts, and how deep the text stands in what is sent: in a list, in a list of pairs, alone. */
export const gatewayRoots = {
  api: { structure: 'apidef.APIDefinition', depth: 2 },
  oas: { structure: 'openapi3.T', depth: 2 },
  policy: { structure: 'user.Policy', depth: 1 },
  'client-idp': { structure: 'gateway.IdP', depth: 1 },
  session: { structure: 'user.SessionState', depth: 0 },
} as const;
export type GatewayRoot = keyof typeof gatewayRoots;

export interface StructureType {
  readonly kind: 'structure';
  /** By the name as it is written, and by the name as Go folds it. */
  readonly fields: ReadonlyMap<string, GatewayType>;
  readonly foldedFields: ReadonlyMap<string, GatewayType>;
}
export interface MapType {
  readonly kind: 'map';
  readonly element: GatewayType;
  /** The range of keys that are numbers. */
  readonly keys: IntegerType | undefined;
  readonly strict: boolean;
  readonly extensible: boolean;
}
export interface IntegerType {
  readonly kind: 'integer';
  readonly from: bigint;
  readonly to: bigint;
  /** For people: `a whole number of 64 bits`. */
  readonly words: string;
}
export type GatewayType =
  | { readonly kind: 'string' | 'bool' | 'any' | 'raw' | 'time' | 'duration' | 'object id' | 'bytes' }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | IntegerType
  | { readonly kind: 'list'; readonly element: GatewayType }
  | { readonly kind: 'one or list' }
  | MapType
  | StructureType
  | { readonly kind: 'event handler'; readonly structure: StructureType }
  | { readonly kind: 'reference'; readonly to: StructureType | MapType; readonly bool: boolean }
  | { readonly kind: 'extension'; readonly to: GatewayType };

const simple = ['string', 'bool', 'any', 'raw', 'time', 'duration', 'object id', 'bytes'] as const;
const simpleTypes = new Map<string, GatewayType>(simple.map((kind) => [kind, { kind }]));
export const anyType: GatewayType = { kind: 'any' };
export const rawType: GatewayType = { kind: 'raw' };
export const stringType: GatewayType = { kind: 'string' };

/** Structures refer to each other and to themselves, so each is made when it is first asked for. */
const structures = new Map<string, StructureType>();

export function structureType(name: string): StructureType {
  const known = structures.get(name);
  if (known !== undefined) return known;
  const table = gatewayTypes[name];
  if (table === undefined) throw new Error(`there is no structure ${name} in the table of gateway types`);
  const fields = new Map<string, GatewayType>();
  const foldedFields = new Map<string, GatewayType>();
  const made: StructureType = { kind: 'structure', fields, foldedFields };
  structures.set(name, made);
  for (const [field, words] of Object.entries(table)) {
    const type = gatewayType(words);
    fields.set(field, type);
    // Extensions of a document are no fields to its reader, and found by their very name.
    if (!field.startsWith('x-')) foldedFields.set(foldName(field), type);
  }
  return made;
}

/**
 * As encoding/json compares the name of a member with the name of a field: without regard to case, and to Unicode
 * two letters more fold into ASCII.
 */
export function foldName(name: string): string {
  return name
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replaceAll('\u017f', 's')
    .replaceAll('\u212a', 'k');
}

function gatewayType(words: string): GatewayType {
  const known = simpleTypes.get(words) ?? integerType(words);
  if (known !== undefined) return known;
  const [, bits] = /^float(32|64)$/.exec(words) ?? [];
  if (bits !== undefined) return { kind: 'float', bits: bits === '32' ? 32 : 64 };
  if (words === 'list of byte' || words === 'list of uint8') return { kind: 'bytes' };
  if (words === 'one or list of string') return { kind: 'one or list' };
  if (words === 'extension') return { kind: 'extension', to: rawType };
  if (words === 'event handler') {
    return { kind: 'event handler', structure: structureType('oas.EventHandler') };
  }
  if (words === 'callback') {
    const to = gatewayType('extensible map of struct:openapi3.PathItem') as MapType;
    return { kind: 'reference', to, bool: false };
  }
  const [, before = '', after = ''] =
    /^(list of |(?:strict |extensible )?map of (?:\w+ to )?|struct:|reference:|bool or reference:|extension:)(.+)$/.exec(
      words,
    ) ?? [];
  switch (before) {
    case 'list of ':
      return { kind: 'list', element: gatewayType(after) };
    case 'struct:':
      return structureType(after);
    case 'reference:':
    case 'bool or reference:':
      return { kind: 'reference', to: structureType(after), bool: before !== 'reference:' };
    case 'extension:':
      return { kind: 'extension', to: structureType(after) };
    default:
      return mapType(words, before, gatewayType(after));
  }
}

function mapType(words: string, before: string, element: GatewayType): MapType {
  const [, keys = 'string'] = /map of (\w+) to $/.exec(before) ?? [];
  const integer = integerType(keys);
  if (!before.includes('map of') || (keys !== 'string' && integer === undefined)) {
    throw new Error(`not a type of the table of gateway types: ${words}`);
  }
  const extensible = before.startsWith('extensible');
  return {
    kind: 'map',
    element,
    keys: integer,
    strict: extensible || before.startsWith('strict'),
    extensible,
  };
}

function integerType(words: string): IntegerType | undefined {
  const [, sign, width = ''] = /^(u?)int(8|16|32|64)?$/.exec(words) ?? [];
  if (sign === undefined) return undefined;
  const bits = BigInt(width === '' ? 64 : width);
  const signed = sign === '';
  return {
    kind: 'integer',
    from: signed ? -(1n << (bits - 1n)) : 0n,
    to: (1n << (signed ? bits - 1n : bits)) - 1n,
    words: `a whole number of ${bits} bits${signed ? '' : ', not negative'}`,
  };
}
