import { CausewayError } from '../../errors/causeway-error.js';
import { GobRawString, GobStruct, type GobValue } from './gob/values.js';
import type { GorpcRequest } from './request-decoder.js';

/** Turns the argument of a call into what its method takes. Throws FRAME_INVALID. */
export type ArgumentReader<Argument> = (request: GorpcRequest) => Argument;

/** Methods without one ignore what is sent. */
export function readNothing(): undefined {
  return undefined;
}

/** Text; what is not UTF-8 comes out with replacement characters, and so names nothing that exists. */
export function readText(request: GorpcRequest): string {
  const { argument } = request;
  const text = argument === undefined ? undefined : textOf(argument);
  if (text === undefined) throw unexpected(request, 'string');
  return text;
}

/** A text of any length, as the bytes it came in. */
export function readTextBytes(request: GorpcRequest): Buffer {
  const { argument } = request;
  if (argument instanceof GobRawString) return argument.bytes;
  return Buffer.from(readText(request), 'utf8');
}

export function readTexts(request: GorpcRequest): readonly string[] {
  const { argument } = request;
  const texts = argument === undefined ? undefined : textsOf(argument);
  if (texts === undefined) throw unexpected(request, '[]string');
  return texts;
}

/** Writes of keys and counters. */
export interface InboundData {
  readonly keyName: string;
  readonly value: string;
  readonly sessionState: string;
  /** Seconds. */
  readonly timeout: number;
  /** Seconds. */
  readonly per: number;
  /** Seconds; -1: does not expire. */
  readonly expire: number;
}

export function readInboundData(request: GorpcRequest): InboundData {
  const fields = structOf(request, 'InboundData');
  return {
    keyName: fields.text('KeyName'),
    value: fields.text('Value'),
    sessionState: fields.text('SessionState'),
    timeout: fields.integer('Timeout'),
    per: fields.integer('Per'),
    expire: fields.integer('Expire'),
  };
}

export interface DefinitionsRequest {
  readonly organisation: string;
  readonly tags: readonly string[];
  /** The client reads definitions with their OpenAPI documents: since 4.1. */
  readonly nested: boolean;
}

export function readDefinitionsRequest(request: GorpcRequest): DefinitionsRequest {
  const fields = structOf(request, 'DefRequest');
  return {
    organisation: fields.text('OrgId'),
    tags: fields.texts('Tags'),
    nested: request.fieldNames.includes('LoadOAS'),
  };
}

export interface GroupLogin {
  readonly userKey: string;
  readonly group: string;
  readonly forceSync: boolean;
  /** JSON; undefined: the client sends none, or could not make it. */
  readonly node: Buffer | undefined;
}

export function readGroupLogin(request: GorpcRequest): GroupLogin {
  const fields = structOf(request, 'GroupLoginRequest');
  const node = fields.value('Node');
  return {
    userKey: fields.text('UserKey'),
    group: fields.text('GroupID'),
    forceSync: fields.value('ForceSync') === true,
    // A node that cannot be read never fails a login.
    node: Buffer.isBuffer(node) ? node : undefined,
  };
}

export interface GroupKeySpaceRequest {
  readonly organisation: string;
  readonly group: string;
}

export function readGroupKeySpaceRequest(request: GorpcRequest): GroupKeySpaceRequest {
  const fields = structOf(request, 'GroupKeySpaceRequest');
  return { organisation: fields.text('OrgID'), group: fields.text('GroupID') };
}

/** Fields by name; absent ones have their zero value. */
class Fields {
  readonly #request: GorpcRequest;
  readonly #struct: GobStruct;

  constructor(request: GorpcRequest, struct: GobStruct) {
    this.#request = request;
    this.#struct = struct;
  }

  value(name: string): GobValue | undefined {
    return this.#struct.get(name);
  }

  text(name: string): string {
    const value = this.#struct.get(name);
    if (value === undefined) return '';
    return textOf(value) ?? this.#fail(name, 'string');
  }

  texts(name: string): readonly string[] {
    const value = this.#struct.get(name);
    if (value === undefined) return [];
    return textsOf(value) ?? this.#fail(name, '[]string');
  }

  integer(name: string): number {
    const value = this.#struct.get(name);
    if (value === undefined) return 0;
    if (typeof value !== 'number' && typeof value !== 'bigint') return this.#fail(name, 'int');
    return Number(value);
  }

  #fail(name: string, expected: string): never {
    throw new CausewayError('FRAME_INVALID', `${this.#request.method}: field ${name} is not a ${expected}`);
  }
}

/** Any package may name the type, see client-era.ts; only its last part counts. */
function structOf(request: GorpcRequest, typeName: string): Fields {
  const { argument } = request;
  if (!(argument instanceof GobStruct) || !request.typeName.endsWith(`.${typeName}`)) {
    throw unexpected(request, `*apidef.${typeName}`);
  }
  return new Fields(request, argument);
}

function textOf(value: GobValue): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof GobRawString ? value.bytes.toString('utf8') : undefined;
}

function textsOf(value: GobValue): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts: string[] = [];
  for (const element of value) {
    const text = textOf(element);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts;
}

/** The words of the dispatcher of the gorpc module. */
function unexpected({ method, typeName }: GorpcRequest, expected: string): CausewayError {
  const got = typeName === '' ? '<nil>' : typeName.slice(0, 128);
  return new CausewayError(
    'FRAME_INVALID',
    `gorpc.Dispatcher: unexpected request type for method [${method}]: ${got}. Expected ${expected}`,
  );
}
