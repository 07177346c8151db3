import { limits } from '../../../domain/limits.js';
import { ByteReader, failFrame, failLimit } from './bytes.js';
import {
  readBool,
  readBytes,
  readComplex,
  readCount,
  readFloat,
  readInt,
  readName,
  readString,
  readUint,
} from './scalars.js';
import { HeldBytes, SegmentBuffer } from './segment-buffer.js';
import { TypeRegistry } from './type-registry.js';
import type { GobArrayType, GobField, GobMapType, GobSliceType, GobStructType, GobType } from './types.js';
import { GobInterface, GobStruct, type GobValue } from './values.js';

/*
 * message    := (-id definition | ...)* id (value of struct id | 00 value of id)
 * struct     := (delta value)* 00       delta: distance of the field's number to the one before, from -1
 * slice      := uint value*
 * array      := uint value*             the count is the type's length
 * map        := uint (key value)*
 * interface  := 00                      nil
 *             | name (-id definition [uint])* id uint (value of struct id | 00 value of id)
 *
 * A message is one segment, or several: a segment ends after each definition, at whatever depth the
 * definition stands, and what it interrupted goes on in the next segment. (Where a definition stands inside
 * another interface's value, the length that follows it is the `[uint]` above.) So a length says nothing of
 * where a value ends; only decoding does.
 *
 * That is why this is a machine with a stack of its own and not a set of functions that call each other: at
 * the end of a segment it keeps its stack and goes on with the next one, without having read a byte twice;
 * and nesting costs entries of a bounded stack. Generators would do the same at several times the price,
 * beginning again with every segment would let a sender make us read its bytes once per definition.
 */

const noItems: (GobValue | undefined)[] = [];
const noBytes = Buffer.alloc(0);
function ignore(): void {}

/** What comes next for a value on the stack. */
type Stage =
  | 'message-type'
  | 'message-value'
  | 'struct'
  | 'elements'
  | 'entries'
  | 'interface-name'
  | 'interface-type'
  | 'interface-value';

/** Frames are used again and again; a field says something only in the stages that need it. */
class Frame {
  stage: Stage = 'message-type';
  type: GobType | undefined = undefined;
  /** Fields of a struct, elements of a slice or array. */
  items: (GobValue | undefined)[] = noItems;
  /** Field number of a struct; missing elements or entries. */
  count = 0;
  entries: Map<GobValue, GobValue> | undefined = undefined;
  /** Key of an entry whose value is missing. */
  key: GobValue | undefined = undefined;
  typeName = '';
  /** What the message or the interface holds, once it is there. */
  value: GobValue | undefined = undefined;
}

export interface GobDecoderOptions {
  readonly heldBytes?: HeldBytes;
  /** Default `gobMessageBytesMax`. */
  readonly messageBytesMax?: number;
  /** Longer strings come as GobRawString. Default: none. */
  readonly textBytesMax?: number;
  /** A segment of so many bytes begins. */
  readonly onSegment?: (length: number) => void;
}

/**
 * Decodes one direction of one connection. A value is handed on as soon as its last byte is there. After an
 * error, which is always a CausewayError FRAME_INVALID or LIMIT_EXCEEDED, the stream cannot be taken up again:
 * each further push throws the same.
 */
export class GobDecoder {
  messageBytesMax: number;
  elementsMax: number = limits.gobElementsMax;
  readonly #onSegment: (length: number) => void;
  readonly #onValue: (value: GobValue, type: GobType) => void;
  readonly #segments: SegmentBuffer;
  readonly #registry = new TypeRegistry();
  readonly #reader = new ByteReader();
  readonly #frames: Frame[] = [new Frame()];
  #depth = 0;
  #elements = 0;
  #messageBytes = 0;
  #failure: unknown;

  constructor(onValue: (value: GobValue, type: GobType) => void, options: GobDecoderOptions = {}) {
    this.#onValue = onValue;
    this.messageBytesMax = options.messageBytesMax ?? limits.gobMessageBytesMax;
    this.#onSegment = options.onSegment ?? ignore;
    this.#reader.textBytesMax = options.textBytesMax ?? Number.POSITIVE_INFINITY;
    this.#segments = new SegmentBuffer(
      (length, offset) => this.#checkLength(length, offset),
      (buffer, start, end, streamOffset, owned) => this.#readSegment(buffer, start, end, streamOffset, owned),
      options.heldBytes ?? new HeldBytes(),
    );
  }

  /** Bytes of the stream taken so far: the end of the last message while its value is handed on. */
  get offset(): number {
    return this.#segments.offset;
  }

  /** Nothing of `chunk` is kept or referred to afterwards. */
  push(chunk: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#segments.push(chunk);
    } catch (thrown) {
      this.#failure = thrown;
      this.#segments.close();
      throw thrown;
    }
  }

  /** The stream is over. Fails when that is in the middle of a message. */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#segments.between || this.#messageBytes > 0) {
      failFrame('the stream ends inside a message', this.#segments.offset);
    }
  }

  /** Lets go of the bytes held of an unfinished message; what is pushed from now on is ignored. */
  close(): void {
    this.#segments.close();
  }

  #checkLength(length: number, offset: number): void {
    if (this.#messageBytes + length > this.messageBytesMax) {
      failLimit('gobMessageBytesMax', this.messageBytesMax, offset);
    }
    this.#messageBytes += length;
    this.#onSegment(length);
  }

  /** From now on what is held of unfinished messages is counted there. */
  countIn(heldBytes: HeldBytes): void {
    this.#segments.countIn(heldBytes);
  }

  #readSegment(buffer: Buffer, start: number, end: number, streamOffset: number, owned: boolean): void {
    const reader = this.#reader;
    reader.reset(buffer, start, end, streamOffset, owned);
    const complete = this.#run();
    if (complete && reader.position !== end) reader.fail(`${reader.remaining} bytes too many in a message`);
    reader.reset(noBytes, 0, 0, 0);
    if (!complete) return;
    const frame = this.#frames[0] as Frame;
    const value = frame.value as GobValue;
    frame.value = undefined;
    frame.stage = 'message-type';
    this.#elements = 0;
    this.#messageBytes = 0;
    this.#onValue(value, frame.type as GobType);
  }

  /** True: the message is complete. False: it goes on in the next segment. */
  #run(): boolean {
    for (;;) {
      const frame = this.#frames[this.#depth] as Frame;
      switch (frame.stage) {
        case 'struct':
          this.#readStruct(frame);
          break;
        case 'elements':
          this.#readElements(frame);
          break;
        case 'entries':
          this.#readEntries(frame);
          break;
        case 'interface-name':
          this.#readInterfaceName(frame);
          break;
        case 'interface-type':
          if (!this.#readInterfaceType(frame)) return false;
          break;
        case 'interface-value':
          this.#leave(
            new GobInterface(frame.typeName, frame.type as GobType, frame.value as GobValue),
            frame,
          );
          break;
        case 'message-type':
          if (!this.#readMessageType(frame)) return false;
          break;
        case 'message-value':
          return true;
      }
    }
  }

  #readMessageType(frame: Frame): boolean {
    const id = this.#readTypeId(false);
    if (id === undefined) return false;
    frame.type = this.#registry.typeOf(id, this.#reader);
    frame.stage = 'message-value';
    this.#readDynamic(frame, frame.type);
    return true;
  }

  #readInterfaceName(frame: Frame): void {
    const name = readName(this.#reader, limits.gobNameBytesMax);
    if (name === '') {
      this.#leave(null, frame);
      return;
    }
    frame.typeName = name;
    frame.stage = 'interface-type';
  }

  #readInterfaceType(frame: Frame): boolean {
    const id = this.#readTypeId(true);
    if (id === undefined) return false;
    frame.type = this.#registry.typeOf(id, this.#reader);
    frame.stage = 'interface-value';
    readUint(this.#reader);
    this.#readDynamic(frame, frame.type);
    return true;
  }

  /** Undefined: a definition has ended the segment. */
  #readTypeId(inInterface: boolean): number | undefined {
    const reader = this.#reader;
    for (;;) {
      const id = readInt(reader);
      if (typeof id === 'bigint') return reader.fail(`type id ${id}`);
      if (id >= 0) return id;
      this.#registry.define(-id, reader);
      if (reader.position === reader.end) return undefined;
      if (!inInterface) return reader.fail('a type definition with something after it');
      readUint(reader);
    }
  }

  /** A value whose type was named just before it. */
  #readDynamic(frame: Frame, type: GobType): void {
    const reader = this.#reader;
    if (type.kind !== 'struct' && readUint(reader) !== 0) reader.fail('a field number before a single value');
    const leaf = readLeaf(reader, type);
    if (leaf === undefined) this.#enter(type);
    else frame.value = leaf;
  }

  #readStruct(frame: Frame): void {
    const reader = this.#reader;
    const { fields } = frame.type as GobStructType;
    const { items } = frame;
    for (;;) {
      const delta = readCount(reader);
      if (delta === 0) {
        this.#leave(new GobStruct(frame.type as GobStructType, items), frame);
        return;
      }
      const index = frame.count + delta;
      if (index >= fields.length) reader.fail(`field ${index} of a struct that has ${fields.length}`);
      frame.count = index;
      this.#countElements(delta);
      while (items.length < index) items.push(undefined);
      const { type } = fields[index] as GobField;
      const leaf = readLeaf(reader, type);
      if (leaf === undefined) {
        this.#enter(type);
        return;
      }
      items[index] = leaf;
    }
  }

  #readElements(frame: Frame): void {
    const { element } = frame.type as GobSliceType | GobArrayType;
    const { items } = frame;
    while (frame.count > 0) {
      frame.count--;
      const leaf = readLeaf(this.#reader, element);
      if (leaf === undefined) {
        this.#enter(element);
        return;
      }
      items.push(leaf);
    }
    this.#leave(items as GobValue[], frame);
  }

  #readEntries(frame: Frame): void {
    const { key, element } = frame.type as GobMapType;
    while (frame.count > 0) {
      const type = frame.key === undefined ? key : element;
      const leaf = readLeaf(this.#reader, type);
      if (leaf === undefined) {
        this.#enter(type);
        return;
      }
      place(leaf, frame);
    }
    this.#leave(frame.entries as Map<GobValue, GobValue>, frame);
  }

  /** Begins a value that holds others. */
  #enter(type: GobType): void {
    const reader = this.#reader;
    if (this.#depth >= limits.gobDepthMax) reader.failLimit('gobDepthMax');
    this.#depth++;
    let frame = this.#frames[this.#depth];
    if (frame === undefined) {
      frame = new Frame();
      this.#frames.push(frame);
    }
    frame.type = type;
    switch (type.kind) {
      case 'struct':
        frame.stage = 'struct';
        frame.count = -1;
        frame.items = [];
        break;
      case 'slice':
      case 'array':
        frame.stage = 'elements';
        frame.count = readCount(reader);
        if (type.kind === 'array' && frame.count !== type.length) {
          reader.fail(`${frame.count} elements in an array of ${type.length}`);
        }
        this.#countElements(frame.count);
        frame.items = [];
        break;
      case 'map':
        frame.stage = 'entries';
        frame.count = readCount(reader);
        this.#countElements(frame.count * 2);
        frame.entries = new Map();
        frame.key = undefined;
        break;
      default:
        frame.stage = 'interface-name';
        frame.value = undefined;
        break;
    }
  }

  #countElements(count: number): void {
    this.#elements += count;
    if (this.#elements > limits.gobElementsMax) this.#reader.failLimit('gobElementsMax');
    if (this.#elements > this.elementsMax) this.#reader.failLimit('strangerElementsMax');
  }

  #leave(value: GobValue, frame: Frame): void {
    frame.items = noItems;
    frame.entries = undefined;
    frame.value = undefined;
    this.#depth--;
    place(value, this.#frames[this.#depth] as Frame);
  }
}

/** Puts a finished value where it belongs. */
function place(value: GobValue, frame: Frame): void {
  switch (frame.stage) {
    case 'struct':
      frame.items[frame.count] = value;
      break;
    case 'elements':
      frame.items.push(value);
      break;
    case 'entries':
      if (frame.key === undefined) {
        frame.key = value;
      } else {
        (frame.entries as Map<GobValue, GobValue>).set(frame.key, value);
        frame.key = undefined;
        frame.count--;
      }
      break;
    default:
      frame.value = value;
      break;
  }
}

/** A value that holds no others; undefined when the type is one that does. */
function readLeaf(reader: ByteReader, type: GobType): GobValue | undefined {
  switch (type.kind) {
    case 'string':
      return readString(reader);
    case 'uint':
      return readUint(reader);
    case 'int':
      return readInt(reader);
    case 'bool':
      return readBool(reader);
    case 'bytes':
    case 'opaque':
      return readBytes(reader);
    case 'float':
      return readFloat(reader);
    case 'complex':
      return readComplex(reader);
    default:
      return undefined;
  }
}
