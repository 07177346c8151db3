import { isUtf8 } from 'node:buffer';
import type { Definition } from './definition.js';
import {
  applyEdits,
  elementsOf,
  isString,
  type JsonEdit,
  type JsonMember,
  type JsonRange,
  membersOf,
  rootOf,
  textOf,
} from './json-members.js';

/**
 * The two spellings of a classic API definition. A control-plane database cannot hold a dot in a field name,
 * so it holds these in base64 (standard alphabet, padded), and a gateway undoes it on what it receives over RPC:
 *
 *   version_data.versions            the keys, and each version's `name`, which follows its key
 *   upstream_certificates            the keys (domains)
 *   pinned_public_keys               the keys (domains)
 *   ...extended_paths.validate_json  `schema` (an object) stands as `schema_b64` (base64 of its JSON)
 *
 * Source: EncodeForDB and DecodeFromDB of the gateway's apidef package. Only these ranges are edited; unknown
 * fields, number spellings, white space and the order of fields stay as they are.
 *
 * Neither function is idempotent, and neither guesses: `test` is a version name, and it is also base64 of three
 * bytes. Apply each once, to the form that `Definition.form` says. Then
 *   toPlainForm(toDatabaseForm(x)) equals x byte for byte, provided that in x every version's `name` equals its
 *   key, no key uses an escape that JSON does not need, and no `schema_b64` stands beside a `schema`.
 * Without the proviso it means the same to a gateway.
 */
export function toDatabaseForm(body: Buffer): Buffer {
  return convert(body, { name: encodeName, validation: encodeValidation });
}

/**
 * Undoes {@link toDatabaseForm}. A key that is not base64 of UTF-8 text is kept as it is (databases hold some
 * from before the encoding), and so is a `schema_b64` that does not hold JSON.
 */
export function toPlainForm(body: Buffer): Buffer {
  return convert(body, { name: decodeName, validation: decodeValidation });
}

/**
 * How a list of APIs is written for gateways: `nested` is `{"api_definition":...,"oas":...}` and for v4.1 and
 * newer; `flat` is the definition alone and for v4.0 and older. The wrong one crashes or blanks a gateway.
 */
export type ApiListEra = 'nested' | 'flat';

const nestedStart = Buffer.from('{"api_definition":');
const nestedMiddle = Buffer.from(',"oas":');
const nestedEnd = Buffer.from('}');
const jsonNull = Buffer.from('null');

/** One element of the API list that a gateway receives over RPC, in database form. */
export function mergedApiJson(definition: Definition, era: ApiListEra): Buffer {
  const body = databaseBody(definition);
  if (era === 'flat') return body;
  return Buffer.concat([nestedStart, body, nestedMiddle, definition.oas ?? jsonNull, nestedEnd]);
}

/** Definitions keep their identity while they do not change, so one edit costs one conversion. */
const databaseBodies = new WeakMap<Definition, Buffer>();

/** The body in database form, whatever form the definition came in. Policies and the rest have but one form. */
export function databaseBody(definition: Definition): Buffer {
  if (definition.kind !== 'api' || definition.form === 'database') return definition.body;
  let body = databaseBodies.get(definition);
  if (body === undefined) {
    body = toDatabaseForm(definition.body);
    databaseBodies.set(definition, body);
  }
  return body;
}

interface Direction {
  /** The other spelling of a key; undefined: leave it. */
  readonly name: (name: string) => string | undefined;
  /** Edits for one entry of validate_json. */
  readonly validation: (text: Buffer, entry: JsonRange) => readonly JsonEdit[];
}

function convert(text: Buffer, direction: Direction): Buffer {
  const edits: JsonEdit[] = [];
  for (const member of membersOf(text, rootOf(text))) {
    if (member.name === 'version_data') {
      for (const versions of named(text, member.value, 'versions')) {
        for (const version of membersOf(text, versions)) convertVersion(text, version, direction, edits);
      }
    } else if (member.name === 'upstream_certificates' || member.name === 'pinned_public_keys') {
      for (const domain of membersOf(text, member.value)) {
        const name = direction.name(domain.name);
        if (name !== undefined) edits.push({ ...domain.nameRange, replacement: JSON.stringify(name) });
      }
    }
  }
  return applyEdits(text, edits);
}

function convertVersion(text: Buffer, version: JsonMember, direction: Direction, edits: JsonEdit[]): void {
  const name = direction.name(version.name);
  if (name !== undefined) edits.push({ ...version.nameRange, replacement: JSON.stringify(name) });
  for (const member of membersOf(text, version.value)) {
    if (member.name === 'name' && name !== undefined) {
      edits.push({ ...member.value, replacement: JSON.stringify(name) });
    } else if (member.name === 'extended_paths') {
      for (const list of named(text, member.value, 'validate_json')) {
        for (const entry of elementsOf(text, list)) edits.push(...direction.validation(text, entry));
      }
    }
  }
}

function named(text: Buffer, value: JsonRange, name: string): JsonRange[] {
  return membersOf(text, value)
    .filter((member) => member.name === name)
    .map((member) => member.value);
}

function encodeName(name: string): string {
  return Buffer.from(name, 'utf8').toString('base64');
}

function decodeName(name: string): string | undefined {
  const bytes = decodeBase64(name);
  return bytes !== undefined && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

function encodeValidation(text: Buffer, entry: JsonRange): readonly JsonEdit[] {
  const schema = membersOf(text, entry).findLast((member) => member.name === 'schema');
  if (schema === undefined) return [];
  const encoded = text.subarray(schema.value.start, schema.value.end).toString('base64');
  return replaceSchema(text, entry, schema, 'schema_b64', JSON.stringify(encoded));
}

function decodeValidation(text: Buffer, entry: JsonRange): readonly JsonEdit[] {
  const schema = membersOf(text, entry).findLast((member) => member.name === 'schema_b64');
  if (schema === undefined || !isString(text, schema.value)) return [];
  const bytes = decodeBase64(textOf(text, schema.value));
  if (bytes === undefined || !isJson(bytes)) return [];
  return replaceSchema(text, entry, schema, 'schema', bytes.toString('utf8'));
}

/** Puts the schema in its other spelling and drops what stands in the entry besides it. */
function replaceSchema(
  text: Buffer,
  entry: JsonRange,
  schema: JsonMember,
  name: string,
  value: string,
): readonly JsonEdit[] {
  const members = membersOf(text, entry);
  const isSchema = (member: JsonMember) => member.name === 'schema' || member.name === 'schema_b64';
  if (members.filter(isSchema).length === 1) {
    return [
      { ...schema.nameRange, replacement: JSON.stringify(name) },
      { ...schema.value, replacement: value },
    ];
  }
  const written: string[] = [];
  for (const member of members) {
    if (member.nameRange.start === schema.nameRange.start) written.push(`${JSON.stringify(name)}:${value}`);
    else if (!isSchema(member)) written.push(text.toString('utf8', member.nameRange.start, member.value.end));
  }
  return [{ ...entry, replacement: `{${written.join(',')}}` }];
}

/** As Go's strict standard decoder reads it: padded, no foreign characters but line ends. */
function decodeBase64(text: string): Buffer | undefined {
  const compact = text.replace(/[\r\n]/g, '');
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, 'base64');
}

function isJson(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false;
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
