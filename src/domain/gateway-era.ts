import type { KeyEventKind } from './key-event.js';

/** Major, minor, patch. */
export type ReleaseNumber = readonly [number, number, number];

/**
 * Which releases a gateway can be, as far as it has shown: some say their version, of others only the fields
 * they know tell. Undefined: no bound is known.
 */
export interface GatewayEra {
  readonly oldest: ReleaseNumber | undefined;
  readonly newest: ReleaseNumber | undefined;
}

export const unknownEra: GatewayEra = { oldest: undefined, newest: undefined };

/** The last patch of any line. */
const lastPatch = Number.MAX_SAFE_INTEGER;

/** `v5.3.0`, also with a suffix; undefined: no release number in it. */
export function parseReleaseNumber(text: string): ReleaseNumber | undefined {
  const match = /^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?!\d)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

export function exactEra(release: ReleaseNumber): GatewayEra {
  return { oldest: release, newest: release };
}

export function sinceRelease(oldest: ReleaseNumber): GatewayEra {
  return { oldest, newest: undefined };
}

/** Up to the last patch of a line. */
export function untilLine(major: number, minor: number): GatewayEra {
  return { oldest: undefined, newest: [major, minor, lastPatch] };
}

/** Both are known of the same gateway. */
export function narrowEra(era: GatewayEra, known: GatewayEra): GatewayEra {
  const oldest = later(era.oldest, known.oldest, 1);
  const newest = later(era.newest, known.newest, -1);
  return oldest === era.oldest && newest === era.newest ? era : { oldest, newest };
}

/** True only for a gateway that is known to be older than 4.1: its OAuth server has the hub as its store. */
export function keepsTokensAtHub({ newest }: GatewayEra): boolean {
  return newest !== undefined && compareReleases(newest, [4, 1, 0]) < 0;
}

/** True only for a gateway that reads `<hash>:hashed:resetQuota` as one event. */
export function readsLastPartAsAction({ oldest }: GatewayEra): boolean {
  return oldest !== undefined && compareReleases(oldest, [4, 1, 0]) >= 0;
}

/**
 * First releases that know an event, line by line; the last entry stands for all later lines. An older
 * gateway takes the text for a key's name and asks for it. Source: worker-rpc reference, 5.
 */
const eventSince: Readonly<Record<KeyEventKind, readonly ReleaseNumber[]>> = {
  'key-changed': [[0, 0, 0]],
  'key-removed': [[0, 0, 0]],
  'quota-reset': [[2, 8, 5]],
  'oauth-token-revoked': [[2, 9, 4]],
  'oauth-tokens-revoked': [[2, 9, 5]],
  'certificate-added': [[4, 1, 0]],
  'certificate-removed': [[4, 1, 0]],
  'oauth-client-added': [[4, 1, 0]],
  'oauth-client-updated': [[4, 1, 0]],
  'oauth-client-removed': [[4, 1, 0]],
  'api-cache-flushed': [
    [5, 0, 12],
    [5, 3, 1],
    [5, 4, 0],
  ],
  'user-key-reset': [[5, 8, 0]],
  'jwks-cache-flushed': [[5, 11, 0]],
};

/** False only for a gateway that is known to be too old. */
export function knowsEvent({ newest }: GatewayEra, kind: KeyEventKind): boolean {
  if (newest === undefined) return true;
  const lines = eventSince[kind];
  return lines.some((first, index) => {
    const sameLine = first[0] === newest[0] && first[1] === newest[1];
    return (sameLine || index === lines.length - 1) && compareReleases(newest, first) >= 0;
  });
}

export function compareReleases(a: ReleaseNumber, b: ReleaseNumber): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function later(
  a: ReleaseNumber | undefined,
  b: ReleaseNumber | undefined,
  sign: 1 | -1,
): ReleaseNumber | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareReleases(b, a) * sign > 0 ? b : a;
}
