import { ByteWriter } from './bytes.js';
import {
  writeBool,
  writeBytes,
  writeComplex,
  writeFloat,
  writeInt,
  writeString,
  writeUint,
} from './scalars.js';
import { writeTypeDefinition } from './type-definition.js';
import { definedTypeIdMin, type GobDefinedType, type GobStructType, type GobType } from './types.js';
import {
  GobComplex,
  type GobInteger,
  GobInterface,
  GobRawString,
  type GobString,
  GobStruct,
  type GobValue,
} from './values.js';

/*
 * The mirror of decoder.ts, with the grammar given there, for values of any type: what a Go encoder would
 * write, byte for byte. Answers to workers have a faster way of their own (../response-encoder.ts).
 *
 * A definition that is met inside a value goes out at once as the end of a message of its own, together with
 * all that was written of the value before it; at the outermost level that message is a segment of the
 * stream, inside an interface's value it becomes part of the value around it.
 */

export interface GobEncoderOptions {
  /** Types that came from a decoder keep their ids, so that a stream can be written again as it was. */
  readonly keepTypeIds?: boolean;
}

/** Encodes one direction of one connection. Throws plainly when a value does not fit its type. */
export class GobEncoder {
  readonly #keepTypeIds: boolean;
  readonly #ids = new Map<GobDefinedType, number>();
  readonly #sent = new Set<GobDefinedType>();
  #lastId = definedTypeIdMin;

  constructor(options: GobEncoderOptions = {}) {
    this.#keepTypeIds = options.keepTypeIds ?? false;
  }

  /** The segments of one value: definitions not sent before, then the value. */
  encode(type: GobType, value: GobValue): Buffer {
    const stream = new ByteWriter();
    const segment = new ByteWriter();
    this.#define(type, segment, stream);
    writeInt(segment, this.#idOf(type));
    this.#writeDynamic(type, value, segment, stream);
    writeMessage(segment, stream);
    return stream.toBuffer();
  }

  #define(type: GobType, segment: ByteWriter, stream: ByteWriter): void {
    if (!isDefined(type) || this.#sent.has(type)) return;
    this.#sent.add(type);
    const id = this.#idOf(type);
    writeInt(segment, -id);
    writeTypeDefinition(segment, id, type, (part) => this.#idOf(part));
    writeMessage(segment, stream);
    for (const part of partsOf(type)) this.#define(part, segment, stream);
  }

  #idOf(type: GobType): number {
    if (!isDefined(type)) return type.id;
    if (this.#keepTypeIds && type.id !== 0) return type.id;
    let id = this.#ids.get(type);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#ids.set(type, id);
    }
    return id;
  }

  #writeDynamic(type: GobType, value: GobValue, segment: ByteWriter, stream: ByteWriter): void {
    if (type.kind !== 'struct') writeUint(segment, 0);
    this.#write(type, value, segment, stream);
  }

  #write(type: GobType, value: GobValue, segment: ByteWriter, stream: ByteWriter): void {
    switch (type.kind) {
      case 'bool':
        writeBool(segment, expect(value, typeof value === 'boolean', type));
        return;
      case 'int':
        writeInt(segment, expect<GobInteger>(value, isInteger(value), type));
        return;
      case 'uint':
        writeUint(segment, expect<GobInteger>(value, isInteger(value), type));
        return;
      case 'float':
        writeFloat(segment, expect(value, typeof value === 'number', type));
        return;
      case 'complex':
        writeComplex(segment, expect<GobComplex>(value, value instanceof GobComplex, type));
        return;
      case 'bytes':
      case 'opaque':
        writeBytes(segment, expect<Buffer>(value, Buffer.isBuffer(value), type));
        return;
      case 'string':
        writeString(segment, expect<GobString>(value, isString(value), type));
        return;
      case 'slice':
      case 'array': {
        const elements = expect<GobValue[]>(value, Array.isArray(value), type);
        if (type.kind === 'array') expect(value, elements.length === type.length, type);
        writeUint(segment, elements.length);
        for (const element of elements) this.#write(type.element, element, segment, stream);
        return;
      }
      case 'map': {
        const entries = expect<Map<GobValue, GobValue>>(value, value instanceof Map, type);
        writeUint(segment, entries.size);
        for (const [key, element] of entries) {
          this.#write(type.key, key, segment, stream);
          this.#write(type.element, element, segment, stream);
        }
        return;
      }
      case 'struct':
        this.#writeStruct(type, expect(value, value instanceof GobStruct, type), segment, stream);
        return;
      case 'interface':
        if (value === null) {
          writeUint(segment, 0);
          return;
        }
        this.#writeInterface(expect(value, value instanceof GobInterface, type), segment, stream);
        return;
    }
  }

  #writeStruct(type: GobStructType, value: GobStruct, segment: ByteWriter, stream: ByteWriter): void {
    let before = -1;
    for (const [index, field] of type.fields.entries()) {
      const fieldValue = value.values[index];
      if (fieldValue === undefined || isLeftOut(field.type, fieldValue)) continue;
      writeUint(segment, index - before);
      this.#write(field.type, fieldValue, segment, stream);
      before = index;
    }
    writeUint(segment, 0);
  }

  #writeInterface(value: GobInterface, segment: ByteWriter, stream: ByteWriter): void {
    writeString(segment, value.typeName);
    this.#define(value.type, segment, stream);
    writeInt(segment, this.#idOf(value.type));
    const inner = new ByteWriter();
    this.#writeDynamic(value.type, value.value, inner, segment);
    writeMessage(inner, segment);
  }
}

function writeMessage(message: ByteWriter, target: ByteWriter): void {
  writeUint(target, message.length);
  target.appendWriter(message);
  message.clear();
}

/** Zero values of struct fields, as far as Go leaves them out: arrays, structs and made maps are written. */
function isLeftOut(type: GobType, value: GobValue): boolean {
  switch (type.kind) {
    case 'bool':
      return value === false;
    case 'int':
    case 'uint':
    case 'float':
      return value === 0 || value === 0n;
    case 'complex':
      return value instanceof GobComplex && value.real === 0 && value.imaginary === 0;
    case 'bytes':
      return Buffer.isBuffer(value) && value.length === 0;
    case 'string':
      return value === '' || (value instanceof GobRawString && value.bytes.length === 0);
    case 'slice':
      return Array.isArray(value) && value.length === 0;
    case 'interface':
      return value === null;
    default:
      return false;
  }
}

function partsOf(type: GobDefinedType): readonly GobType[] {
  switch (type.kind) {
    case 'struct':
      return type.fields.map((field) => field.type);
    case 'map':
      return [type.key, type.element];
    case 'slice':
    case 'array':
      return [type.element];
    case 'opaque':
      return [];
  }
}

function isDefined(type: GobType): type is GobDefinedType {
  return 'name' in type;
}

function isInteger(value: GobValue): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isString(value: GobValue): boolean {
  return typeof value === 'string' || value instanceof GobRawString;
}

function expect<T extends GobValue>(value: GobValue, fits: boolean, type: GobType): T {
  if (!fits) throw new TypeError(`a value that is not of gob kind ${type.kind}`);
  return value as T;
}
