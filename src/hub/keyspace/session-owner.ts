import { type OrganisationId, organisationId } from '../../domain/identifiers.js';
import { organisationOfRawKey } from '../../domain/key-token.js';

/**
 * Whose a stored session is: its `org_id`, else what the raw key says. Undefined: it cannot be told, so it
 * is nobody's. A value that is not a JSON object is nobody's whatever its name says.
 */
export function ownerOfSession(id: string, value: Buffer): OrganisationId | undefined {
  let session: unknown;
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
