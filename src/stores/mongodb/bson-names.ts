import type { CatalogTable } from '../../domain/catalog-row.js';

/**
 * Where a document's names in BSON differ from those in JSON, as a tree along the names in JSON. A gateway's structs
 * carry both names: where a field has none for BSON, the driver stores it in lower case without underscores, and an
 * embedded struct that is not marked `inline` as a field of its own.
 *
 * Source: the tags of the gateway's apidef and user packages, v2.9 to v5.15.
 */
export interface BsonNames {
  /** From the name in BSON to the name in JSON. */
  readonly names?: Readonly<Record<string, string>>;
  /** Below the field of that name in JSON. */
  readonly members?: Readonly<Record<string, BsonNames>>;
  /** Below every field (of a map), or every element (of a list). */
  readonly each?: BsonNames;
  /** Names in BSON of objects whose fields belong one level higher. */
  readonly flatten?: readonly string[];
  /** Names in JSON of durations: nanoseconds in BSON, text in JSON. */
  readonly durations?: readonly string[];
}

const scopes: BsonNames = { names: { scopetopolicy: 'scope_to_policy' } };
const clientAuthentication: BsonNames = { flatten: ['clientauthdata'] };

/** Of the kinds of GraphQL data sources, Kafka's has fields without a name for BSON. */
const dataSource: BsonNames = {
  members: {
    config: {
      names: {
        startconsuminglatest: 'start_consuming_latest',
        balancestrategy: 'balance_strategy',
        isolationlevel: 'isolation_level',
      },
    },
  },
};

const api: BsonNames = {
  names: {
    // `_id` becomes `id` where every kind of row is made into a definition.
    jwt_identit_base_field: 'jwt_identity_base_field',
  },
  members: {
    proxy: { members: { transport: { names: { sslforcecommonnamecheck: 'ssl_force_common_name_check' } } } },
    scopes: { members: { jwt: scopes, oidc: scopes } },
    graphql: { members: { engine: { members: { data_sources: { each: dataSource } } } } },
    upstream_auth: {
      members: {
        oauth: { members: { client_credentials: clientAuthentication, password: clientAuthentication } },
      },
    },
    jwt_jwks_uris: { each: { durations: ['cache_timeout'] } },
    version_data: {
      members: {
        versions: {
          each: {
            durations: ['global_enforce_timeout'],
            members: {
              extended_paths: { members: { hard_timeouts: { each: { durations: ['duration'] } } } },
            },
          },
        },
      },
    },
  },
};

const limit: BsonNames = {
  flatten: ['ratelimit'],
  names: {
    throttleinterval: 'throttle_interval',
    throttleretrylimit: 'throttle_retry_limit',
    maxquerydepth: 'max_query_depth',
    quotamax: 'quota_max',
    quotarenews: 'quota_renews',
    quotaremaining: 'quota_remaining',
    quotarenewalrate: 'quota_renewal_rate',
  },
};

const policy: BsonNames = {
  names: {
    enablehttpsignaturevalidation: 'enable_http_signature_validation',
  },
  members: {
    access_rights: {
      each: {
        names: {
          apiname: 'api_name',
          apiid: 'api_id',
          restrictedtypes: 'restricted_types',
          allowedtypes: 'allowed_types',
          fieldaccessrights: 'field_access_rights',
          disableintrospection: 'disable_introspection',
          allowancescope: 'allowance_scope',
          jsonrpcmethods: 'json_rpc_methods',
          jsonrpcmethodsaccessrights: 'json_rpc_methods_access_rights',
          mcpprimitives: 'mcp_primitives',
          mcpaccessrights: 'mcp_access_rights',
        },
        members: {
          limit,
          field_access_rights: {
            each: {
              names: { typename: 'type_name', fieldname: 'field_name' },
              members: { limits: { names: { maxquerydepth: 'max_query_depth' } } },
            },
          },
        },
      },
    },
  },
};

/** The struct of these is not public: both spellings are taken. */
const clientIdp: BsonNames = {
  names: {
    clientidpid: 'client_idp_id',
    orgid: 'org_id',
    jwksuri: 'jwks_uri',
    scopeclaimname: 'scope_claim_name',
    apimappings: 'api_mappings',
  },
  members: { api_mappings: { each: scopes } },
};

export const bsonNames: Readonly<Record<CatalogTable, BsonNames>> = {
  organisations: {},
  users: {},
  user_groups: {},
  // Where an operator names the one field that holds a definition whole, it stands there.
  apis: { ...api, members: { ...api.members, api_definition: api } },
  policies: policy,
  client_idps: clientIdp,
};
