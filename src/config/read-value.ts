import { type Candidate, quote } from './finding.js';
import type { AnyValue, EnumOption, IntegerOption, ListOption, OptionEntry } from './option-entry.js';
import { hideUserinfo } from './secret-text.js';

export type ReadResult =
  | { readonly kind: 'value'; readonly value: AnyValue }
  /** Read, but not what it says: the value taken and a sentence for the operator. */
  | { readonly kind: 'fallback'; readonly value: AnyValue; readonly text: string }
  /** The same as leaving the option out. */
  | { readonly kind: 'absent' }
  /** `at` goes behind the path: `[2]`. */
  | { readonly kind: 'problem'; readonly at: string; readonly found: string; readonly expected: string };

const value = (read: AnyValue): ReadResult => ({ kind: 'value', value: read });
const absent: ReadResult = { kind: 'absent' };

/** Reads one value of one option. In the environment everything is text; in the file types have to fit. */
export function readValue(option: OptionEntry, source: Candidate['source']): ReadResult {
  const raw = 'json' in source ? source.json : source.text;
  const fromText = 'text' in source;
  if (raw === null) return absent;
  switch (option.type) {
    case 'int':
    case 'int64':
    case 'uint':
    case 'uint16':
      return readInteger(option, raw, fromText);
    case 'bool':
      return readBool(option, raw, fromText);
    case 'string':
      return typeof raw === 'string' ? value(raw) : problem(option, raw, 'a string');
    case 'enum':
      return readEnum(option, raw);
    case 'string[]':
      return readList(option, raw, fromText);
    case 'map':
      return readMap(option, raw, fromText);
  }
}

function readInteger(option: IntegerOption, raw: unknown, fromText: boolean): ReadResult {
  let number = raw;
  if (fromText && typeof raw === 'string') {
    const text = raw.trim();
    if (text === '') return absent;
    if (/^[+-]?\d{1,16}$/.test(text)) number = Number(text);
  }
  if (number === 0 && option.zeroMeansDefault) return value(option.default);
  const right =
    typeof number === 'number' &&
    Number.isSafeInteger(number) &&
    number >= option.min &&
    number <= option.max &&
    (option.meanings === undefined || number in option.meanings);
  return right ? value(number as number) : problem(option, raw, describeInteger(option, raw));
}

/** What a whole-number option takes, in words. */
export function describeInteger(option: IntegerOption, found?: unknown): string {
  if (option.meanings !== undefined) {
    const meanings = Object.entries(option.meanings).map(([number, meaning]) => `${number} (${meaning})`);
    return `one of ${meanings.join(', ')}`;
  }
  const unit = option.unit === undefined ? '' : ` of ${option.unit}`;
  const range =
    option.max < Number.MAX_SAFE_INTEGER ? ` from ${option.min} to ${option.max}` : `, ${option.min} or more`;
  // The digits that were meant make the better example.
  const meant = typeof found === 'string' && /^\d{1,15}$/.test(found) ? Number(found) : option.default;
  return `a whole number${unit}${range}, for example ${meant >= option.min && meant <= option.max ? meant : option.default}`;
}

/** The spellings Go accepts, in any case. */
function readBool(option: OptionEntry, raw: unknown, fromText: boolean): ReadResult {
  if (typeof raw === 'boolean') return value(raw);
  if (fromText && typeof raw === 'string') {
    const text = raw.trim().toLowerCase();
    if (text === '') return absent;
    if (text === 'true' || text === 't' || text === '1') return value(true);
    if (text === 'false' || text === 'f' || text === '0') return value(false);
  }
  return problem(option, raw, 'true or false');
}

function readEnum(option: EnumOption, raw: unknown): ReadResult {
  const expected = `one of ${option.choices.join(', ')}`;
  if (typeof raw !== 'string') return problem(option, raw, expected);
  const word = raw.trim().toLowerCase();
  if (word === '') return absent;
  const synonym = Object.entries(option.synonyms ?? {}).find(([spelling]) => spelling === word)?.[1];
  const wanted = (synonym ?? word).toLowerCase();
  const choice = option.choices.find((candidate) => candidate.toLowerCase() === wanted);
  if (choice !== undefined) return value(choice);
  if (option.otherwise === undefined || option.refused?.includes(wanted) === true) {
    return problem(option, raw, expected);
  }
  const text = `${describeFound(option, raw)} is not ${expected}; ${option.otherwise} is used`;
  return { kind: 'fallback', value: option.otherwise, text };
}

function readList(option: ListOption, raw: unknown, fromText: boolean): ReadResult {
  const what = option.items === 'host:port' ? 'host:port' : 'a string';
  const expected = fromText
    ? 'texts with commas or line ends between them'
    : option.items === 'host:port'
      ? 'a list of addresses, for example ["redis-1:6379", "redis-2:6379"]'
      : 'a list of strings, for example ["first", "second"]';
  const items = fromText && typeof raw === 'string' ? splitList(raw) : raw;
  if (!Array.isArray(items)) return problem(option, raw, expected);
  const read: string[] = [];
  for (const [index, item] of (items as unknown[]).entries()) {
    const fits =
      typeof item === 'string' && (option.items !== 'host:port' || splitAddress(item) !== undefined);
    if (!fits)
      return problem(
        option,
        item,
        `${what}${what === 'a string' ? '' : ', for example redis-1:6379'}`,
        `[${index}]`,
      );
    read.push(item);
  }
  return value(read);
}

/** Ports may be numbers or strings; the field has both. */
function readMap(option: OptionEntry, raw: unknown, fromText: boolean): ReadResult {
  const pairs: [string, string][] = [];
  if (fromText && typeof raw === 'string') {
    for (const item of splitList(raw)) {
      const address = splitAddress(item);
      if (address === undefined) {
        return problem(
          option,
          item,
          'host:port pairs with commas between them, for example redis-1:6379,redis-2:6379',
        );
      }
      pairs.push([address.host, String(address.port)]);
    }
    return value(Object.fromEntries(pairs));
  }
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    return problem(option, raw, 'an object of host names and ports, for example {"redis-1": "6379"}');
  }
  for (const [host, given] of Object.entries(raw as Record<string, unknown>)) {
    const text = typeof given === 'number' ? String(given) : given;
    if (typeof text !== 'string' || !isPort(text)) {
      return problem(
        option,
        given,
        'a port from 1 to 65535, for example "6379"',
        `[${quote(hideUserinfo(host))}]`,
      );
    }
    pairs.push([host, text]);
  }
  return value(Object.fromEntries(pairs));
}

function splitList(text: string): string[] {
  return (
    text
      // A chart may render a list as a block of lines.
      .split(/[,\n\r]/)
      .map((item) => item.trim())
      .filter((item) => item !== '')
  );
}

/** `host:port` or `[address]:port` apart; undefined when it is neither. */
export function splitAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3];
  if (host === undefined || port === undefined || !isPort(port)) return undefined;
  return { host, port: Number(port) };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function problem(option: OptionEntry, raw: unknown, expected: string, at = ''): ReadResult {
  return { kind: 'problem', at, found: describeFound(option, raw), expected };
}

/** The kind of a value, and the value itself where it is short and no secret. */
export function describeFound(option: OptionEntry, raw: unknown): string {
  if (raw === null) return 'null';
  if (Array.isArray(raw)) return 'a list';
  if (typeof raw === 'object') return 'an object';
  if (option.secret) return `a ${typeof raw}`;
  return typeof raw === 'string' ? `string ${quote(hideUserinfo(raw))}` : `${typeof raw} ${String(raw)}`;
}
