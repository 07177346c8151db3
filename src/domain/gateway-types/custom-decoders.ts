/** What types that decode themselves take, given the token as it is written, quotes included. */

const timePattern = /^"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:Z|[+-](\d{2}):(\d{2}))"$/;

/** As Go's time.Time: RFC 3339 to the letter, no escapes in it. */
export function isTime(token: string): boolean {
  const match = timePattern.exec(token);
  if (match === null) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zoneHour = 0, zoneMinute = 0] = match
    .slice(1)
    .map((digits) => Number(digits ?? 0));
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  return hour < 24 && minute < 60 && second < 60 && zoneHour < 24 && zoneMinute < 60;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * As the gateway's durations: whatever Go's strconv.Unquote takes. It knows no `\/` and no half of a surrogate pair;
 * what it does not understand as a duration, a gateway takes for zero.
 */
export function isDuration(token: string): boolean {
  if (!token.startsWith('"')) return false;
  if (!token.includes('\\')) return true;
  for (const [, escaped = ''] of token.matchAll(/\\(u[0-9a-fA-F]{4}|.)/g)) {
    if (escaped === '/' || /^u[dD][89a-fA-F]/.test(escaped)) return false;
  }
  return true;
}

/** As the object ids of the document database's driver: no escapes in it. */
export function isObjectId(token: string): boolean {
  return token === '""' || /^"[0-9a-fA-F]{24}"$/.test(token);
}

/** As Go's base64, which skips line ends, that stand escaped in JSON. */
export function isBase64(text: string): boolean {
  const compact = text.replace(/[\r\n]/g, '');
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact);
}
