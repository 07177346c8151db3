import { type OrganisationId, organisationId } from './identifiers.js';
import type { KeyEvent } from './key-event.js';
import { hashAlgorithms, hashKey } from './key-hash.js';
import { customKeyToken, leadingOrganisation, organisationOfRawKey } from './key-token.js';
import { limits } from './limits.js';

/**
 * The names of the control plane's key space, and what each tells about its owner. Source: worker-rpc
 * reference, 3.3 and 6.1.
 *
 *   apikey-<raw key or hash>               owner in the value (`org_id`)
 *   orgkey.<organisation>                  owner in the name
 *   cert-raw-[<organisation>]<64 hex>      owner in the name; without: shared
 *   oauth-data.<api>.oauth-clientid.<id>   owner of the API; also oauth-access., oauth-refresh.,
 *                                          oauth-authorize.
 *   quota-<...>, rate-limit-<...>          counters; owner only by the key they count for
 *   anything else without a reserved prefix: a session asked for without `apikey-`
 */
export type KeyName =
  | { readonly kind: 'session'; readonly id: string }
  | { readonly kind: 'organisation-session'; readonly organisation: OrganisationId }
  /** `organisation` undefined: shared by all. */
  | { readonly kind: 'certificate'; readonly id: string; readonly organisation: OrganisationId | undefined }
  /** In one way at least: an id may hold anything, so that a name can be cut in several places. */
  | { readonly kind: 'oauth'; readonly readings: readonly OauthReading[] }
  | { readonly kind: 'counter'; readonly counter: 'quota' | 'rate-limit'; readonly subject: string }
  | { readonly kind: 'bare'; readonly id: string }
  /** A reserved prefix with something behind it that no worker has to read. */
  | { readonly kind: 'unreadable' };

export type OauthItem = 'clientid' | 'access' | 'refresh' | 'authorize';

export interface OauthReading {
  readonly api: string;
  readonly item: OauthItem;
  readonly id: string;
}

export const sessionPrefix = 'apikey-';

export function sessionName(id: string): string {
  return sessionPrefix + id;
}

const unreadable: KeyName = { kind: 'unreadable' };
const reservedPrefixes = ['cert-', 'oauth-data.', 'analytics-'];
const oauthMark = /\.oauth-(clientid|access|refresh|authorize)\./g;
const certificateDigest = /[0-9a-fA-F]{64}$/;

export function parseKeyName(name: string): KeyName {
  if (name === '') return unreadable;
  const session = behind(name, sessionPrefix);
  if (session !== undefined) return session === '' ? unreadable : { kind: 'session', id: session };

  const organisation = behind(name, 'orgkey.');
  if (organisation !== undefined) {
    if (organisation === '') return unreadable;
    return { kind: 'organisation-session', organisation: organisationId(organisation) };
  }

  const certificate = behind(name, 'cert-raw-');
  if (certificate !== undefined) return parseCertificate(certificate);

  const oauth = behind(name, 'oauth-data.');
  if (oauth !== undefined) {
    const readings = oauthReadings(oauth);
    // Scope has to hold for every reading; of a name made to have very many it is not asked.
    const isReadable = readings.length > 0 && readings.length <= limits.keyReadingsMax;
    return isReadable ? { kind: 'oauth', readings } : unreadable;
  }

  for (const counter of ['quota', 'rate-limit'] as const) {
    const subject = behind(name, `${counter}-`);
    if (subject !== undefined) return subject === '' ? unreadable : { kind: 'counter', counter, subject };
  }
  return reservedPrefixes.some((prefix) => name.startsWith(prefix)) ? unreadable : { kind: 'bare', id: name };
}

/** The shortest id of an API first, which is nearly always the only one. */
function oauthReadings(text: string): readonly OauthReading[] {
  const readings: OauthReading[] = [];
  for (const mark of text.matchAll(oauthMark)) {
    const api = text.slice(0, mark.index);
    const id = text.slice(mark.index + mark[0].length);
    if (api !== '' && id !== '') readings.push({ api, item: mark[1] as OauthItem, id });
    if (readings.length > limits.keyReadingsMax) break;
  }
  return readings;
}

/** An id is the SHA-256 of the certificate behind the organisation's id; other forms are not served. */
function parseCertificate(id: string): KeyName {
  if (!certificateDigest.test(id)) {
    const organisation = id.length > 24 ? leadingOrganisation(id) : undefined;
    return organisation === undefined ? unreadable : { kind: 'certificate', id, organisation };
  }
  const head = id.slice(0, -64);
  return { kind: 'certificate', id, organisation: head === '' ? undefined : organisationId(head) };
}

function behind(name: string, prefix: string): string | undefined {
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/**
 * Where a session asked for without a prefix may stand, likeliest first. Both ways where keys are hashed: a key
 * that somebody chose may look like a hash.
 */
export function sessionNamesOf(id: string, hashKeys: boolean): readonly string[] {
  return hashKeys ? [sessionName(id), sessionName(hashKey(id))] : [sessionName(id)];
}

/**
 * Where the session of a key may stand that is not found under its own name: under its hash, or, when somebody
 * chose the key, as part of a longer one of its organisation. At most `keyReadingsMax`, likeliest first.
 */
export function otherSessionNamesOf(
  key: string,
  organisations: readonly OrganisationId[],
): readonly string[] {
  const ids = [key];
  if (organisationOfRawKey(key) === undefined) {
    for (const org of organisations) {
      ids.push(org + key, ...hashAlgorithms.map((h) => customKeyToken(org, key, h)));
    }
  }
  const names = ids.flatMap((id) => [sessionName(id), sessionName(hashKey(id))]).slice(1);
  return [...new Set(names)].slice(0, limits.keyReadingsMax);
}

/** The names whose values an event says are new: what was remembered of them is stale. */
export function namesOfEvent(event: KeyEvent, hashKeys: boolean): readonly string[] {
  switch (event.kind) {
    case 'key-changed':
    case 'key-removed':
    case 'quota-reset':
      return event.hashed ? [sessionName(event.key)] : sessionNamesOf(event.key, hashKeys);
    case 'oauth-token-revoked':
      return [
        ...(event.hashed ? [sessionName(event.token)] : sessionNamesOf(event.token, hashKeys)),
        `oauth-data.${event.api}.oauth-access.${event.token}`,
        `oauth-data.${event.api}.oauth-refresh.${event.token}`,
      ];
    case 'certificate-added':
    case 'certificate-removed':
      return [`cert-raw-${event.certificate}`];
    case 'oauth-client-added':
    case 'oauth-client-updated':
    case 'oauth-client-removed':
      return [`oauth-data.${event.api}.oauth-clientid.${event.client}`];
    case 'oauth-tokens-revoked':
    case 'api-cache-flushed':
    case 'jwks-cache-flushed':
    case 'user-key-reset':
      return [];
  }
}
