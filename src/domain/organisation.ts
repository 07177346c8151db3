import type { OrganisationId } from './identifiers.js';

export interface Organisation {
  readonly id: OrganisationId;
  readonly name: string;
  /** Only workers of a hybrid-enabled organisation may log in. */
  readonly hybridEnabled: boolean;
}

export interface User {
  readonly id: string;
  readonly organisation: OrganisationId;
  readonly emailAddress: string;
  /** Secret. The API key that this user's workers log in with. */
  readonly accessKey: string;
  readonly active: boolean;
  readonly groups: readonly string[];
}
