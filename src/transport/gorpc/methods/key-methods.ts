import { keepsTokensAtHub } from '../../../domain/gateway-era.js';
import { limits } from '../../../domain/limits.js';
import { CausewayError } from '../../../errors/causeway-error.js';
import { clusterTraitsOf } from '../../../hub/keyspace/cluster-signature.js';
import type { FoundKey } from '../../../hub/keyspace/key-search.js';
import { readNodeJson } from '../../../hub/zones/node-json.js';
import { yieldTurn } from '../../../std/yield-turn.js';
import { type InboundData, readInboundData, readText, readTexts } from '../arguments.js';
import { done, keyNotFound, yes } from '../error-answer.js';
import { type GorpcCall, type GorpcMethod, method } from '../gorpc-call.js';
import type { GorpcAnswer } from '../response-encoder.js';
import type { MethodContext } from './method-context.js';

export function keyMethods(context: MethodContext): readonly GorpcMethod[] {
  const { hub } = context;
  return [
    method('GetKey', readText, (call, name) => getKey(context, call, name)),
    method('SetKey', readInboundData, (call, data) => setKey(context, call, data)),
    method('GetExp', readText, (call, name) => getExpiry(context, call, name)),
    method('GetKeys', readText, (call, pattern) =>
      search(context, call, pattern, (found) => {
        return { kind: 'strings', value: found.map(({ name }) => name) };
      }),
    ),
    method('GetKeysAndValues', readText, (call, pattern) => getKeysAndValues(context, call, pattern)),
    method('GetKeysAndValuesWithFilter', readText, (call, pattern) =>
      getKeysAndValues(context, call, pattern),
    ),
    method('DeleteKey', readText, (call, name) => remove(context, call, [name])),
    method('DeleteRawKey', readText, (call, name) => remove(context, call, [name])),
    method('DeleteKeys', readTexts, (call, names) => remove(context, call, names)),
    method('DeleteRawKeys', readTexts, (call, names) => remove(context, call, names)),
    // Nobody has called it for years.
    method('Decrement', readText, () => done),
    // Spelt so by every gateway.
    method('IncrememntWithExpire', readInboundData, async ({ login }, { keyName, expire }) => {
      const ttlMs = expire > 0 ? expire * 1_000 : undefined;
      return { kind: 'int64', value: await hub.incrementCounter(login.identity, keyName, ttlMs) };
    }),
    method('SetRollingWindow', readInboundData, async ({ login }, { keyName, per }) => {
      return { kind: 'int', value: await hub.addToWindow(login.identity, keyName, per * 1_000) };
    }),
    // A worker's own index of what it holds: no business of the control plane.
    method('AppendToSet', readInboundData, () => done),
  ];
}

const valueOnly = { ttl: false };
const modestValueOnly = { ttl: false, valueBytesMax: limits.modestValueBytesMax };

/** Answers when there is room for so much; the room is the answer's until it has left. */
async function withRoom(
  { connection, login }: GorpcCall,
  reservedBytes: number,
  answer: () => Promise<GorpcAnswer>,
): Promise<GorpcAnswer> {
  if (!(await connection.reserve(login.identity.organisation, reservedBytes))) {
    throw new CausewayError('SHUTTING_DOWN', 'the connection has ended');
  }
  // A store in this process answers without a pause.
  await yieldTurn();
  try {
    return { ...(await answer()), reservedBytes };
  } catch (thrown) {
    connection.giveBack(reservedBytes);
    throw thrown;
  }
}

function search(
  { hub }: MethodContext,
  call: GorpcCall,
  pattern: string,
  answer: (found: readonly FoundKey[]) => GorpcAnswer,
): Promise<GorpcAnswer> {
  return withRoom(call, limits.foundBytesMax, async () =>
    answer(await hub.searchKeys(call.login.identity, pattern)),
  );
}

async function getKey({ hub }: MethodContext, call: GorpcCall, name: string): Promise<GorpcAnswer> {
  const { login } = call;
  const { identity } = login;
  const modest = await hub.readKey(identity, name, modestValueOnly);
  if (modest?.oversize === undefined) {
    return modest === undefined ? keyNotFound : { kind: 'string', value: { bytes: modest.value } };
  }
  // What is large is read when there is room for it.
  const reservedBytes = modest.oversize;
  return withRoom(call, reservedBytes, async () => {
    const stored = await hub.readKey(identity, name, valueOnly);
    return stored === undefined ? keyNotFound : { kind: 'string', value: { bytes: stored.value } };
  });
}

async function getExpiry({ hub }: MethodContext, { login }: GorpcCall, name: string): Promise<GorpcAnswer> {
  const stored = await hub.readKey(login.identity, name);
  if (stored === undefined) return keyNotFound;
  const { remainingTtlMs } = stored;
  return { kind: 'int64', value: remainingTtlMs === undefined ? -1 : Math.ceil(remainingTtlMs / 1_000) };
}

function getKeysAndValues(context: MethodContext, call: GorpcCall, pattern: string): Promise<GorpcAnswer> {
  return search(context, call, pattern, (found) => ({
    kind: 'keys-values',
    keys: found.map(({ name }) => name),
    values: found.map(({ value }) => value.toString('utf8')),
  }));
}

/** Every gateway writes it every ten seconds to see whether the connection works. */
function isKeepalive({ keyName }: InboundData): boolean {
  return keyName.endsWith('0000') && keyName.startsWith('rpc.listener.');
}

/** Keys are written at the control plane; the one exception are the tokens of very old gateways. */
function setKey(
  context: MethodContext,
  call: GorpcCall,
  data: InboundData,
): GorpcAnswer | Promise<GorpcAnswer> {
  if (isKeepalive(data)) {
    showNode(context, call);
    return done;
  }
  if (!keepsTokensAtHub(call.session.era)) return done;
  const ttlMs = data.timeout > 0 ? data.timeout * 1_000 : undefined;
  const value = Buffer.from(data.sessionState, 'utf8');
  return context.hub.tokens.put(call.login.identity, data.keyName, value, ttlMs).then(() => done);
}

/** A sign of life. Gateways that do not describe themselves are shown by what is known without it. */
function showNode({ hub }: MethodContext, { session, login, connection }: GorpcCall): void {
  if (session.node?.zone !== login.zone) {
    const silent = readNodeJson(undefined, {
      organisation: login.identity.organisation,
      zone: login.zone,
      fallbackNode: session.fallbackNode,
      obfuscate: (key) => hub.obfuscate(key),
    });
    const node = { ...silent, peer: connection.peer.remoteAddress };
    session.describe(node, clusterTraitsOf(node));
  }
  if (session.shownNode !== undefined) hub.nodeSeen(session.shownNode);
}

/**
 * Gateways send deletes of what they drop from their own store to the hub as well, also of what they are
 * about to fetch anew. They want `true`; executing it would destroy what the control plane has.
 */
function remove(
  { hub }: MethodContext,
  { session, login }: GorpcCall,
  names: readonly string[],
): GorpcAnswer | Promise<GorpcAnswer> {
  if (!keepsTokensAtHub(session.era)) return yes;
  return hub.tokens.remove(login.identity, names.slice(0, limits.keysPerCallMax)).then(() => yes);
}
