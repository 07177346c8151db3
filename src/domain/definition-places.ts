import type { Definition } from './definition.js';
import type { JsonObject } from './json-object.js';

/** What a definition occupies at a gateway, whatever its id: who has it after another takes the other's place. */
export interface DefinitionPlaces {
  /** Room for one. Of two definitions on one of them a gateway serves neither as it should. */
  readonly sole: readonly string[];
  /** What people know it by. Several may share it. */
  readonly label: string | undefined;
}

const nowhere: DefinitionPlaces = { sole: [], label: undefined };

/** Definitions keep their identity while they do not change, and nobody asks before something is removed. */
const known = new WeakMap<Definition, DefinitionPlaces>();

/**
 * An API stands on its domain and listen path. A gateway takes two for doubles when domain and path, put together, are
 * equal texts; the port, `internal` and whether OAuth or OpenAPI describe them make no difference (source: `processSpec`
 * of its API loader). Here a little more is equal: a slash at the end, the names of path parameters and the case of a
 * domain decide nothing about which requests arrive, so what differs only in them stands in one place, too. TCP
 * services stand on port and domain.
 *
 * A policy stands on the id that people gave it, if they did; its name is its label, as tools that copy an environment
 * keep names and not ids. An identity provider is known by its issuer.
 */
export function placesOf(definition: Definition): DefinitionPlaces {
  let places = known.get(definition);
  if (places === undefined) {
    places = readPlaces(definition);
    known.set(definition, places);
  }
  return places;
}

function readPlaces({ kind, id, name, body, oas }: Definition): DefinitionPlaces {
  const fields = readObject(body);
  if (fields === undefined) return nowhere;
  switch (kind) {
    case 'api':
      return { sole: placeOfApi(fields, oas), label: undefined };
    case 'policy': {
      const given = textOf(fields['id']);
      const sole = given === '' || given === id ? [] : [`policy ${given}`];
      return { sole, label: name === '' ? undefined : `policy ${name}` };
    }
    case 'client-idp': {
      const label = textOf(fields['issuer']) || name;
      return { sole: [], label: label === '' ? undefined : `client-idp ${label}` };
    }
  }
}

function placeOfApi(api: JsonObject, oas: Buffer | undefined): readonly string[] {
  const { protocol, domain_disabled: isDomainDisabled, listen_port: port } = api;
  let domain = isDomainDisabled === true ? '' : textOf(api['domain']);
  if (protocol === 'tcp' || protocol === 'tls')
    return [`${protocol} ${String(port)} ${domain.toLowerCase()}`];
  let path = textOf(objectOf(api['proxy'])['listen_path']);
  if (path === '' && oas !== undefined) {
    const server = objectOf(objectOf(readObject(oas)?.['x-tyk-api-gateway'])['server']);
    path = textOf(objectOf(server['listenPath'])['value']);
    const custom = objectOf(server['customDomain']);
    if (domain === '' && custom['enabled'] !== false) domain = textOf(custom['name']);
  }
  return path === '' ? [] : [`api ${domain.toLowerCase()}${samePath(path)}`];
}

function samePath(path: string): string {
  const unnamed = path.replace(/\{[^{}:]*(:[^{}]*)?\}/g, (_parameter, pattern = '') => `{${pattern}}`);
  return unnamed.replace(/\/+$/, '') || '/';
}

/** Undefined: it is none. Nothing else could use it either, and one broken item is no reason to stop the others. */
function readObject(text: Buffer): JsonObject | undefined {
  try {
    return objectOf(JSON.parse(text.toString('utf8')));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
