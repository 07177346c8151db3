import type { OutboundStream } from './deflate/outbound-stream.js';
import type { SharedBytes } from './deflate/shared-bytes.js';
import { ByteWriter } from './gob/bytes.js';
import { intSize, uintSize, writeBool, writeBytes, writeInt, writeString, writeUint } from './gob/scalars.js';
import { writeTypeDefinition } from './gob/type-definition.js';
import { GobStructType, gobBool, gobInt, gobInterface, gobSlice, gobString, gobUint } from './gob/types.js';
import type { GobInteger } from './gob/values.js';

/*
 * What a gorpc server sends, as Go structs:
 *
 * wireResponse         { ID uint64, Response interface, Error string }     id 65; Error is never used
 *   dispatcherResponse { Response interface, Error string }                id 66, `*gorpc.dispatcherResponse`
 *     the result                                                           []string is id 67, KeysValuesPair 68
 *
 * The four definitions go out before the first answer: a client takes them also where it never needs them.
 * Every answer is then one segment, laid out by hand because its shape never changes:
 *
 * answer := size FF82 01 call-id 01 19 "*gorpc.dispatcherResponse" FF84 size inner 00
 * inner  := 01 type-name type-id size value 00        a result
 *         | 02 text 00                                an error
 *         | 00                                        success without a value
 * value  := 00 bool | 00 string | 00 int | 00 count string* | [01 count string*] [delta count string*] 00
 *
 * The client turns the type name into a Go type without a check and ends in a panic when it is not the one
 * its method expects: `int64` is not `int`.
 */

/** One of the two is known to a worker: that of the package its own requests name. */
export type KeysValuesPairName = '*apidef.KeysValuesPair' | '*main.KeysValuesPair';

/** `reservedBytes`: room among unsent answers that it was given, until it has left. */
export type GorpcAnswer = { readonly reservedBytes?: number } & (
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string | SharedBytes }
  | { readonly kind: 'int'; readonly value: GobInteger }
  | { readonly kind: 'int64'; readonly value: GobInteger }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'keys-values'; readonly keys: readonly string[]; readonly values: readonly string[] }
  /** The worker sees exactly this text. */
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'empty' }
);

/** From here on a string is sent from a buffer of its own instead of being copied into the batch. */
const largeStringBytes = 16_384;

/** Id of the types above on every connection of ours; client ids are another matter. */
const stringsType = gobSlice(gobString, '[]string', 67);
const responseTypes = [
  new GobStructType(
    'wireResponse',
    [
      { name: 'ID', type: gobUint },
      { name: 'Response', type: gobInterface },
      { name: 'Error', type: gobString },
    ],
    65,
  ),
  new GobStructType(
    'dispatcherResponse',
    [
      { name: 'Response', type: gobInterface },
      { name: 'Error', type: gobString },
    ],
    66,
  ),
  stringsType,
  new GobStructType(
    'KeysValuesPair',
    [
      { name: 'Keys', type: stringsType },
      { name: 'Values', type: stringsType },
    ],
    68,
  ),
];

const definitions = made((stream) => {
  for (const type of responseTypes) {
    const definition = made((writer) => {
      writeInt(writer, -type.id);
      writeTypeDefinition(writer, type.id, type, (part) => part.id);
    });
    writeBytes(stream, definition);
  }
});

/** What stands before and after the call id. */
const answerStart = made((writer) => {
  writeInt(writer, 65);
  writeUint(writer, 1);
});
const responseStart = made((writer) => {
  writeUint(writer, 1);
  writeString(writer, '*gorpc.dispatcherResponse');
  writeInt(writer, 66);
});

const boolStart = resultStart('bool', gobBool.id);
const stringStart = resultStart('string', gobString.id);
const intStart = resultStart('int', gobInt.id);
const int64Start = resultStart('int64', gobInt.id);
const stringsStart = resultStart('[]string', 67);
const pairStarts: Readonly<Record<KeysValuesPairName, Buffer>> = {
  '*apidef.KeysValuesPair': resultStart('*apidef.KeysValuesPair', 68),
  '*main.KeysValuesPair': resultStart('*main.KeysValuesPair', 68),
};

/** Terminators of dispatcherResponse and wireResponse. */
const answerEnd = Buffer.of(0, 0);

/** Writes the answers of one connection into its stream. */
export class ResponseEncoder {
  keysValuesPairName: KeysValuesPairName = '*apidef.KeysValuesPair';
  readonly #stream: OutboundStream;
  #definitionsSent = false;

  constructor(stream: OutboundStream) {
    this.#stream = stream;
  }

  /** `callId` is that of the request, and not 0: such a call wants no answer and breaks at one. */
  write(callId: GobInteger, answer: GorpcAnswer): void {
    if (callId === 0) throw new Error('a call with id 0 must not be answered');
    const { writer } = this.#stream;
    if (!this.#definitionsSent) {
      writer.append(definitions);
      this.#definitionsSent = true;
    }
    switch (answer.kind) {
      case 'bool':
        writeResultStart(writer, callId, boolStart, 2);
        writeUint(writer, 0);
        writeBool(writer, answer.value);
        break;
      case 'string':
        this.#writeString(writer, callId, answer.value);
        return;
      case 'int':
      case 'int64':
        writeResultStart(
          writer,
          callId,
          answer.kind === 'int' ? intStart : int64Start,
          1 + intSize(answer.value),
        );
        writeUint(writer, 0);
        writeInt(writer, answer.value);
        break;
      case 'strings':
        writeResultStart(writer, callId, stringsStart, 1 + stringsSize(answer.value));
        writeUint(writer, 0);
        writeStrings(writer, answer.value);
        break;
      case 'keys-values':
        this.#writePair(writer, callId, answer.keys, answer.values);
        break;
      case 'error':
        // An empty text would be taken for success.
        writeError(writer, callId, answer.text === '' ? 'error' : answer.text);
        break;
      case 'empty':
        writeAnswerStart(writer, callId, 1);
        break;
    }
    writer.append(answerEnd);
  }

  #writeString(writer: ByteWriter, callId: GobInteger, value: string | SharedBytes): void {
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.bytes.length;
    writeResultStart(writer, callId, stringStart, 1 + uintSize(length) + length);
    writeUint(writer, 0);
    writeUint(writer, length);
    if (typeof value === 'string' && length < largeStringBytes) {
      writer.reserve(length);
      writer.buffer.write(value, writer.length, length, 'utf8');
      writer.length += length;
    } else if (typeof value !== 'string' && length < largeStringBytes) {
      writer.append(value.bytes);
    } else {
      this.#stream.appendShared(typeof value === 'string' ? { bytes: Buffer.from(value) } : value);
    }
    this.#stream.writer.append(answerEnd);
  }

  #writePair(
    writer: ByteWriter,
    callId: GobInteger,
    keys: readonly string[],
    values: readonly string[],
  ): void {
    const keysSize = keys.length === 0 ? 0 : 1 + stringsSize(keys);
    const valuesSize = values.length === 0 ? 0 : 1 + stringsSize(values);
    writeResultStart(writer, callId, pairStarts[this.keysValuesPairName], keysSize + valuesSize + 1);
    if (keys.length > 0) {
      writeUint(writer, 1);
      writeStrings(writer, keys);
    }
    if (values.length > 0) {
      writeUint(writer, keys.length > 0 ? 1 : 2);
      writeStrings(writer, values);
    }
    writeUint(writer, 0);
  }
}

/** All of an answer up to `inner`, whose size is given with its terminator. */
function writeAnswerStart(writer: ByteWriter, callId: GobInteger, innerSize: number): void {
  const size =
    answerStart.length + uintSize(callId) + responseStart.length + uintSize(innerSize) + innerSize + 1;
  writeUint(writer, size);
  writer.append(answerStart);
  writeUint(writer, callId);
  writer.append(responseStart);
  writeUint(writer, innerSize);
}

function writeResultStart(writer: ByteWriter, callId: GobInteger, start: Buffer, valueSize: number): void {
  writeAnswerStart(writer, callId, start.length + uintSize(valueSize) + valueSize + 1);
  writer.append(start);
  writeUint(writer, valueSize);
}

function writeError(writer: ByteWriter, callId: GobInteger, text: string): void {
  const length = Buffer.byteLength(text);
  writeAnswerStart(writer, callId, 1 + uintSize(length) + length + 1);
  writeUint(writer, 2);
  writeString(writer, text);
}

function stringsSize(values: readonly string[]): number {
  let size = uintSize(values.length);
  for (const value of values) {
    const length = Buffer.byteLength(value);
    size += uintSize(length) + length;
  }
  return size;
}

function writeStrings(writer: ByteWriter, values: readonly string[]): void {
  writeUint(writer, values.length);
  for (const value of values) writeString(writer, value);
}

function resultStart(typeName: string, typeId: number): Buffer {
  return made((writer) => {
    writeUint(writer, 1);
    writeString(writer, typeName);
    writeInt(writer, typeId);
  });
}

function made(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter();
  write(writer);
  return writer.toBuffer();
}
