import { limits } from '../../../domain/limits.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { readCount, readInt, readName, writeInt, writeString, writeUint } from './scalars.js';
import type { GobDefinedType, GobType, OpaqueMarshaller } from './types.js';

/*
 * A definition is a value of Go's own struct wireType: pairs of (field delta, value) up to a delta of 0,
 * fields with a zero value left out. Exactly one of the seven fields of wireType is there.
 *
 * definition := 01 array | 02 slice | 03 struct | 04 map | 05 opaque | 06 opaque | 07 opaque   then 00
 *               (the last three: GobEncoder, BinaryMarshaler, TextMarshaler)
 * array      := 01 common 02:Elem int 03:Len int 00
 * slice      := 01 common 02:Elem int 00
 * struct     := 01 common 02:Field (uint (01 Name string 02:Id int 00)*) 00
 * map        := 01 common 02:Key int 03:Elem int 00
 * opaque     := 01 common 00
 * common     := 01 Name string 02:Id int 00
 *
 * (`02:` is the field's number counted from 1; what is written is its distance to the field before.)
 * Ids of other types may be defined before or after.
 */

export interface FieldDefinition {
  readonly name: string;
  readonly typeId: number;
}

/** A definition as it travels, its parts still ids. */
export type TypeDefinition =
  | { readonly kind: 'array'; readonly name: string; readonly elementId: number; readonly length: number }
  | { readonly kind: 'slice'; readonly name: string; readonly elementId: number }
  | { readonly kind: 'struct'; readonly name: string; readonly fields: readonly FieldDefinition[] }
  | { readonly kind: 'map'; readonly name: string; readonly keyId: number; readonly elementId: number }
  | { readonly kind: 'opaque'; readonly name: string; readonly marshaller: OpaqueMarshaller };

const marshallers: readonly OpaqueMarshaller[] = ['gob', 'binary', 'text'];

export function readTypeDefinition(reader: ByteReader): TypeDefinition {
  let definition: TypeDefinition | undefined;
  readFields(reader, 7, (field) => {
    if (definition !== undefined) return reader.fail('a type definition of two kinds');
    definition = readBody(reader, field);
  });
  return definition ?? reader.fail('an empty type definition');
}

function readBody(reader: ByteReader, field: number): TypeDefinition {
  let name = '';
  // What Elem, Len and Key mean by field number differs with the kind.
  const numbers = [0, 0, 0];
  const fields: FieldDefinition[] = [];
  const fieldsMax = [3, 2, 2, 3, 1, 1, 1][field] as number;
  readFields(reader, fieldsMax, (index) => {
    if (index === 0) name = readCommon(reader);
    else if (field === 2) readStructFields(reader, fields);
    else numbers[index] = readSmallInt(reader);
  });
  const [, first = 0, second = 0] = numbers;
  if (field === 0) {
    if (second < 0) return reader.fail('an array of negative length');
    return { kind: 'array', name, elementId: first, length: second };
  }
  if (field === 1) return { kind: 'slice', name, elementId: first };
  if (field === 2) return { kind: 'struct', name, fields };
  if (field === 3) return { kind: 'map', name, keyId: first, elementId: second };
  return { kind: 'opaque', name, marshaller: marshallers[field - 4] as OpaqueMarshaller };
}

/** The id in it repeats the one in front of the definition; Go's reader looks only at that one. */
function readCommon(reader: ByteReader): string {
  let name = '';
  readFields(reader, 2, (field) => {
    if (field === 0) name = readName(reader, limits.gobTypeDefinitionBytesMax);
    else readSmallInt(reader);
  });
  return name;
}

function readStructFields(reader: ByteReader, fields: FieldDefinition[]): void {
  const count = readCount(reader);
  if (count > limits.gobStructFieldsMax) reader.failLimit('gobStructFieldsMax');
  if (count > reader.remaining) reader.fail(`a struct of ${count} fields`);
  for (let left = count; left > 0; left--) {
    let name = '';
    let typeId = 0;
    readFields(reader, 2, (field) => {
      if (field === 0) name = readName(reader, limits.gobTypeDefinitionBytesMax);
      else typeId = readSmallInt(reader);
    });
    if (name === '' || typeId === 0) reader.fail('a struct field without a name or a type');
    fields.push({ name, typeId });
  }
}

function readFields(reader: ByteReader, count: number, readField: (field: number) => void): void {
  let field = -1;
  for (;;) {
    const delta = readCount(reader);
    if (delta === 0) return;
    field += delta;
    if (field >= count) reader.fail(`field ${field} in a type definition that has ${count}`);
    readField(field);
  }
}

function readSmallInt(reader: ByteReader): number {
  const value = readInt(reader);
  if (typeof value === 'bigint') return reader.fail(`${value} in a type definition`);
  return value;
}

/** `idOf` gives the ids of the parts. */
export function writeTypeDefinition(
  writer: ByteWriter,
  id: number,
  type: GobDefinedType,
  idOf: (part: GobType) => number,
): void {
  switch (type.kind) {
    case 'array':
      writeUint(writer, 1);
      writeCommon(writer, type.name, id);
      writeField(writer, 1, idOf(type.element));
      writeField(writer, 1, type.length);
      break;
    case 'slice':
      writeUint(writer, 2);
      writeCommon(writer, type.name, id);
      writeField(writer, 1, idOf(type.element));
      break;
    case 'struct':
      writeUint(writer, 3);
      writeCommon(writer, type.name, id);
      if (type.fields.length > 0) {
        writeUint(writer, 1);
        writeUint(writer, type.fields.length);
      }
      for (const field of type.fields) {
        writeUint(writer, 1);
        writeString(writer, field.name);
        writeField(writer, 1, idOf(field.type));
        writeUint(writer, 0);
      }
      break;
    case 'map':
      writeUint(writer, 4);
      writeCommon(writer, type.name, id);
      writeField(writer, 1, idOf(type.key));
      writeField(writer, 1, idOf(type.element));
      break;
    case 'opaque':
      writeUint(writer, 5 + marshallers.indexOf(type.marshaller));
      writeCommon(writer, type.name, id);
      break;
  }
  writeUint(writer, 0);
  writeUint(writer, 0);
}

function writeCommon(writer: ByteWriter, name: string, id: number): void {
  writeUint(writer, 1);
  if (name !== '') {
    writeUint(writer, 1);
    writeString(writer, name);
  }
  writeField(writer, name === '' ? 2 : 1, id);
  writeUint(writer, 0);
}

/** Only ever the last field of its struct when the value can be zero: the deltas need no memory. */
function writeField(writer: ByteWriter, delta: number, value: number): void {
  if (value === 0) return;
  writeUint(writer, delta);
  writeInt(writer, value);
}
