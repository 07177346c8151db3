import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoteLongIntegers } from '../../../src/std/quote-long-integers.js';

/** Values without an integer that the function would have to quote. */
const shortNumbers = fc.jsonValue().filter((value) => !/\d{16}/.test(JSON.stringify(value)));

describe('quoteLongIntegers', () => {
  it('quotes integers that a number would round', () => {
    expect(quoteLongIntegers('{"a":9223372036854775807,"b":[-1234567890123456]}')).toBe(
      '{"a":"9223372036854775807","b":["-1234567890123456"]}',
    );
  });

  it('leaves strings, fractions and short numbers', () => {
    for (const text of [
      '{"a":"9223372036854775807"}',
      '["\\"9223372036854775807"]',
      '[0.12345678901234567,1e10,123]',
      '[true,false,null]',
    ]) {
      expect(quoteLongIntegers(text)).toBe(text);
    }
  });

  it('never changes any other JSON value', () => {
    fc.assert(
      fc.property(shortNumbers, fc.bigInt({ min: 10n ** 15n }), (value, long) => {
        const rest = JSON.stringify([value, `"${long}\\`]).slice(1, -1);
        const after: unknown = JSON.parse(quoteLongIntegers(`[${long},${rest}]`));
        expect(after).toEqual([String(long), ...(JSON.parse(`[${rest}]`) as unknown[])]);
      }),
    );
  });
});
