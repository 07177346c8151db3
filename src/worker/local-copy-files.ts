import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type DefinitionKind, definitionKinds } from '../domain/definition.js';
import type { HeldKey } from './local-copy.js';

/**
 *   state.json                cursor, and which definitions the copy consists of
 *   applying.json             the change that is being written: what it puts and removes
 *   apis/<id>.json            the exact bytes; apis/<id>.oas.json: of the OpenAPI document
 *   policies/, client-idps/   likewise
 *   keys/<name>.json          {"name","value" (base64),"expires_at_ms"}
 *
 * Order of writing: applying.json, objects, state.json. So wherever a crash strikes, each object is the
 * old one or the new one (both are known by their hash) and the cursor is at most too old: what
 * follows it is delivered again. An object that is neither was damaged from outside; then the cursor is
 * given up, because only a fresh snapshot tells what is right.
 */
export const folderOfKind = {
  api: 'apis',
  policy: 'policies',
  'client-idp': 'client-idps',
} as const satisfies Record<DefinitionKind, string>;
export const keysFolder = 'keys';

const heldEntry = z.object({
  kind: z.enum(definitionKinds),
  id: z.string(),
  hash: z.string(),
  form: z.enum(['plain', 'database']),
  oas: z.boolean(),
});
export type HeldEntry = z.infer<typeof heldEntry>;

export const stateFile = z.object({
  format: z.literal(1),
  organisation: z.string(),
  node_id: z.string(),
  /** Number of the change that this state is the result of. */
  change: z.number().int(),
  cursor: z.object({ epoch: z.string(), sequence: z.number().int() }).nullable(),
  definitions: z.array(heldEntry),
});
export type State = z.infer<typeof stateFile>;

export const applyingFile = z.object({
  organisation: z.string(),
  change: z.number().int(),
  put: z.array(heldEntry),
  remove: z.array(z.string()),
});

const keyFile = z.object({ name: z.string(), value: z.base64(), expires_at_ms: z.number().nullable() });

export type Applying = z.infer<typeof applyingFile>;

export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Undefined when it is not there or is not what it should be: then it counts as never written. */
export function parseJson<Shape>(shape: z.ZodType<Shape>, bytes: Buffer | undefined): Shape | undefined {
  if (bytes === undefined) return undefined;
  try {
    return shape.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

export function parseKey(bytes: Buffer | undefined): HeldKey | undefined {
  const key = parseJson(keyFile, bytes);
  if (key === undefined) return undefined;
  const value = Buffer.from(key.value, 'base64');
  return { name: key.name, value, expiresAtMs: key.expires_at_ms ?? undefined };
}

export function keyBytes({ name, value, expiresAtMs }: HeldKey): Buffer {
  return jsonBytes({ name, value: value.toString('base64'), expires_at_ms: expiresAtMs ?? null });
}

export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
