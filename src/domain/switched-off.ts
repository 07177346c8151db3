import type { DefinitionKind } from './definition.js';
import { type OrganisationId, organisationId } from './identifiers.js';
import type { JsonObject } from './json-object.js';

/** An API that the control plane has and that nobody is to serve. It is not gone: it may come back as it was. */
export interface SwitchedOff {
  readonly organisation: OrganisationId;
  readonly kind: DefinitionKind;
  readonly id: string;
  readonly source: string;
}

/**
 * Whether a database says that an API is switched off: `active` of the classic definition, or
 * `x-tyk-api-gateway.info.state.active` of its OpenAPI document, is `false`. Whoever says nothing says nothing.
 *
 * Gateways do not look at it: their loaders take what their source gives them, and the source of a gateway beside its
 * control plane leaves such APIs out. A hub that reads the same tables has to do it too. A folder is another matter: a
 * gateway serves what stands in its own folder of definitions, whatever `active` says, and so does the hub.
 */
export function saysInactive(classics: readonly JsonObject[], oas: JsonObject | undefined): boolean {
  if (classics.some((classic) => classic['active'] === false)) return true;
  const extension = membersOf(oas?.['x-tyk-api-gateway']);
  return membersOf(membersOf(extension['info'])['state'])['active'] === false;
}

/** Undefined: it does not say which API it is. */
export function switchedOff(classic: JsonObject, source: string): SwitchedOff | undefined {
  const { api_id: id, org_id: organisation } = classic;
  if (typeof id !== 'string' || id === '' || typeof organisation !== 'string') return undefined;
  return { organisation: organisationId(organisation), kind: 'api', id, source };
}

function membersOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}
