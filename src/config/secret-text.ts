/** Shown in place of every secret: the field's own text. It tells neither the length nor any character. */
export const hiddenText = '*REDACTED*';

/** User names and passwords cut out of an address, for texts that should have none but may. */
export function hideUserinfo(text: string): string {
  return text.includes('@') ? text.replace(/^((?:[a-z][a-z0-9+.-]*:)?\/\/)?.*@/is, `$1${hiddenText}@`) : text;
}
