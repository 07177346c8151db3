import { readGroupKeySpaceRequest, readText } from '../arguments.js';
import { noStrings, organisationNotFound } from '../error-answer.js';
import { type GorpcCall, type GorpcMethod, method } from '../gorpc-call.js';
import { keyEventTexts } from '../key-event-texts.js';
import type { GorpcAnswer } from '../response-encoder.js';
import { zoneOf } from './login-methods.js';
import { isOwnOrganisation, type MethodContext } from './method-context.js';

/** Polls for key events. There is no acknowledgement: the next poll is taken for one, see ZoneFeed. */
export function keySpaceMethods(context: MethodContext): readonly GorpcMethod[] {
  return [
    method('GetKeySpaceUpdate', readText, (call, organisation) => {
      if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
      return poll(context, call);
    }),
    method('GetGroupKeySpaceUpdate', readGroupKeySpaceRequest, (call, { organisation, group }) => {
      if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
      // The zone is that of the login: events of another one are not this worker's to take.
      if (zoneOf(group) !== call.login.zone) {
        return { kind: 'error', text: 'the group is not the one of the login' };
      }
      return poll(context, call);
    }),
  ];
}

async function poll({ hub }: MethodContext, call: GorpcCall): Promise<GorpcAnswer> {
  const { session, login } = call;
  const events = await hub.feeds.poll(session.feedMember(login), call, call.receivedAtMs);
  if (events.length === 0) return noStrings;
  return { kind: 'strings', value: keyEventTexts(events, session.era) };
}
