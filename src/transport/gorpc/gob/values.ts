import type { GobStructType, GobType } from './types.js';

/** Exact: a number within ±(2^53 - 1), a bigint beyond. */
export type GobInteger = number | bigint;

/** Text, or the bytes of a string that is long, or not UTF-8. */
export type GobString = string | GobRawString;

export class GobRawString {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export class GobComplex {
  readonly real: number;
  readonly imaginary: number;

  constructor(real: number, imaginary: number) {
    this.real = real;
    this.imaginary = imaginary;
  }
}

/**
 * A struct with its type, whose field list says what the sender knows even where it sent no value: a field
 * with its zero value is absent on the wire, and undefined here.
 */
export class GobStruct {
  readonly type: GobStructType;
  /** By the order of the type's fields; what is missing at the end is undefined too. */
  readonly values: readonly (GobValue | undefined)[];

  constructor(type: GobStructType, values: readonly (GobValue | undefined)[]) {
    this.type = type;
    this.values = values;
  }

  /** Undefined: zero value, or no such field. */
  get(fieldName: string): GobValue | undefined {
    const index = this.type.indexOf(fieldName);
    return index === -1 ? undefined : this.values[index];
  }
}

/** A value whose type travelled with it, under the name its sender registered: `*apidef.DefRequest`. */
export class GobInterface {
  readonly typeName: string;
  readonly type: GobType;
  readonly value: GobValue;

  constructor(typeName: string, type: GobType, value: GobValue) {
    this.typeName = typeName;
    this.type = type;
    this.value = value;
  }
}

/**
 * By kind of type: bool → boolean; int, uint → number or bigint; float → number; complex → GobComplex;
 * bytes → Buffer; string → string or GobRawString; slice, array → array; map → Map; struct → GobStruct;
 * interface → GobInterface, or null for nil; opaque → the bytes its own marshaller made.
 */
export type GobValue =
  | boolean
  | GobInteger
  | GobString
  | GobComplex
  | Buffer
  | GobStruct
  | GobInterface
  | null
  | GobValue[]
  | Map<GobValue, GobValue>;
