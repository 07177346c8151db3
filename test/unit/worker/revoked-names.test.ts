import { expect, test } from 'vitest';
import { RevokedNames } from '../../../src/worker/local-copy.js';

test('a name is revoked for answers that were asked for before', () => {
  const revoked = new RevokedNames();
  const before = revoked.revision;
  revoked.note(['a']);
  expect(revoked.isRevokedSince('a', before)).toBe(true);
  expect(revoked.isRevokedSince('a', revoked.revision)).toBe(false);
  expect(revoked.isRevokedSince('b', before)).toBe(false);
});

test('names that had to be forgotten leave no revoked key in force', () => {
  const revoked = new RevokedNames(2);
  const before = revoked.revision;
  for (const name of ['a', 'b', 'c']) revoked.note([name]);
  expect(revoked.isRevokedSince('a', before)).toBe(true);
  expect(revoked.isRevokedSince('a', revoked.revision)).toBe(false);
});
