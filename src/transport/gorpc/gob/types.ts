/** Ids that need no definition; the ones below 64 that are not here are reserved or describe definitions. */
export const builtInTypeIds = {
  bool: 1,
  int: 2,
  uint: 3,
  float: 4,
  bytes: 5,
  string: 6,
  complex: 7,
  interface: 8,
} as const;

/** The smallest id a sender may give to a type of its own. */
export const definedTypeIdMin = 64;

export type GobBuiltInKind = keyof typeof builtInTypeIds;

export interface GobBuiltInType {
  readonly kind: GobBuiltInKind;
  readonly id: number;
}

/**
 * Types are compared by identity. `id` is the one the sender gave, 0 for a type made here. `name` is the
 * sender's short name and means nothing to a reader.
 */
export interface GobSliceType {
  readonly kind: 'slice';
  readonly id: number;
  readonly name: string;
  element: GobType;
}

export interface GobArrayType {
  readonly kind: 'array';
  readonly id: number;
  readonly name: string;
  element: GobType;
  readonly length: number;
}

export interface GobMapType {
  readonly kind: 'map';
  readonly id: number;
  readonly name: string;
  key: GobType;
  element: GobType;
}

/** A Go type that marshals itself (time.Time and the like): its value is bytes that only it understands. */
export interface GobOpaqueType {
  readonly kind: 'opaque';
  readonly id: number;
  readonly name: string;
  readonly marshaller: OpaqueMarshaller;
}

export type OpaqueMarshaller = 'gob' | 'binary' | 'text';

export interface GobField {
  readonly name: string;
  readonly type: GobType;
}

export class GobStructType {
  readonly kind = 'struct';
  readonly id: number;
  readonly name: string;
  /** Filled after construction when the type contains itself. */
  readonly fields: GobField[];
  #indexes: Map<string, number> | undefined;
  #names: readonly string[] | undefined;

  constructor(name: string, fields: GobField[], id = 0) {
    this.name = name;
    this.fields = fields;
    this.id = id;
  }

  get fieldNames(): readonly string[] {
    this.#names ??= this.fields.map((field) => field.name);
    return this.#names;
  }

  /** -1: no such field. */
  indexOf(fieldName: string): number {
    this.#indexes ??= new Map(this.fields.map((field, index) => [field.name, index]));
    return this.#indexes.get(fieldName) ?? -1;
  }
}

export type GobDefinedType = GobSliceType | GobArrayType | GobMapType | GobStructType | GobOpaqueType;

export type GobType = GobBuiltInType | GobDefinedType;

function builtIn(kind: GobBuiltInKind): GobBuiltInType {
  return { kind, id: builtInTypeIds[kind] };
}

export const gobBool = builtIn('bool');
export const gobInt = builtIn('int');
export const gobUint = builtIn('uint');
export const gobFloat = builtIn('float');
export const gobBytes = builtIn('bytes');
export const gobString = builtIn('string');
export const gobComplex = builtIn('complex');
export const gobInterface = builtIn('interface');

export const builtInTypes: ReadonlyMap<number, GobBuiltInType> = new Map(
  [gobBool, gobInt, gobUint, gobFloat, gobBytes, gobString, gobComplex, gobInterface].map((type) => [
    type.id,
    type,
  ]),
);

export function gobSlice(element: GobType, name = '', id = 0): GobSliceType {
  return { kind: 'slice', id, name, element };
}

export function gobArray(element: GobType, length: number, name = '', id = 0): GobArrayType {
  return { kind: 'array', id, name, element, length };
}

export function gobMap(key: GobType, element: GobType, name = '', id = 0): GobMapType {
  return { kind: 'map', id, name, key, element };
}

export function gobOpaque(marshaller: OpaqueMarshaller, name = '', id = 0): GobOpaqueType {
  return { kind: 'opaque', id, name, marshaller };
}

/** `gobStruct('DefRequest', { OrgId: gobString, Tags: gobSlice(gobString) })`: fields in wire order. */
export function gobStruct(name: string, fields: Readonly<Record<string, GobType>>): GobStructType {
  return new GobStructType(
    name,
    Object.entries(fields).map(([fieldName, type]) => ({ name: fieldName, type })),
  );
}
