import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { whyPlaceholder } from '../../../src/domain/placeholder-secret.js';

it.each([
  '',
  'CHANGEME',
  'change-me',
  'ChangeMe123!',
  'please_change_this',
  'secret',
  'my-secret',
  'MySuperSecret',
  'your_secret',
  '352d20ee67be67f6340b4c0605b044b7',
  '12345678',
  'tiny',
  'xxxxxxxxxxxx',
  '<nil>',
  '<your secret here>',
  '$(HTTP_SECRET)',
  '{{ .Values.secret }}',
  'replace-me-please',
])('%s is no secret', (secret) => {
  const why = whyPlaceholder(secret) ?? '';
  expect(why).toMatch(/^is /);
  if (secret.length > 3) expect(why).not.toContain(secret);
});

it('lets real secrets be', () => {
  for (let round = 0; round < 1_000; round++) {
    expect(whyPlaceholder(randomBytes(24).toString('base64url'))).toBeUndefined();
    expect(whyPlaceholder(randomBytes(16).toString('hex'))).toBeUndefined();
  }
  for (const secret of ['a real secret', 'Qm7hX2vT', 'correct horse battery']) {
    expect(whyPlaceholder(secret)).toBeUndefined();
  }
});
