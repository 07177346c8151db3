import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileNameOf } from '../../../src/worker/file-name.js';

test.each([
  ['5e9d9544a1dcd60001d0ed20', '5e9d9544a1dcd60001d0ed20'],
  ['orders-eu_1', 'orders-eu_1'],
  ['Orders', '%4frders'],
  ['../../etc/passwd', '%2e%2e%2f%2e%2e%2fetc%2fpasswd'],
  ['a.oas', 'a%2eoas'],
])('%s becomes %s', (id, name) => {
  expect(fileNameOf(id)).toBe(name);
});

test('is safe, short, and different for different ids even where case does not count', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.string({ maxLength: 300 }), (a, b) => {
      const name = fileNameOf(a);
      expect(name).toMatch(/^~?[a-z0-9_%-]{1,200}$/);
      const same = Buffer.from(a, 'utf8').equals(Buffer.from(b, 'utf8'));
      expect(fileNameOf(b).toLowerCase() === name.toLowerCase()).toBe(same);
    }),
  );
});
