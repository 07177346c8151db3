import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import { jsonExceeds } from '../../std/json-shape.js';
import type { AdminOperations, KeyReference, ListedKey } from './admin-operations.js';

const listedKeysDefault = 100;

const keyQuery = z.object({
  organisation: z.string().min(1).optional(),
  prefix: z.string().default(''),
  limit: z.coerce.number().int().min(1).max(limits.keysPerCallMax).default(listedKeysDefault),
  cursor: z.string().min(1).optional(),
});

const keyReference = z.object({
  organisation: z.string().min(1).optional(),
  hashed: z.stringbool().default(false),
});

const ttlQuery = z.object({ ttl_seconds: z.coerce.number().int().min(0).default(0) });
const organisationQuery = z.object({ organisation: z.string().min(1).optional() });
const keyParameters = z.object({ name: z.string().min(1) });

/**
 * What `causeway keys`, `status` and `catalog` talk to, below /causeway/v1:
 *
 *   GET    /status
 *   GET    /keys?organisation=&prefix=&limit=&cursor=      {keys: [{name, organisation, hashed, ttl_seconds}], cursor}
 *   GET    /keys/<name>?organisation=&hashed=              the same and `session`
 *   PUT    /keys/<name>?organisation=&hashed=&ttl_seconds= 204; body: the session, a JSON object; 0: never expires
 *   DELETE /keys/<name>?organisation=&hashed=              204
 *   GET    /catalog                                        {quarantined: [{source, reason}], held: [...]}
 *   POST   /catalog/accept?organisation=                   {accepted: <removals let through>}
 */
export function addAdminRoutes(http: FastifyInstance, operations: AdminOperations): void {
  http.get('/status', () => operations.status());

  http.get('/keys', async (request) => {
    const { organisation, cursor, ...rest } = parse(keyQuery, request.query);
    const page = await operations.listKeys({ ...rest, organisation, cursor });
    return { keys: page.keys.map(listedJson), cursor: page.cursor ?? null };
  });

  http.get('/keys/:name', async (request, reply) => {
    const stored = await operations.getKey(referenceOf(request));
    requireJsonObject(stored.session, () => {
      return new CausewayError('STORE_ITEM_UNREADABLE', 'the stored session is not a JSON object');
    });
    // The session is not parsed and written anew: numbers beyond 2^53 would not survive it.
    const head = JSON.stringify(listedJson(stored)).slice(0, -1);
    const body = Buffer.concat([Buffer.from(`${head},"session":`), stored.session, Buffer.from('}')]);
    return reply.type('application/json; charset=utf-8').send(body);
  });

  http.put('/keys/:name', async (request, reply) => {
    const { ttl_seconds: ttlSeconds } = parse(ttlQuery, request.query);
    const session = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    requireJsonObject(session, () => {
      return new CausewayError('REQUEST_INVALID', 'the body must be a session as a JSON object');
    });
    await operations.putKey(referenceOf(request), session, ttlSeconds === 0 ? undefined : ttlSeconds * 1_000);
    return reply.code(204).send();
  });

  http.delete('/keys/:name', async (request, reply) => {
    await operations.removeKey(referenceOf(request));
    return reply.code(204).send();
  });

  http.get('/catalog', async () => {
    const { quarantined, held } = await operations.catalogProblems();
    return {
      quarantined: quarantined.map(({ source, reason }) => ({ source, reason })),
      held: held.map(({ organisation, kind, id, name, sinceMs }) => {
        return { organisation, kind, id, name, since: new Date(sinceMs).toISOString() };
      }),
    };
  });

  http.post('/catalog/accept', async (request) => {
    const { organisation } = parse(organisationQuery, request.query);
    return { accepted: await operations.acceptCatalog(organisation) };
  });
}

function referenceOf(request: { readonly params: unknown; readonly query: unknown }): KeyReference {
  const { organisation, hashed } = parse(keyReference, request.query);
  return { organisation, hashed, name: parse(keyParameters, request.params).name };
}

function listedJson({ name, organisation, hashed, remainingTtlMs }: ListedKey): unknown {
  const ttlSeconds = remainingTtlMs === undefined ? null : Math.ceil(remainingTtlMs / 1_000);
  return { name, organisation, hashed, ttl_seconds: ttlSeconds };
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CausewayError(
    'REQUEST_INVALID',
    `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

function requireJsonObject(bytes: Buffer, problem: () => CausewayError): void {
  let value: unknown;
  // To parse it would keep everybody else waiting.
  if (jsonExceeds(bytes, { values: limits.sessionValuesMax, depth: limits.sessionDepthMax })) throw problem();
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw problem();
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw problem();
}
