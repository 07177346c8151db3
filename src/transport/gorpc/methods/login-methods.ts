import { organisationId, ungrouped, type ZoneId, zoneId } from '../../../domain/identifiers.js';
import { limits } from '../../../domain/limits.js';
import { CausewayError } from '../../../errors/causeway-error.js';
import { clusterTraitsOf } from '../../../hub/keyspace/cluster-signature.js';
import type { GatewayLogin } from '../../../hub/zones/gateway-session.js';
import { readNodeJson } from '../../../hub/zones/node-json.js';
import { type GroupLogin, readGroupLogin, readNothing, readText } from '../arguments.js';
import { eraOfVersion } from '../client-era.js';
import { done, no, yes } from '../error-answer.js';
import { type GorpcCall, type GorpcMethod, method } from '../gorpc-call.js';
import { keepFed } from '../keep-fed.js';
import type { GorpcAnswer } from '../response-encoder.js';
import type { MethodContext } from './method-context.js';

/** A gateway logs in again every ten seconds: all of this is memory and a few hashes. */
export function loginMethods(context: MethodContext): readonly GorpcMethod[] {
  const beforeLogin = { needsLogin: false, isOfGateways: false };
  return [
    method('Login', readText, (call, userKey) => login(context, call, { ...noGroup, userKey }), beforeLogin),
    method('LoginWithGroup', readGroupLogin, (call, group) => login(context, call, group), beforeLogin),
    // Pumps ask before they log in, and before each batch; any success will do.
    method('Ping', readNothing, () => yes, beforeLogin),
    method('Disconnect', readNothing, (call) => disconnect(context, call), beforeLogin),
  ];
}

const noGroup = { group: '', forceSync: false, node: undefined };

/**
 * Answers true or false and never with nothing: a gateway crashes of that. Throws CATALOG_NOT_READY.
 */
function login(
  context: MethodContext,
  call: GorpcCall,
  request: GroupLogin,
): GorpcAnswer | Promise<GorpcAnswer> {
  const { hub } = context;
  const { session, connection } = call;
  // The worker forgets it as soon as it is sent, whatever the answer is.
  if (request.forceSync) session.forceSync = true;
  const zone = zoneOf(request.group);
  let login: GatewayLogin;
  try {
    login = hub.sessions.login(session, {
      apiKey: request.userKey,
      zone,
      address: connection.peer.remoteAddress,
    });
  } catch (thrown) {
    if (!(thrown instanceof CausewayError) || thrown.code === 'CATALOG_NOT_READY') throw thrown;
    tellRefused(context, call, request, thrown);
    return no;
  }
  describe(context, call, login, request);
  if (session.forceSync) {
    session.forceSync = false;
    hub.fullPushWanted(login.identity.organisation, zone);
  }
  if (session.isFed || !isOfGateway(call)) {
    context.onLoggedIn(session);
    return yes;
  }
  return keepFed(context, session, login).then(() => {
    context.onLoggedIn(session);
    return yes;
  });
}

/** What a stranger says about itself is worth a look only for a line that is written. */
function tellRefused(
  { hub, refusals }: MethodContext,
  { session, connection }: GorpcCall,
  { userKey, group, node }: GroupLogin,
  { code, message }: CausewayError,
): void {
  const zone = zoneOf(group);
  const obfuscate = (key: string) => hub.obfuscate(key);
  const { remoteAddress: address } = connection.peer;
  refusals.tell({ wire: 'gorpc', address, zone, code, reason: message, key: obfuscate(userKey) }, () => {
    const about = { organisation: organisationId(''), zone, fallbackNode: session.fallbackNode, obfuscate };
    const told = readNodeJson(node, about);
    return { node: told.node, version: told.version, session: session.shown };
  });
}

/** Pumps have a type of their own for it. Without a group it cannot be told: then the next call shows it. */
function isOfGateway({ request: { typeName } }: GorpcCall): boolean {
  return typeName.startsWith('*') && !typeName.startsWith('*pumps.');
}

/** Old gateways without a group say nothing, newer ones say so. */
export function zoneOf(group: string): ZoneId {
  return group === '' ? ungrouped : zoneId(group.slice(0, limits.zoneNameLengthMax));
}

function describe(
  { hub }: MethodContext,
  { session, connection }: GorpcCall,
  login: GatewayLogin,
  request: GroupLogin,
) {
  // A gateway that fails to build its description sends none; what it said before still holds.
  if (request.node === undefined || request.node.length === 0) return;
  const told = readNodeJson(request.node, {
    organisation: login.identity.organisation,
    zone: login.zone,
    fallbackNode: session.fallbackNode,
    obfuscate: (key) => hub.obfuscate(key),
  });
  const node = { ...told, peer: connection.peer.remoteAddress };
  session.era = eraOfVersion(session.era, node.version);
  session.describe(node, clusterTraitsOf(node));
  hub.nodeSeen(session.shownNode ?? node);
}

/** A goodbye. The session stays, because calls that are under way must not be told to log in. */
function disconnect({ hub }: MethodContext, { session }: GorpcCall): GorpcAnswer {
  const login = hub.sessions.loginOf(session);
  if (login !== undefined && session.node !== undefined) {
    hub.nodeGone(login.identity.organisation, login.zone, session.node.node);
  }
  return done;
}
