import { isUtf8 } from 'node:buffer';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { jsonExceeds } from '../std/json-shape.js';
import { limits } from './limits.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * JSON text and what it says. `text` is every byte given, less a byte order mark; what is not UTF-8 is replaced, as
 * gateways do when they read it.
 */
export type ParsedJson =
  | { readonly text: Buffer; readonly value: JsonObject }
  | { readonly text?: undefined; readonly problem: string };

const bounds = { values: limits.catalogItemValuesMax, depth: limits.catalogItemDepthMax };
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Text that must hold one object. A problem is one line that names the place and repeats nothing of the content;
 * `what` is how it calls the text: `the file`.
 */
export function parseJsonObject(bytes: Buffer, what: string): ParsedJson {
  const given = bytes.subarray(0, 3).equals(byteOrderMark) ? bytes.subarray(3) : bytes;
  if (jsonExceeds(given, bounds)) {
    const { values, depth } = bounds;
    return {
      problem: `more than ${values} values (catalogItemValuesMax), or nested deeper than ${depth} (catalogItemDepthMax)`,
    };
  }
  const source = given.toString('utf8');
  const text = isUtf8(given) ? given : Buffer.from(source);
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    if (text !== given) return { problem: 'not UTF-8 text' };
    return { problem: source.trim() === '' ? `${what} is empty` : describeJsonError(source) };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: `${what} must hold one JSON object` };
  }
  return { text, value: value as JsonObject };
}

/** The platform's own message lacks the place in some cases and quotes the text in others. */
function describeJsonError(source: string): string {
  const errors: ParseError[] = [];
  parse(source, errors, { disallowComments: true, allowTrailingComma: false });
  const first = errors[0];
  if (first === undefined) return 'not JSON';
  const before = source.slice(0, first.offset);
  const line = before.split('\n').length;
  const column = first.offset - before.lastIndexOf('\n');
  const words = printParseErrorCode(first.error)
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
  return `not JSON: ${words} at ${line}:${column}`;
}
