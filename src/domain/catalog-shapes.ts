import { z } from 'zod';
import type { JsonObject } from './json-object.js';

/**
 * What the hub itself reads of an item: who it is, whose, and who may see it. Whether gateways can decode the item is
 * told from its bytes, see gateway-types/fit-for-gateways.ts; what is of no use to the hub is not looked at here.
 */
const text = z.string().nullish();
const flag = z.boolean().nullish();
/** Gateways read null in a list of texts as an empty text. */
const texts = z
  .array(
    z
      .string()
      .nullable()
      .transform((one) => one ?? ''),
  )
  .nullish();
const anyObject = z.record(z.string(), z.unknown());
const identifier = z.string().min(1, 'expected a text that is not empty');

const owners = { user_owners: texts, user_group_owners: texts };

export const apiShape = z.looseObject({
  api_id: identifier,
  org_id: identifier,
  name: text,
  is_oas: flag,
  tags: texts,
  tags_disabled: flag,
  ...owners,
});

/** The form that holds an API whole: the definition and its OpenAPI document in one object. */
export const mergedApiShape = z.looseObject({
  api_definition: z.unknown(),
  oas: anyObject.nullish(),
  ...owners,
});

/** Gateways know a policy by its `id`, and by its `_id` when that is empty. */
export const policyShape = z
  .looseObject({ _id: text, id: text, org_id: identifier, name: text })
  .refine((policy) => Boolean(policy._id) || Boolean(policy.id), {
    path: ['_id'],
    message: 'expected 24 hex digits, or a text that is not empty in id',
  });

export const clientIdpShape = z.looseObject({
  client_idp_id: identifier,
  org_id: identifier,
  name: text,
  tags: texts,
  tags_disabled: flag,
  ...owners,
});

export const organisationShape = z.looseObject({
  id: identifier,
  owner_name: text,
  hybrid_enabled: flag,
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
