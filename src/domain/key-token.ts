import { type OrganisationId, organisationId } from './identifiers.js';

/**
 * What a raw key tells about itself. Current keys are the standard base64 of
 * `{"org":"<org>","id":"<id>","h":"<algorithm>"}` and so begin with `ey`; legacy keys are the organisation
 * (24 hex digits) followed by anything. Source: worker-rpc reference, 6.2.
 */

const tokenBytesMax = 4096;
const organisationDigits = 24;

/** A text field of a current key; undefined when the key is none, or has no such field. */
export function readTokenField(key: string, field: 'org' | 'id' | 'h'): string | undefined {
  if (!key.startsWith('ey') || key.length > tokenBytesMax) return undefined;
  const bytes = Buffer.from(key, 'base64');
  // Node skips what is not base64; only a text that comes back the same was base64.
  if (bytes.toString('base64') !== key) return undefined;
  try {
    const token: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof token !== 'object' || token === null) return undefined;
    const value = (token as Record<string, unknown>)[field];
    return typeof value === 'string' && value !== '' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The current key that gateways make of one that somebody chose. */
export function customKeyToken(organisation: OrganisationId, id: string, algorithm: string): string {
  const [org, key, h] = [organisation, id, algorithm].map((text) => JSON.stringify(text));
  return Buffer.from(`{"org":${org},"id":${key},"h":${h}}`, 'utf8').toString('base64');
}

/** The organisation a raw key was made for; undefined when it does not say. */
export function organisationOfRawKey(key: string): OrganisationId | undefined {
  const named = readTokenField(key, 'org');
  if (named !== undefined) return organisationId(named);
  return key.length > organisationDigits ? leadingOrganisation(key) : undefined;
}

/** The first 24 characters, if they are hex digits. */
export function leadingOrganisation(text: string): OrganisationId | undefined {
  const head = text.slice(0, organisationDigits);
  return /^[0-9a-fA-F]{24}$/.test(head) ? organisationId(head) : undefined;
}
