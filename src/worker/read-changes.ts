import type { DefinitionKind } from '../domain/definition.js';
import { limits } from '../domain/limits.js';
import type { Codec } from '../hub/fanout/frame-encoder.js';
import { messageCodec } from '../transport/grpc/contract.js';
import type {
  ChangeMessage,
  DefinitionKindName,
  DefinitionMessage,
  DefinitionNameMessage,
} from '../transport/grpc/messages.js';
import { decompressPayload } from '../transport/grpc/payload-compression.js';
import { type KeyEffect, keyEffectOf } from './key-effect.js';
import type { HeldDefinition } from './local-copy.js';

export interface DefinitionReference {
  readonly kind: DefinitionKind;
  readonly id: string;
}

/** One change of a delta, with what this worker does not know left out. */
export interface ReceivedChange {
  readonly sequence: number;
  readonly atMs: number;
  readonly body:
    | { readonly type: 'put'; readonly definition: HeldDefinition }
    | { readonly type: 'removed'; readonly name: DefinitionReference }
    | { readonly type: 'key'; readonly effect: KeyEffect };
}

const changeSet = messageCodec('ChangeSet');
const definitionSet = messageCodec('DefinitionSet');

const kindOfName: Partial<Record<DefinitionKindName, DefinitionKind>> = {
  DEFINITION_KIND_API: 'api',
  DEFINITION_KIND_POLICY: 'policy',
  DEFINITION_KIND_CLIENT_IDP: 'client-idp',
};

interface Payload {
  readonly payload: Buffer;
  readonly uncompressedBytes: number;
}

/** Throws REQUEST_INVALID or LIMIT_EXCEEDED, or plainly when the bytes are no change set. */
export async function readDelta(delta: Payload, codec: Codec): Promise<readonly ReceivedChange[]> {
  const { changes } = changeSet.read(await unpack(delta, codec)) as { changes: ChangeMessage[] };
  return changes.flatMap((change): ReceivedChange[] => {
    const { sequence, atMs, put, removed, keyEvent } = change;
    if (put != null) {
      const definition = heldDefinition(put);
      return definition === undefined ? [] : [{ sequence, atMs, body: { type: 'put', definition } }];
    }
    if (removed != null) {
      const name = reference(removed);
      return name === undefined ? [] : [{ sequence, atMs, body: { type: 'removed', name } }];
    }
    if (keyEvent == null) return [];
    return [{ sequence, atMs, body: { type: 'key', effect: keyEffectOf(keyEvent) } }];
  });
}

export async function readSnapshotChunk(
  chunk: Payload,
  codec: Codec,
): Promise<{
  readonly definitions: readonly HeldDefinition[];
  readonly unchanged: readonly DefinitionReference[];
}> {
  const set = definitionSet.read(await unpack(chunk, codec)) as {
    definitions: DefinitionMessage[];
    unchanged: DefinitionNameMessage[];
  };
  return {
    definitions: set.definitions.flatMap((message) => heldDefinition(message) ?? []),
    unchanged: set.unchanged.flatMap((message) => reference(message) ?? []),
  };
}

function unpack({ payload, uncompressedBytes }: Payload, codec: Codec): Promise<Buffer> {
  return decompressPayload(payload, codec, uncompressedBytes, limits.hubPayloadBytesMax);
}

function heldDefinition(message: DefinitionMessage): HeldDefinition | undefined {
  const name = reference(message);
  if (name === undefined) return undefined;
  const { hash, body, oas, form } = message;
  return {
    ...name,
    hash,
    form: form === 'DEFINITION_FORM_DATABASE' ? 'database' : 'plain',
    body,
    oas: oas.length === 0 ? undefined : oas,
  };
}

/** Undefined: a kind of a newer contract, which this worker could not serve anyway. */
function reference({ kind, id }: DefinitionNameMessage): DefinitionReference | undefined {
  const known = kindOfName[kind];
  return known === undefined ? undefined : { kind: known, id };
}
