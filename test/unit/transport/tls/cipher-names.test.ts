import { describe, expect, it } from 'vitest';
import { chooseCiphers } from '../../../../src/transport/tls/cipher-names.js';

const tls13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

describe('cipher names', () => {
  it('leaves the defaults alone when none is named', () => {
    expect(chooseCiphers([], 'o')).toEqual({ ciphers: undefined, unavailable: [] });
  });

  it.each([
    ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
    ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
    ['TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA'],
    ['tls_rsa_with_aes_128_gcm_sha256 ', 'AES128-GCM-SHA256'],
    ['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ])('turns %s into %s and keeps TLS 1.3', (name, openSslName) => {
    expect(chooseCiphers([name], 'o').ciphers).toBe(`${tls13}:${openSslName}`);
  });

  it('takes TLS 1.3 suites as named', () => {
    expect(chooseCiphers(['TLS_AES_256_GCM_SHA384'], 'o').ciphers).toBe('TLS_AES_256_GCM_SHA384');
  });

  it('leaves broken ciphers out and names them', () => {
    const choice = chooseCiphers(['TLS_RSA_WITH_RC4_128_SHA', 'TLS_RSA_WITH_AES_128_CBC_SHA'], 'o');
    expect(choice).toEqual({ ciphers: `${tls13}:AES128-SHA`, unavailable: ['TLS_RSA_WITH_RC4_128_SHA'] });
  });

  it('refuses names that nobody knows, and lists of which nothing is left', () => {
    const path = 'server_options.ssl_ciphers';
    expect(() => chooseCiphers(['TLS_AES_128_GCM_SHA256', 'TLS_NONSENSE'], path)).toThrowError(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: "server_options.ssl_ciphers[1]: 'TLS_NONSENSE' is not a cipher suite",
      }),
    );
    expect(() => chooseCiphers(['TLS_RSA_WITH_RC4_128_SHA'], path)).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});
