import { X509Certificate } from 'node:crypto';
import {
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls';

export interface PinnedTrust {
  readonly secureContext: SecureContext;
  readonly checkServerIdentity: (hostname: string, certificate: PeerCertificate) => Error | undefined;
}

/**
 * Trust in one certificate and no other, whoever signed it and whatever names it has: for a client on the hub's own
 * machine, which knows the file the hub serves but not the authority behind it. `pem`: the certificate, and after it
 * perhaps its chain. Throws when it is no certificate.
 *
 * Needs Node 20.18 for certificates that are not their own authority; older ones refuse them.
 */
export function pinnedTrust(pem: Buffer): PinnedTrust {
  const expected = new X509Certificate(pem).raw;
  // The types of Node 20.11 do not know it yet.
  const partial: SecureContextOptions & { readonly allowPartialTrustChain: true } = {
    ca: pem,
    allowPartialTrustChain: true,
  };
  return {
    secureContext: createSecureContext(partial),
    checkServerIdentity: (_hostname, { raw }) =>
      raw.equals(expected)
        ? undefined
        : new Error('the hub shows another certificate than the one in its file'),
  };
}
