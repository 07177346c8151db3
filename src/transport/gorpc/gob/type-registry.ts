import { limits } from '../../../domain/limits.js';
import type { ByteReader } from './bytes.js';
import { readTypeDefinition, type TypeDefinition } from './type-definition.js';
import {
  builtInTypes,
  definedTypeIdMin,
  type GobField,
  GobStructType,
  type GobType,
  gobArray,
  gobBool,
  gobMap,
  gobOpaque,
  gobSlice,
} from './types.js';

/**
 * What one sender has defined on one connection. A definition may name types that come after it, itself
 * included; so it is kept as it came and becomes a type when the first value needs it.
 */
export class TypeRegistry {
  readonly #definitions = new Map<number, TypeDefinition>();
  readonly #types = new Map<number, GobType>();
  #definitionBytes = 0;

  /** Reads a definition and keeps it under `id`. */
  define(id: number, reader: ByteReader): void {
    if (id < definedTypeIdMin) reader.fail(`a definition of the reserved type id ${id}`);
    if (this.#definitions.has(id)) reader.fail(`a second definition of type id ${id}`);
    if (this.#definitions.size >= limits.gobTypeDefinitionsMax) {
      reader.failLimit('gobTypeDefinitionsMax');
    }
    // A definition is parsed before it is measured, so the reader may see no more than is allowed.
    const start = reader.position;
    const { end } = reader;
    const allowed = start + limits.gobTypeDefinitionBytesMax - this.#definitionBytes;
    if (end <= allowed) {
      this.#definitions.set(id, readTypeDefinition(reader));
    } else {
      reader.end = allowed;
      try {
        this.#definitions.set(id, readTypeDefinition(reader));
      } catch {
        reader.failLimit('gobTypeDefinitionBytesMax');
      } finally {
        reader.end = end;
      }
    }
    this.#definitionBytes += reader.position - start;
  }

  /** Recursion is as deep as types are nested, and so bounded by their number. */
  typeOf(id: number, reader: ByteReader): GobType {
    const known = this.#types.get(id) ?? builtInTypes.get(id);
    if (known !== undefined) return known;
    const definition = this.#definitions.get(id);
    if (definition === undefined) return reader.fail(`type id ${id} is not defined`);
    const { name } = definition;
    // Registered before its parts are looked up: that is what lets a type contain itself.
    switch (definition.kind) {
      case 'opaque':
        return this.#add(id, gobOpaque(definition.marshaller, name, id));
      case 'slice': {
        const type = this.#add(id, gobSlice(gobBool, name, id));
        type.element = this.typeOf(definition.elementId, reader);
        return type;
      }
      case 'array': {
        const type = this.#add(id, gobArray(gobBool, definition.length, name, id));
        type.element = this.typeOf(definition.elementId, reader);
        return type;
      }
      case 'map': {
        const type = this.#add(id, gobMap(gobBool, gobBool, name, id));
        type.key = this.typeOf(definition.keyId, reader);
        type.element = this.typeOf(definition.elementId, reader);
        return type;
      }
      case 'struct': {
        const fields: GobField[] = [];
        const type = this.#add(id, new GobStructType(name, fields, id));
        for (const field of definition.fields) {
          fields.push({ name: field.name, type: this.typeOf(field.typeId, reader) });
        }
        return type;
      }
    }
  }

  #add<T extends GobType>(id: number, type: T): T {
    this.#types.set(id, type);
    return type;
  }
}
