import type { X509Certificate } from 'node:crypto';
import type { CertificatePair } from './certificate-pair.js';

/** What keeps clients from accepting a certificate, the least harm first. */
const troubles = ['sound', 'chain-broken', 'not-yet-valid', 'expired'] as const;

export type CertificateTrouble = (typeof troubles)[number];

/**
 * How a certificate stands at a moment. Its key has been found to fit by then: see `readCertificatePair`.
 *
 * The chain is broken when the file carries other certificates and none of them issued the leaf, or when one that did
 * has run out. A leaf alone says nothing: its issuer may be a root that every client has.
 */
export function troubleOf({ leaf, chain }: CertificatePair, nowMs: number): CertificateTrouble {
  if (nowMs >= Date.parse(leaf.validTo)) return 'expired';
  if (nowMs < Date.parse(leaf.validFrom)) return 'not-yet-valid';
  const issuer = issuerAmong(chain, leaf);
  if (issuer === undefined) return chain.length === 0 || isSelfIssued(leaf) ? 'sound' : 'chain-broken';
  for (const one of issuersOf(leaf, chain)) {
    if (nowMs >= Date.parse(one.validTo) || nowMs < Date.parse(one.validFrom)) return 'chain-broken';
  }
  return 'sound';
}

/**
 * Whether clients are worse off with `next` than with `current`, both as they stand now. Of two that ran out the one
 * that did so later is better, of two that are not valid yet the one that is so sooner; where neither is better, the
 * newer files are what the operator wants.
 */
export function isWorse(next: CertificatePair, current: CertificatePair, nowMs: number): boolean {
  const nextTrouble = chainWasLost(next, current) ? lostChain(next, nowMs) : troubleOf(next, nowMs);
  const currentTrouble = troubleOf(current, nowMs);
  if (nextTrouble !== currentTrouble) return troubles.indexOf(nextTrouble) > troubles.indexOf(currentTrouble);
  if (nextTrouble === 'expired') return Date.parse(next.leaf.validTo) < Date.parse(current.leaf.validTo);
  if (nextTrouble === 'not-yet-valid') {
    return Date.parse(next.leaf.validFrom) > Date.parse(current.leaf.validFrom);
  }
  return false;
}

/** The file in force has the intermediate that issued the new leaf; the new file has forgotten it. */
function chainWasLost(next: CertificatePair, current: CertificatePair): boolean {
  const issuer = issuerAmong(current.chain, next.leaf);
  return issuer !== undefined && !isSelfIssued(issuer) && issuerAmong(next.chain, next.leaf) === undefined;
}

function lostChain(pair: CertificatePair, nowMs: number): CertificateTrouble {
  const trouble = troubleOf(pair, nowMs);
  return trouble === 'sound' ? 'chain-broken' : trouble;
}

/** From the issuer of the leaf upwards, as far as the file goes. */
function issuersOf(leaf: X509Certificate, chain: readonly X509Certificate[]): readonly X509Certificate[] {
  const path: X509Certificate[] = [];
  let current = leaf;
  while (path.length < chain.length && !isSelfIssued(current)) {
    const issuer = issuerAmong(chain, current);
    if (issuer === undefined) break;
    path.push(issuer);
    current = issuer;
  }
  return path;
}

function issuerAmong(
  chain: readonly X509Certificate[],
  issued: X509Certificate,
): X509Certificate | undefined {
  return chain.find((one) => issued.checkIssued(one) && issued.verify(one.publicKey));
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}
