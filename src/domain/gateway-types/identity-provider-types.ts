import type { GatewayTypeTable } from './gateway-type-table.js';

/** Client identity provider entries. Field names and types of the gateway's structures at release 5.14, read by reflection. */
export const identityProviderTypes: GatewayTypeTable = {
  'gateway.IdP': {
    client_idp_id: 'string',
    org_id: 'string',
    name: 'string',
    issuer: 'string',
    jwks_uri: 'string',
    scope_claim_name: 'string',
    api_mappings: 'map of string to struct:gateway.ScopeMapping',
  },
  'gateway.ScopeMapping': {
    scope_to_policy: 'map of string to string',
  },
};
