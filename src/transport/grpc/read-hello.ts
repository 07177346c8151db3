import { type DefinitionKey, type DefinitionKind, definitionKey } from '../../domain/definition.js';
import { nodeId, ungrouped, zoneId } from '../../domain/identifiers.js';
import type { WorkerNode } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { SessionHello } from '../../hub/fanout/session-hello.js';
import type { BridgeHub } from './bridge-hub.js';
import type { CallCredentials } from './credentials.js';
import type { DefinitionKindName } from './messages.js';
import { negotiateCodec } from './payload-compression.js';
import type { HelloRequest } from './read-requests.js';

const identifierLengthMax = 256;
const nodeTtlDefaultSeconds = 30;

const kindOfName: Partial<Record<DefinitionKindName, DefinitionKind>> = {
  DEFINITION_KIND_API: 'api',
  DEFINITION_KIND_POLICY: 'policy',
  DEFINITION_KIND_CLIENT_IDP: 'client-idp',
};

/** Checks a hello field by field; throws REQUEST_INVALID or LIMIT_EXCEEDED that names the field. */
export function readHello(hub: BridgeHub, message: HelloRequest, caller: CallCredentials): SessionHello {
  const { identity } = caller;
  const id = message.node?.id ?? '';
  checkIdentifier('hello.node.id', id, true);
  checkIdentifier('hello.group_id', message.groupId, false);
  return {
    identity,
    zone: message.groupId === '' ? ungrouped : zoneId(message.groupId),
    node: nodeId(id),
    scope: {
      organisation: identity.organisation,
      segmented: message.segmented,
      tags: message.tags,
      owner: hub.ownerOf(identity),
    },
    codec: negotiateCodec(message.compressions),
    cursor: message.cursor ?? undefined,
    held: heldOf(message),
  };
}

/** What the fleet page shows of the worker. */
export function nodeOf(
  hub: BridgeHub,
  message: HelloRequest,
  hello: SessionHello,
  apiKey: string,
): WorkerNode {
  const { node } = message;
  return {
    protocol: 'grpc',
    organisation: hello.identity.organisation,
    zone: hello.zone,
    node: hello.node,
    version: node?.version ?? '',
    tags: hello.scope.tags,
    segmented: hello.scope.segmented,
    apiKeyShown: hub.obfuscate(apiKey),
    ttlSeconds: node !== null && node.ttlSeconds > 0 ? node.ttlSeconds : nodeTtlDefaultSeconds,
    host: { hostname: node?.hostname ?? '', pid: node?.pid ?? 0, address: node?.address ?? '' },
    health: {},
    stats: { apisCount: 0, policiesCount: 0 },
  };
}

function heldOf(message: HelloRequest): ReadonlyMap<DefinitionKey, string> {
  const held = new Map<DefinitionKey, string>();
  for (const { kind, id, hash } of message.held) {
    const known = kindOfName[kind];
    // A kind this hub does not know is simply not among what it can leave out.
    if (known !== undefined) held.set(definitionKey(known, id), hash);
  }
  return held;
}

function checkIdentifier(field: string, value: string, required: boolean): void {
  if (required && value === '') throw new CausewayError('REQUEST_INVALID', `${field}: is missing`);
  if (value.length > identifierLengthMax) throw tooMany(field, value.length, identifierLengthMax);
  for (const character of value) {
    if (character < ' ') {
      throw new CausewayError('REQUEST_INVALID', `${field}: holds a control character`);
    }
  }
}

function tooMany(field: string, found: number, max: number): CausewayError {
  return new CausewayError('LIMIT_EXCEEDED', `${field}: ${found} is more than the ${max} allowed`);
}
