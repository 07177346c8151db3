import {
  GobComplex,
  GobInterface,
  GobRawString,
  GobStruct,
  type GobValue,
} from '../../../src/transport/gorpc/gob/values.js';

/**
 * A gob value as JSON-like data, for comparing: a struct is an object of its fields (the absent ones left
 * out), bytes are base64, and what JSON has no form for is tagged.
 */
export function toPlain(value: GobValue): unknown {
  if (typeof value === 'bigint') return { integer: value.toString() };
  if (typeof value === 'number' && !Number.isFinite(value)) return { float: String(value) };
  if (value instanceof GobRawString) return { rawString: value.bytes.toString('base64') };
  if (value instanceof GobComplex) return { complex: [toPlain(value.real), toPlain(value.imaginary)] };
  if (Buffer.isBuffer(value)) return { bytes: value.toString('base64') };
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Map) return { map: [...value].map(([key, item]) => [toPlain(key), toPlain(item)]) };
  if (value instanceof GobInterface) return { typeName: value.typeName, value: toPlain(value.value) };
  if (value instanceof GobStruct) {
    const fields: Record<string, unknown> = {};
    for (const [index, field] of value.type.fields.entries()) {
      const item = value.values[index];
      if (item !== undefined) fields[field.name] = toPlain(item);
    }
    return fields;
  }
  return value;
}
