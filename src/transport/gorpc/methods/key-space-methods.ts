import { readGroupKeySpaceRequest, readText } from '../arguments.js';
import { noStrings, organisationNotFound } from '../error-answer.js';
import { type GorpcCall, type GorpcMethod, method } from '../gorpc-call.js';
import { keyEventTexts } from '../key-event-texts.js';
import type { GorpcAnswer } from '../response-encoder.js';
import { UnsaidEvents } from '../unsaid-events.js';
import { zoneOf } from './login-methods.js';
import { isOwnOrganisation, type MethodContext } from './method-context.js';

/** Polls for key events. There is no acknowledgement: the next poll is taken for one, see ZoneFeed. */
export function keySpaceMethods(context: MethodContext): readonly GorpcMethod[] {
  const unsaid = new UnsaidEvents({
    log: context.log,
    metrics: context.metrics,
    onRevocation: (organisation, zone) => context.hub.revocationUnsaid(organisation, zone),
  });
  return [
    method('GetKeySpaceUpdate', readText, (call, organisation) => {
      if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
      return poll(context, unsaid, call);
    }),
    method('GetGroupKeySpaceUpdate', readGroupKeySpaceRequest, (call, { organisation, group }) => {
      if (!isOwnOrganisation(call, organisation, context)) return organisationNotFound;
      // The zone is that of the login: events of another one are not this worker's to take.
      if (zoneOf(group) !== call.login.zone) {
        return { kind: 'error', text: 'the group is not the one of the login' };
      }
      return poll(context, unsaid, call);
    }),
  ];
}

async function poll({ hub }: MethodContext, unsaid: UnsaidEvents, call: GorpcCall): Promise<GorpcAnswer> {
  const { session, login } = call;
  const member = session.feedMember(login);
  const events = await hub.feeds.poll(member, call, call.receivedAtMs);
  if (events.length === 0) return noStrings;
  const told = keyEventTexts(events, session.era);
  unsaid.note(member, told.unsaid);
  return told.texts.length === 0 ? noStrings : { kind: 'strings', value: told.texts };
}
