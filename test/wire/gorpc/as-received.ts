import type { GobType } from '../../../src/transport/gorpc/gob/types.js';
import {
  GobComplex,
  GobInterface,
  GobStruct,
  type GobValue,
} from '../../../src/transport/gorpc/gob/values.js';

/** What a decoder gives for a value: fields with their zero value are left out. */
export function asReceived(value: GobValue): GobValue {
  if (Array.isArray(value)) return value.map(asReceived);
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [asReceived(key), asReceived(item)]));
  }
  if (value instanceof GobInterface)
    return new GobInterface(value.typeName, value.type, asReceived(value.value));
  if (value instanceof GobStruct) {
    const values = value.values.map((item, index) => {
      const kind = value.type.fields[index]?.type.kind;
      return item === undefined || isZero(item, kind) ? undefined : asReceived(item);
    });
    return new GobStruct(value.type, values);
  }
  return value;
}

function isZero(value: GobValue, kind: GobType['kind'] | undefined): boolean {
  if (kind === 'array' || kind === 'opaque') return false;
  if (value instanceof GobComplex) return value.real === 0 && value.imaginary === 0;
  if (Array.isArray(value) || Buffer.isBuffer(value)) return value.length === 0;
  return value === 0 || value === '' || value === false || value === null;
}
