import type { ServerUnaryCall } from '@grpc/grpc-js';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { BridgeHub } from './bridge-hub.js';
import { authorise } from './credentials.js';
import type { StoredKeyMessage } from './messages.js';

export async function getKeys(
  hub: BridgeHub,
  call: ServerUnaryCall<{ names: string[] }, { keys: StoredKeyMessage[] }>,
): Promise<{ keys: StoredKeyMessage[] }> {
  const { identity } = authorise(hub, call.metadata, call.getPeer());
  const { names } = call.request;
  if (names.length === 0) throw new CausewayError('REQUEST_INVALID', 'names: is empty');
  if (names.length > limits.keysPerCallMax) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `names: ${names.length} is more than the ${limits.keysPerCallMax} allowed in one call`,
    );
  }
  const values = await hub.readKeys(identity, names);
  return { keys: names.map((name, index) => storedKey(name, values[index])) };
}

function storedKey(
  name: string,
  stored: { readonly value: Buffer; readonly remainingTtlMs: number | undefined } | undefined,
): StoredKeyMessage {
  if (stored === undefined) return { name, found: false, value: Buffer.alloc(0) };
  const { value, remainingTtlMs } = stored;
  return remainingTtlMs === undefined
    ? { name, found: true, value }
    : { name, found: true, value, remainingTtlMs };
}
