import { z } from 'zod';
import type { JsonObject } from './json-object.js';

/**
 * What a gateway must be able to decode. It decodes a list of definitions in one go: one field of the wrong type
 * in one of them, or one malformed object id, and it refuses the whole list. So the types of long-standing fields
 * are checked, and nothing else: unknown fields pass, null passes wherever a gateway takes it.
 *
 * Source of names and types: the gateway's apidef, user and oas packages.
 */
const text = z.string().nullish();
const flag = z.boolean().nullish();
const number = z.number().nullish();
const integer = z.number().refine(Number.isInteger, 'expected a whole number').nullish();
const texts = z.array(z.string()).nullish();
const textMap = z.record(z.string(), z.string()).nullish();
const anyObject = z.record(z.string(), z.unknown());
const identifier = z.string().min(1, 'expected a text that is not empty');
const objectId = z.string().regex(/^[0-9a-fA-F]{24}$/, 'expected 24 hex digits');

const pathLists = z.looseObject({ ignored: texts, white_list: texts, black_list: texts });

const version = z.looseObject({
  name: text,
  expires: text,
  use_extended_paths: flag,
  paths: pathLists.nullish(),
  extended_paths: z.looseObject({ validate_json: z.array(anyObject).nullish(), cache: texts }).nullish(),
  global_headers: textMap,
  global_headers_remove: texts,
  global_response_headers: textMap,
  global_response_headers_remove: texts,
  global_size_limit: integer,
  override_target: text,
});

const authentication = z.looseObject({ auth_header_name: text, use_param: flag, use_cookie: flag });

const owners = { user_owners: texts, user_group_owners: texts };

export const apiShape = z.looseObject({
  api_id: identifier,
  org_id: identifier,
  id: z.union([objectId, z.literal('')], 'expected 24 hex digits').nullish(),
  name: text,
  slug: text,
  domain: text,
  protocol: text,
  expiration: text,
  listen_port: integer,
  active: flag,
  internal: flag,
  is_oas: flag,
  use_keyless: flag,
  use_oauth2: flag,
  use_openid: flag,
  use_basic_auth: flag,
  use_standard_auth: flag,
  use_mutual_tls_auth: flag,
  enable_jwt: flag,
  jwt_signing_method: text,
  jwt_source: text,
  jwt_identity_base_field: text,
  jwt_policy_field_name: text,
  jwt_default_policies: texts,
  enable_context_vars: flag,
  do_not_track: flag,
  strip_auth_data: flag,
  disable_rate_limit: flag,
  disable_quota: flag,
  session_lifetime: integer,
  expire_analytics_after: integer,
  client_certificates: texts,
  certificates: texts,
  upstream_certificates: textMap,
  pinned_public_keys: textMap,
  tags: texts,
  tags_disabled: flag,
  tag_headers: texts,
  allowed_ips: texts,
  blacklisted_ips: texts,
  config_data: anyObject.nullish(),
  auth: authentication.nullish(),
  auth_configs: z.record(z.string(), authentication).nullish(),
  definition: z
    .looseObject({ location: text, key: text, name: text, default: text, versions: textMap })
    .nullish(),
  version_data: z
    .looseObject({
      not_versioned: flag,
      default_version: text,
      versions: z.record(z.string(), version).nullish(),
    })
    .nullish(),
  proxy: z.looseObject({
    listen_path: text,
    target_url: text,
    strip_listen_path: flag,
    preserve_host_header: flag,
    disable_strip_slash: flag,
    enable_load_balancing: flag,
    target_list: texts,
  }),
  global_rate_limit: z.looseObject({ rate: number, per: number }).nullish(),
  cache_options: z.looseObject({ enable_cache: flag, cache_timeout: integer }).nullish(),
  ...owners,
});

/** The form that holds an API whole: the definition and its OpenAPI document in one object. */
export const mergedApiShape = z.looseObject({
  api_definition: z.unknown(),
  oas: anyObject.nullish(),
  ...owners,
});

export const oasShape = z.looseObject({
  openapi: identifier,
  info: anyObject,
  paths: anyObject.nullish(),
  'x-tyk-api-gateway': z.looseObject({
    info: z.looseObject({ id: text, orgId: text, name: text }),
    upstream: anyObject,
    server: z.looseObject({ listenPath: z.looseObject({ value: text }) }),
    middleware: anyObject.nullish(),
  }),
});

export const policyShape = z.looseObject({
  _id: objectId,
  id: text,
  org_id: identifier,
  name: text,
  rate: number,
  per: number,
  quota_max: integer,
  quota_renewal_rate: integer,
  throttle_interval: number,
  throttle_retry_limit: integer,
  max_query_depth: integer,
  access_rights: z
    .record(
      z.string(),
      z.looseObject({
        api_id: text,
        api_name: text,
        versions: texts,
        allowed_urls: z.array(z.looseObject({ url: text, methods: texts })).nullish(),
        limit: anyObject.nullish(),
        allowance_scope: text,
      }),
    )
    .nullish(),
  active: flag,
  is_inactive: flag,
  tags: texts,
  key_expires_in: integer,
  partitions: z.looseObject({ quota: flag, rate_limit: flag, acl: flag, per_api: flag }).nullish(),
  last_updated: text,
  meta_data: anyObject.nullish(),
});

export const clientIdpShape = z.looseObject({
  client_idp_id: identifier,
  org_id: identifier,
  name: text,
  issuer: text,
  jwks_uri: text,
  scope_claim_name: text,
  api_mappings: z.record(z.string(), z.looseObject({ scope_to_policy: textMap })).nullish(),
  tags: texts,
  tags_disabled: flag,
  ...owners,
});

export const organisationShape = z.looseObject({
  id: identifier,
  owner_name: text,
  hybrid_enabled: flag,
  event_options: anyObject.nullish(),
});

export const userShape = z
  .looseObject({
    id: identifier.nullish(),
    _id: identifier.nullish(),
    org_id: identifier,
    email_address: text,
    access_key: identifier,
    active: z.boolean(),
    user_group_ids: texts,
    user_group_id: text,
    group_id: text,
  })
  .refine((user) => (user.id ?? user._id) !== undefined, {
    path: ['id'],
    message: 'expected a text that is not empty',
  });

export type Checked<Shape extends z.ZodType> =
  | { readonly value: z.infer<Shape> }
  | { readonly problem: string };

/** The value, or the first thing wrong with it: `proxy.listen_path: expected string, received number`. */
export function checkShape<Shape extends z.ZodType>(shape: Shape, value: JsonObject): Checked<Shape> {
  const result = shape.safeParse(value);
  if (result.success) return { value: result.data };
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join('.') ?? '';
  const message = (issue?.message ?? 'wrong shape')
    .replace('expected record', 'expected object')
    .replace(/^Invalid input: /, '')
    .replace(/, received undefined$/, '');
  return { problem: path === '' ? message : `${path}: ${message}` };
}
