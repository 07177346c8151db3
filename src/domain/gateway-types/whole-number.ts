/** More digits than a number of 64 bits has. */
const digitsMax = 20;

/**
 * The number of a JSON text in the one spelling that is taken for an integer: digits, and a minus before them.
 * `1e+06` is 1000000, `60.0` is 60, `-0.0` is 0. Exact, whatever its length. Undefined: it is no whole number, or so
 * large that no integer of 64 bits is.
 */
export function wholeNumber(token: string): string | undefined {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (digits === '') return '0';
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  const significant = digits.slice(0, end);
  // A power with so many digits is far outside whatever it is added to.
  const exponent = Number(power) - fraction.length + (digits.length - significant.length);
  if (exponent < 0 || significant.length + exponent > digitsMax) return undefined;
  return `${sign}${significant}${'0'.repeat(exponent)}`;
}
