import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import { reflectable } from './reflected-definition.js';

/** The contract as written in proto/causeway/v1/bridge.proto. */
const protoRoot = fileURLToPath(new URL('../../../proto', import.meta.url));

const loaded: PackageDefinition = loadSync('causeway/v1/bridge.proto', {
  includeDirs: [protoRoot],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});

export const packageDefinition = loaded;

/** For server reflection: the contract and the health service, so that tools work unprepared. */
export const reflectedDefinition: PackageDefinition = reflectable({
  ...loaded,
  ...loadSync(healthProtoPath, { longs: Number, enums: String, defaults: true, oneofs: true }),
});

export const bridgeService = loaded['causeway.v1.Bridge'] as ServiceDefinition;

/** Reads and writes one message type of the contract. */
export interface MessageCodec {
  write(message: object): Buffer;
  /** Throws when the bytes are not that message. */
  read(bytes: Buffer): object;
}

export function messageCodec(name: string): MessageCodec {
  const type = loaded[`causeway.v1.${name}`] as MessageTypeDefinition<object, object> | undefined;
  if (type === undefined) throw new Error(`the contract has no message ${name}`);
  return { write: (message) => type.serialize(message), read: (bytes) => type.deserialize(bytes) };
}

const asBytes = (bytes: Buffer): Buffer => bytes;

/**
 * The service as the hub registers it: bytes in, bytes out. What comes in is decoded after the login and with
 * bounds (read-requests.ts); what `Sync` sends was encoded before, once for all streams.
 */
export function hubService(): ServiceDefinition {
  const methods = Object.entries(bridgeService).map(([name, method]) => [
    name,
    { ...method, requestDeserialize: asBytes, responseSerialize: asBytes },
  ]);
  return Object.fromEntries(methods) as ServiceDefinition;
}
