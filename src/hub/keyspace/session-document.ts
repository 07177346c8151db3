import { fitForGateways } from '../../domain/gateway-types/fit-for-gateways.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { applyEdits, membersOf, rootOf } from '../../domain/json-members.js';
import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import { jsonExceeds } from '../../std/json-shape.js';

const member = 'org_id';

/**
 * The session as it may be stored for the organisation: `org_id` absent or empty is filled in, whole numbers are
 * spelt as gateways read them, every other byte stays. Throws REQUEST_INVALID when it is not a JSON object, names
 * another organisation, or is one that no gateway could decode.
 *
 * Gateways match member names ignoring case and let the last of several win, so other spellings and
 * repeats are refused: what the hub checks has to be what the gateway reads.
 */
export function sessionForOrganisation(session: Buffer, organisation: OrganisationId): Buffer {
  const owned = ownedSession(session, organisation);
  const { text, problem } = fitForGateways('session', owned);
  if (text !== undefined) return text;
  throw new CausewayError('REQUEST_INVALID', `no gateway could decode the session: ${problem}`);
}

function ownedSession(session: Buffer, organisation: OrganisationId): Buffer {
  if (session.length > limits.sessionBytesMax) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `the session has ${session.length} bytes; sessionBytesMax is ${limits.sessionBytesMax}`,
    );
  }
  requireObject(session);
  const root = rootOf(session);
  const members = membersOf(session, root);
  const [named, ...repeats] = members.filter(({ name }) => name.toLowerCase() === member);
  const replacement = JSON.stringify(organisation);
  if (named === undefined) {
    const at = root.start + 1;
    const comma = members.length === 0 ? '' : ',';
    return applyEdits(session, [{ start: at, end: at, replacement: `"${member}":${replacement}${comma}` }]);
  }
  if (repeats.length > 0 || named.name !== member) {
    throw new CausewayError('REQUEST_INVALID', `the session must have one member ${member}, spelt so`);
  }
  const value: unknown = JSON.parse(session.toString('utf8', named.value.start, named.value.end));
  if (value === organisation) return session;
  if (value === '') return applyEdits(session, [{ ...named.value, replacement }]);
  throw new CausewayError('REQUEST_INVALID', `${member} of the session names another organisation`);
}

function requireObject(session: Buffer): void {
  const bounds = { values: limits.sessionValuesMax, depth: limits.sessionDepthMax };
  if (jsonExceeds(session, bounds)) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `the session has more than ${bounds.values} values (sessionValuesMax), or is nested deeper than ${bounds.depth} (sessionDepthMax)`,
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(session));
  } catch {
    throw new CausewayError('REQUEST_INVALID', 'the session is not JSON in UTF-8');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CausewayError('REQUEST_INVALID', 'the session is not a JSON object');
  }
}
