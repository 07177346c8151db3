import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decryptPrivateKeys } from '../../../src/domain/certificate-pem.js';

/** Made with Go's x509.EncryptPEMBlock, as the control plane does it, and the secret `test-secret`. */
const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/vectors/encrypted-private-keys.golden.json', import.meta.url), 'utf8'),
) as Record<string, { encrypted: string; clear: string }>;
const certificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const decrypt = (pem: string, secret = 'test-secret') =>
  decryptPrivateKeys(Buffer.from(pem, 'latin1'), secret)?.toString('latin1');

describe('private keys of the control plane', () => {
  it.each(Object.entries(vectors))('are decrypted: %s', (_form, { encrypted, clear }) => {
    expect(decrypt(encrypted)).toBe(clear);
    expect(decrypt(`${certificate}${encrypted}${certificate}`)).toBe(`${certificate}${clear}${certificate}`);
    expect(decrypt(encrypted.replaceAll('\n', '\r\n'))?.replaceAll('\r', '')).toBe(clear);
    const der = Buffer.from(clear.split('\n').slice(1, -2).join(''), 'base64');
    const type = { pkcs1: 'pkcs1', pkcs8: 'pkcs8', sec1: 'sec1' } as const;
    const key = createPrivateKey({ key: der, format: 'der', type: type[_form as keyof typeof type] });
    expect(key.type).toBe('private');
  });

  it('are never answered when something is wrong with them', () => {
    const { encrypted } = vectors['pkcs8']!;
    for (const secret of [
      '',
      'test-secret ',
      ...Array.from({ length: 600 }, (_, index) => `wrong-${index}`),
    ]) {
      expect(decrypt(encrypted, secret)).toBeUndefined();
    }
    const damaged = [
      encrypted.replace('AES-256-CBC', 'DES-EDE3-CBC'),
      encrypted.replace(/DEK-Info: .*\n/, ''),
      encrypted.replace(/DEK-Info: AES-256-CBC,.{8}/, 'DEK-Info: AES-256-CBC,'),
      encrypted.replace('-----END ENCRYPTED PRIVATE KEY-----', ''),
      encrypted.replace(/\n.{10}/, '\n'),
      encrypted.replace(/(\n\n.{64})/, '$1!!!!'),
      `${encrypted}${encrypted.replace('4,ENCRYPTED', '4,ENCRYPTED\nX')}`,
    ];
    for (const pem of damaged) expect(decrypt(pem), pem).toBeUndefined();
  });

  it('pass as they are when they are in clear, byte for byte', () => {
    for (const pem of [certificate, vectors['pkcs1']!.clear, '\u00ff\u0000 no PEM', '']) {
      const bytes = Buffer.from(pem, 'latin1');
      expect(decryptPrivateKeys(bytes, 'test-secret')).toBe(bytes);
    }
  });

  it('cost little when somebody stores nonsense', () => {
    const startedMs = performance.now();
    const begin = '-----BEGIN ENCRYPTED PRIVATE KEY-----\n';
    expect(decrypt(begin.repeat(2_000))).toBeUndefined();
    expect(decrypt(begin + 'a: b\n'.repeat(50_000))).toBeUndefined();
    expect(decrypt(begin + ' \n'.repeat(100_000))).toBeUndefined();
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});
