/**
 * Bytes as they are written down in a grammar: hex digits in any groups, text in double quotes.
 * `2c ff81 "ID" 01`
 */
export function hex(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const [token] of text.matchAll(/"[^"]*"|[0-9a-f]+/gi)) {
    parts.push(token.startsWith('"') ? Buffer.from(token.slice(1, -1)) : Buffer.from(token, 'hex'));
  }
  return Buffer.concat(parts);
}
