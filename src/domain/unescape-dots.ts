import { applyEdits, elementsOf, type JsonEdit, type JsonRange, membersOf, rootOf } from './json-members.js';

/** In JSON the backslash of the six characters `\u002e` stands escaped itself. */
const escapedDot = /\\\\u002e/gi;

/** Whether some field name, or text, of this JSON text holds an escaped dot. */
export function holdsEscapedDots(text: Buffer): boolean {
  return text.includes('\\\\u002e') || text.includes('\\\\u002E');
}

/**
 * Undoes `escape_dots_in_oas_paths`: databases that take a dot in a field name for a path get the six characters
 * `\u002e` in its place, in every field name of an OpenAPI document, however deep. Values are none of ours.
 *
 * Source: release notes of the dashboard 5.8.3, 5.9.0 and 5.9.2.
 */
export function unescapeDots(text: Buffer): Buffer {
  if (!holdsEscapedDots(text)) return text;
  const edits: JsonEdit[] = [];
  collect(text, rootOf(text), edits);
  return applyEdits(text, edits);
}

function collect(text: Buffer, value: JsonRange, edits: JsonEdit[]): void {
  if (!holdsEscapedDots(text.subarray(value.start, value.end))) return;
  for (const { nameRange, value: inner } of membersOf(text, value)) {
    const name = text.toString('utf8', nameRange.start, nameRange.end);
    const plain = name.replace(escapedDot, '.');
    if (plain !== name) edits.push({ ...nameRange, replacement: plain });
    collect(text, inner, edits);
  }
  for (const element of elementsOf(text, value)) collect(text, element, edits);
}
