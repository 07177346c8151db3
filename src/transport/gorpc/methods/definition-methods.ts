import type { DefinitionKind } from '../../../domain/definition.js';
import type { DefinitionHolder } from '../../../hub/distribution/definition-cursors.js';
import { type DefinitionsRequest, readDefinitionsRequest, readText } from '../arguments.js';
import { DefinitionPayloads, type PayloadForm } from '../definition-payloads.js';
import { organisationNotFound } from '../error-answer.js';
import { type GorpcCall, type GorpcMethod, method } from '../gorpc-call.js';
import type { GorpcAnswer } from '../response-encoder.js';
import { isOwnOrganisation, type MethodContext } from './method-context.js';

/** What CheckReload watches: identity providers have a poll of their own. */
const reloadKinds: readonly DefinitionKind[] = ['api', 'policy'];
const providerKinds: readonly DefinitionKind[] = ['client-idp'];

/**
 * Definitions whole, and long polls that tell when to fetch them again.
 *
 * In doubt an error, never an empty list: a gateway unloads everything at `[]`, and loses its backup with it.
 */
export function definitionMethods(context: MethodContext): readonly GorpcMethod[] {
  const payloads = new DefinitionPayloads(context.metrics);
  const longPoll = { isLongPoll: true };
  return [
    method('GetApiDefinitions', readDefinitionsRequest, (call, request) =>
      getApiDefinitions(context, payloads, call, request),
    ),
    method('GetPolicies', readText, (call, organisation) => {
      if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
      return list(context, payloads, call, 'policy', 'as-stored');
    }),
    method('GetClientIdPs', readDefinitionsRequest, (call, request) => {
      if (!isOwnOrganisation(call, request.organisation, context)) return organisationNotFound;
      return list(context, payloads, call, 'client-idp', 'as-stored');
    }),
    method(
      'CheckReload',
      readText,
      (call, organisation) => checkReload(context, call, organisation),
      longPoll,
    ),
    method(
      'CheckIdPReload',
      readText,
      (call, organisation) => checkProviderReload(context, call, organisation),
      longPoll,
    ),
  ];
}

function getApiDefinitions(
  context: MethodContext,
  payloads: DefinitionPayloads,
  call: GorpcCall,
  { organisation, tags, nested }: DefinitionsRequest,
): GorpcAnswer | Promise<GorpcAnswer> {
  if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
  call.session.requestTags(tags);
  return list(context, payloads, call, 'api', nested ? 'nested' : 'flat');
}

async function list(
  context: MethodContext,
  payloads: DefinitionPayloads,
  call: GorpcCall,
  kind: DefinitionKind,
  form: PayloadForm,
): Promise<GorpcAnswer> {
  const view = await context.hub.reloads.fetch(holderOf(context, call), [kind]);
  return { kind: 'string', value: await payloads.payload(view, kind, form) };
}

function checkReload(
  context: MethodContext,
  call: GorpcCall,
  organisation: string,
): GorpcAnswer | Promise<GorpcAnswer> {
  if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
  return new Promise((resolve) => {
    waitForChange(context, call, reloadKinds, (value) => resolve({ kind: 'bool', value }));
  });
}

/** The ids are only a hint: a gateway fetches all of them anew when there is any. */
function checkProviderReload(
  context: MethodContext,
  call: GorpcCall,
  organisation: string,
): GorpcAnswer | Promise<GorpcAnswer> {
  if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
  return new Promise((resolve) => {
    waitForChange(context, call, providerKinds, (changed) => {
      resolve({ kind: 'strings', value: changed ? providerIds(context, call) : [] });
    });
  });
}

function waitForChange(
  { hub, pollHoldMs }: MethodContext,
  call: GorpcCall,
  kinds: readonly DefinitionKind[],
  answer: (changed: boolean) => void,
): void {
  let isAnswered = false;
  let forget = () => {};
  const abandon = hub.reloads.wait(holderOf({ hub }, call), kinds, pollHoldMs, (changed) => {
    isAnswered = true;
    forget();
    answer(changed);
  });
  if (isAnswered) return;
  forget = call.connection.whenClosed(() => {
    abandon();
    answer(false);
  });
}

function providerIds({ hub }: MethodContext, call: GorpcCall): readonly string[] {
  const ids = hub.reloads
    .viewOf(holderOf({ hub }, call).scope)
    .definitions.filter(({ kind }) => kind === 'client-idp')
    .map(({ id }) => id);
  // The last one is gone: that has to be told too.
  return ids.length > 0 ? ids : ['*'];
}

function holderOf({ hub }: Pick<MethodContext, 'hub'>, { login, session }: GorpcCall): DefinitionHolder {
  const { member } = session;
  return { member, zone: login.zone, scope: session.scope(login, hub.ownerOf(login.identity)) };
}
