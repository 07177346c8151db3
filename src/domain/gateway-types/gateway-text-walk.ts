import { isString, type JsonEdit, membersOf, textOf } from '../json-members.js';
import { isBase64, isDuration, isObjectId, isTime } from './custom-decoders.js';
import {
  anyType,
  foldName,
  type GatewayType,
  type IntegerType,
  type MapType,
  rawType,
  type StructureType,
  stringType,
  structureType,
} from './gateway-type.js';
import { wholeNumber } from './whole-number.js';

/** Go refuses what is nested deeper. */
const depthMax = 10_000;
/** Longer ones are out of every range. */
const integerLengthMax = 21;
/** Of a problem's path; names can be as long as the text. */
const pathLengthMax = 300;

/** An object or array that is open. */
interface Frame {
  readonly isObject: boolean;
  /** Of the object or array itself; undefined: of what stands in it nothing is known. */
  readonly type: GatewayType | undefined;
  /** In a map that is read whole first: every number has to fit, whoever reads it. */
  readonly strict: boolean;
  /** The frame itself or one around it that a `$ref` would excuse. */
  excusing: Frame | undefined;
  /** Where the name of the member stands whose value comes, quotes included. */
  nameStart: number;
  nameEnd: number;
  /** Of the element that comes; -1 before the first. */
  index: number;
  hasReference: boolean;
  pending: string | undefined;
}

/** One walk over one JSON text. It keeps its own stack: texts may be nested deeper than functions can be. */
export class GatewayTextWalk {
  readonly #text: Buffer;
  readonly #edits: JsonEdit[];
  readonly #depth: number;
  readonly #prefix: string;
  readonly #frames: Frame[] = [];
  #top: Frame | undefined;
  #problem: string | undefined;

  /** `depth`: objects and arrays around the text, where it will stand. `prefix`: of the paths in problems. */
  constructor(text: Buffer, edits: JsonEdit[], depth: number, prefix = '') {
    this.#text = text;
    this.#edits = edits;
    this.#depth = depth;
    this.#prefix = prefix;
  }

  /** What is wrong with the value that starts there; undefined: nothing. */
  walk(start: number, type: GatewayType): string | undefined {
    let at = this.#value(start, type);
    while (this.#problem === undefined) {
      const frame = this.#top;
      if (frame === undefined) break;
      at = this.#skipSpace(at);
      const byte = this.#text[at];
      if (byte === (frame.isObject ? closeBrace : closeBracket)) {
        this.#close(frame);
        at += 1;
      } else if (byte === comma) {
        at += 1;
      } else {
        at = frame.isObject ? this.#member(frame, at) : this.#element(frame, at);
      }
    }
    return this.#problem;
  }

  #element(frame: Frame, at: number): number {
    frame.index += 1;
    const { type } = frame;
    return this.#value(
      at,
      type?.kind === 'list' ? type.element : type?.kind === 'one or list' ? stringType : type,
    );
  }

  #member(frame: Frame, at: number): number {
    frame.nameStart = at;
    frame.nameEnd = this.#endOfString(at);
    const colonAt = this.#skipSpace(frame.nameEnd);
    if (this.#text[colonAt] !== colon) throw new Error(`not JSON at byte ${colonAt}`);
    const valueAt = this.#skipSpace(colonAt + 1);
    const { type } = frame;
    if (type === undefined || type.kind === 'any' || type.kind === 'raw') return this.#value(valueAt, type);
    const name = this.#nameOf(frame);
    if (frame.excusing === frame && name === '$ref') frame.hasReference = this.#isFullString(valueAt);
    return this.#value(valueAt, this.#memberType(frame, type, name));
  }

  #memberType(frame: Frame, type: GatewayType, name: string): GatewayType | undefined {
    if (type.kind === 'structure') return fieldOf(type, name) ?? (frame.strict ? anyType : undefined);
    if (type.kind !== 'map') return type;
    this.#checkKey(type, name);
    if (!type.extensible) return type.element;
    if (name === '__origin__') return structureType('openapi3.Origin');
    return name.startsWith('x-') ? anyType : type.element;
  }

  #checkKey({ keys }: MapType, name: string): void {
    if (keys === undefined) return;
    const fits = /^[+-]?\d+$/.test(name) && BigInt(name) >= keys.from && BigInt(name) <= keys.to;
    if (!fits) this.#report(`expected ${keys.words} for a name`);
  }

  /** Looks at the value that starts there. Answers where it ends or, for an object or array, where its inside begins. */
  #value(start: number, type: GatewayType | undefined): number {
    switch (this.#text[start]) {
      case openBrace:
      case openBracket:
        this.#open(start, type);
        return start + 1;
      case quote: {
        const end = this.#endOfString(start);
        if (type !== undefined && type.kind !== 'string') this.#string(start, end, type);
        return end;
      }
      case letterT:
      case letterF: {
        const end = start + (this.#text[start] === letterT ? 4 : 5);
        if (type !== undefined && !takesBool(type)) this.#expected(type, 'boolean');
        return end;
      }
      case letterN:
        // The one type of all that is asked, and says no.
        if (type?.kind === 'duration') this.#expected(type, 'null');
        return start + 4;
      default: {
        const end = this.#endOfNumber(start);
        if (type !== undefined) this.#number(start, end, type);
        else if (this.#top?.strict) this.#number(start, end, anyType);
        return end;
      }
    }
  }

  #open(start: number, type: GatewayType | undefined): void {
    const isObject = this.#text[start] === openBrace;
    if (this.#frames.length + this.#depth >= depthMax) {
      this.#problem = this.#at(`nested deeper than ${depthMax}`);
      return;
    }
    const fits = type === undefined || (isObject ? takesObject(type) : takesArray(type));
    if (!fits && !(isObject && type.kind === 'object id' && this.#respellObjectId(start))) {
      this.#expected(type, isObject ? 'object' : 'array');
    }
    if (fits && type?.kind === 'event handler') this.#eventHandler(start);
    const isReference = fits && type?.kind === 'reference';
    const inner = fits ? insideOf(type) : undefined;
    const frame: Frame = {
      isObject,
      type: inner,
      strict: this.#top?.strict === true || (inner?.kind === 'map' && inner.strict),
      excusing: this.#top?.excusing,
      nameStart: 0,
      nameEnd: 0,
      index: -1,
      hasReference: false,
      pending: undefined,
    };
    if (isReference) frame.excusing = frame;
    this.#frames.push(frame);
    this.#top = frame;
  }

  #close(frame: Frame): void {
    this.#frames.pop();
    this.#top = this.#frames.at(-1);
    if (frame.pending !== undefined && !frame.hasReference) this.#spread(frame.pending);
  }

  /** What an event handler says besides depends on its `type`. */
  #eventHandler(start: number): void {
    const value = { start, end: this.#text.length };
    const members = membersOf(this.#text, value);
    const type = members.findLast(
      ({ name, value: range }) => foldName(name) === 'type' && isString(this.#text, range),
    );
    const name = type === undefined ? '' : textOf(this.#text, type.value);
    if (name !== 'webhook' && name !== 'custom' && name !== 'log') return;
    const depth = this.#depth + this.#frames.length;
    const walk = new GatewayTextWalk(this.#text, [], depth, `${this.#path()}.`);
    const problem = walk.walk(start, structureType(`oas.EventHandler.${name}`));
    if (problem !== undefined) this.#spread(problem);
  }

  #string(start: number, end: number, type: GatewayType): void {
    switch (type.kind) {
      case 'any':
      case 'raw':
      case 'one or list':
        return;
      case 'time':
        if (!isTime(this.#token(start, end)))
          this.#report('expected a time as in RFC 3339, received another text');
        return;
      case 'duration':
        if (!isDuration(this.#token(start, end)))
          this.#report('expected a duration such as 5m, received another text');
        return;
      case 'object id':
        if (!isObjectId(this.#token(start, end))) this.#report('expected 24 hex digits');
        return;
      case 'bytes':
        if (!isBase64(textOf(this.#text, { start, end })))
          this.#report('expected base64, received another text');
        return;
      default:
        this.#expected(type, 'string');
    }
  }

  #number(start: number, end: number, type: GatewayType): void {
    switch (type.kind) {
      case 'raw':
        if (this.#top?.strict) this.#number(start, end, anyType);
        return;
      case 'any':
      case 'float': {
        // Up to so many characters without an exponent nothing is too large.
        if (end - start < 300 && !this.#hasExponent(start, end) && type.kind === 'any') return;
        const value = Number(this.#token(start, end));
        const held = type.kind === 'float' && type.bits === 32 ? Math.fround(value) : value;
        if (!Number.isFinite(held)) this.#report('expected a number of 64 bits, received a larger one');
        return;
      }
      case 'integer':
        this.#integer(start, end, type);
        return;
      default:
        this.#expected(type, 'number');
    }
  }

  #integer(start: number, end: number, type: IntegerType): void {
    const token = this.#token(start, end);
    const whole = isInteger(token) ? token : wholeNumber(token);
    if (!this.#isWithin(token, whole, type)) {
      this.#report(`expected ${type.words}, received another number`);
      return;
    }
    // The one integer that only the signed kinds read.
    const spelling = whole === '-0' && type.from === 0n ? '0' : whole;
    if (spelling !== undefined && spelling !== token) this.#edits.push({ start, end, replacement: spelling });
  }

  #isWithin(token: string, whole: string | undefined, { from, to }: IntegerType): boolean {
    if (this.#top?.strict) {
      // Such a map has gone through floating point, and been written anew, by the time an integer is made of it.
      const rewritten = String(Number(token));
      return isInteger(rewritten) && BigInt(rewritten) >= from && BigInt(rewritten) <= to;
    }
    if (whole === undefined || whole.length > integerLengthMax) return false;
    const value = BigInt(whole);
    return value >= from && value <= to;
  }

  /** As tools export it from the document database: `{"$oid":"66b1..."}`. Gateways take it; the hub wants one form. */
  #respellObjectId(start: number): boolean {
    const members = membersOf(this.#text, { start, end: this.#text.length });
    const id = members.findLast(({ name }) => name === '$oid');
    if (id === undefined || !isObjectId(this.#token(id.value.start, id.value.end))) return false;
    const last = members.at(-1) ?? id;
    const end = this.#skipSpace(last.value.end) + 1;
    this.#edits.push({ start, end, replacement: this.#token(id.value.start, id.value.end) });
    return true;
  }

  #expected(type: GatewayType, received: string): void {
    this.#report(`expected ${wordsOf(type)}, received ${received}`);
  }

  #report(message: string): void {
    this.#spread(this.#at(message));
  }

  /** A problem is that of the whole text, unless a `$ref` may yet excuse it. */
  #spread(problem: string): void {
    const reference = this.#top?.excusing;
    if (reference === undefined) this.#problem ??= problem;
    else reference.pending ??= problem;
  }

  #at(message: string): string {
    const path = this.#path();
    return path === '' ? message : `${path}: ${message}`;
  }

  #path(): string {
    let path = this.#prefix;
    for (const frame of this.#frames) {
      if (path.length > pathLengthMax) return `${path.slice(0, pathLengthMax)}...`;
      const step = frame.isObject ? this.#nameOf(frame) : String(frame.index);
      path += path === '' || path.endsWith('.') ? step : `.${step}`;
    }
    return path;
  }

  #nameOf({ nameStart, nameEnd }: Frame): string {
    return nameEnd === 0 ? '' : textOf(this.#text, { start: nameStart, end: nameEnd });
  }

  #token(start: number, end: number): string {
    return this.#text.toString('latin1', start, end);
  }

  #isFullString(at: number): boolean {
    return this.#text[at] === quote && this.#text[at + 1] !== quote;
  }

  #hasExponent(start: number, end: number): boolean {
    for (let at = start; at < end; at++) if (this.#text[at] === 0x65 || this.#text[at] === 0x45) return true;
    return false;
  }

  #skipSpace(from: number): number {
    let at = from;
    for (;;) {
      const byte = this.#text[at];
      if (byte === undefined || byte > 0x20) return at;
      at++;
    }
  }

  #endOfString(start: number): number {
    let at = start + 1;
    for (;;) {
      const byte = this.#text[at];
      if (byte === quote) return at + 1;
      if (byte === undefined) throw new Error('not JSON: a text has no end');
      at += byte === backslash ? 2 : 1;
    }
  }

  #endOfNumber(start: number): number {
    let at = start;
    while (isNumberByte(this.#text[at])) at++;
    if (at === start) throw new Error(`not JSON at byte ${at}`);
    return at;
  }
}

function fieldOf(type: StructureType, name: string): GatewayType | undefined {
  return type.fields.get(name) ?? type.foldedFields.get(foldName(name));
}

function takesObject({ kind }: GatewayType): boolean {
  switch (kind) {
    case 'any':
    case 'raw':
    case 'map':
    case 'structure':
    case 'event handler':
    case 'reference':
    case 'extension':
      return true;
    default:
      return false;
  }
}

function takesArray({ kind }: GatewayType): boolean {
  return kind === 'any' || kind === 'raw' || kind === 'list' || kind === 'one or list';
}

function takesBool(type: GatewayType): boolean {
  return (
    type.kind === 'bool' ||
    type.kind === 'any' ||
    type.kind === 'raw' ||
    (type.kind === 'reference' && type.bool)
  );
}

/** The type whose members or elements are looked at next. */
function insideOf(type: GatewayType | undefined): GatewayType | undefined {
  switch (type?.kind) {
    case 'event handler':
      return type.structure;
    case 'reference':
    case 'extension':
      return insideOf(type.to);
    case 'raw':
      return rawType;
    default:
      return type;
  }
}

function wordsOf(type: GatewayType): string {
  switch (type.kind) {
    case 'integer':
      return type.words;
    case 'float':
      return 'number';
    case 'bool':
      return 'boolean';
    case 'list':
      return 'array';
    case 'time':
      return 'a time as in RFC 3339';
    case 'duration':
      return 'a duration such as 5m';
    case 'object id':
      return '24 hex digits';
    case 'bytes':
      return 'base64';
    case 'one or list':
      return 'string or array';
    case 'reference':
      return type.bool ? 'object or boolean' : 'object';
    case 'string':
      return 'string';
    default:
      return 'object';
  }
}

function isInteger(token: string): boolean {
  return /^-?\d+$/.test(token);
}

function isNumberByte(byte: number | undefined): boolean {
  return (
    byte !== undefined &&
    ((byte >= 0x30 && byte <= 0x39) ||
      byte === 0x2d ||
      byte === 0x2b ||
      byte === 0x2e ||
      byte === 0x65 ||
      byte === 0x45)
  );
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const letterT = 0x74;
const letterF = 0x66;
const letterN = 0x6e;
