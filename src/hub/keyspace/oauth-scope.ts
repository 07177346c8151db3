import type { OrganisationId } from '../../domain/identifiers.js';
import type { OauthReading } from '../../domain/key-names.js';

/** The organisations whose catalog has an API of that id. */
export type ApiOwners = (apiId: string) => readonly OrganisationId[];

/**
 * Which of the ways to read an OAuth item's name are about an API of the organisation; empty: it is not its own.
 *
 * An item has no owner but its API, and where the API's id ends in its name is not marked. So every reading counts
 * whose API there is: if one of them is somebody else's, also somebody else's, the name is nobody's.
 */
export function ownReadings(
  readings: readonly OauthReading[],
  organisation: OrganisationId,
  apiOwners: ApiOwners,
): readonly OauthReading[] {
  const own: OauthReading[] = [];
  for (const reading of readings) {
    const owners = apiOwners(reading.api);
    if (owners.some((owner) => owner !== organisation)) return [];
    if (owners.length > 0) own.push(reading);
  }
  return own;
}
