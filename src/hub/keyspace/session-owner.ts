import { type OrganisationId, organisationId } from '../../domain/identifiers.js';
import { organisationOfRawKey } from '../../domain/key-token.js';
import { limits } from '../../domain/limits.js';
import { jsonExceeds } from '../../std/json-shape.js';

/** Up to here no shape of a session takes long to parse. */
const plainBytes = 64 * 1024;
const sessionBounds = { values: limits.sessionValuesMax, depth: limits.sessionDepthMax };

/**
 * Whose a stored session is: its `org_id`, else what the raw key says. Undefined: it cannot be told, so it
 * is nobody's. A value that is not a JSON object is nobody's whatever its name says, and so is one beyond the bounds.
 */
export function ownerOfSession(id: string, value: Buffer): OrganisationId | undefined {
  let session: unknown;
  // To parse it would keep everybody else waiting.
  if (value.length > plainBytes && jsonExceeds(value, sessionBounds)) return undefined;
  try {
    session = JSON.parse(value.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof session !== 'object' || session === null || Array.isArray(session)) return undefined;
  const named = (session as Record<string, unknown>)['org_id'];
  if (named === undefined || named === '') return organisationOfRawKey(id);
  return typeof named === 'string' ? organisationId(named) : undefined;
}
