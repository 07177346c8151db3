import { getCiphers } from 'node:tls';
import { CausewayError } from '../../errors/causeway-error.js';

/**
 * The option `ssl_ciphers` holds IANA names as Go spells them; OpenSSL has names of its own. Go's whole list
 * is here, so that every file that worked before is understood.
 */
const openSslNameByIanaName: Readonly<Record<string, string>> = {
  TLS_RSA_WITH_RC4_128_SHA: 'RC4-SHA',
  TLS_RSA_WITH_3DES_EDE_CBC_SHA: 'DES-CBC3-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_RC4_128_SHA: 'ECDHE-ECDSA-RC4-SHA',
  TLS_ECDHE_RSA_WITH_RC4_128_SHA: 'ECDHE-RSA-RC4-SHA',
  TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: 'ECDHE-RSA-DES-CBC3-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
};

/** TLS 1.3 suites cannot be configured in Go and stay on there; OpenSSL would drop 1.3 with them. */
const tls13Suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

export interface CipherChoice {
  /** For `createSecureContext`; undefined: the defaults. */
  readonly ciphers: string | undefined;
  /** Named by the option, but left out of this build of OpenSSL as broken (RC4, 3DES). */
  readonly unavailable: readonly string[];
}

/**
 * Accepts IANA and OpenSSL names in any case. Throws CONFIG_INVALID, naming `optionPath` and the entry,
 * for a name nobody knows and when nothing usable is left.
 */
export function chooseCiphers(names: readonly string[], optionPath: string): CipherChoice {
  if (names.length === 0) return { ciphers: undefined, unavailable: [] };
  const offered = new Set(getCiphers());
  const chosen: string[] = [];
  const unavailable: string[] = [];
  for (const [index, name] of names.entries()) {
    const upper = name.trim().toUpperCase();
    const openSslName = openSslNameByIanaName[upper] ?? upper;
    if (offered.has(openSslName.toLowerCase())) chosen.push(openSslName);
    else if (upper in openSslNameByIanaName) unavailable.push(name);
    else
      throw new CausewayError('CONFIG_INVALID', `${optionPath}[${index}]: '${name}' is not a cipher suite`);
  }
  if (chosen.length === 0) {
    throw new CausewayError('CONFIG_INVALID', `${optionPath}: none of these cipher suites is available`);
  }
  if (!chosen.some((name) => name.startsWith('TLS_'))) chosen.unshift(...tls13Suites);
  return { ciphers: [...new Set(chosen)].join(':'), unavailable };
}
