/** Shorter integers are exact in a JavaScript number: 2^53 has 16 digits. */
const exactDigitsMax = 15;

/**
 * Puts quotes around the integers of a JSON text that a JavaScript number could not hold exactly, so that
 * `JSON.parse` keeps their digits, as a string. Strings, short numbers and fractions stay as they are.
 */
export function quoteLongIntegers(json: string): string {
  if (!/\d{16}/.test(json)) return json;
  const parts: string[] = [];
  let copied = 0;
  let position = 0;
  while (position < json.length) {
    const code = json.charCodeAt(position);
    if (code === quote) {
      position = afterString(json, position);
      continue;
    }
    if (!isNumberPart(code)) {
      position += 1;
      continue;
    }
    const start = position;
    while (position < json.length && isNumberPart(json.charCodeAt(position))) position += 1;
    const number = json.slice(start, position);
    if (number.length > exactDigitsMax && /^-?(?:0|[1-9]\d*)$/.test(number)) {
      parts.push(json.slice(copied, start), '"', number, '"');
      copied = position;
    }
  }
  parts.push(json.slice(copied));
  return parts.join('');
}

const quote = 0x22;

/** Digits, sign, point and exponent, and the letters of `true`, `false`, `null` do no harm. */
function isNumberPart(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2b ||
    code === 0x2e ||
    code === 0x65 ||
    code === 0x45
  );
}

/** Just past the closing quote. Jumps from quote to quote: strings can be megabytes long. */
function afterString(json: string, start: number): number {
  let position = start;
  for (;;) {
    position = json.indexOf('"', position + 1);
    if (position === -1) return json.length;
    let backslashes = 0;
    while (json.charCodeAt(position - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return position + 1;
  }
}
