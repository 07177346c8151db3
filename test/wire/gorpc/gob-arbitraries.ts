import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { exactInteger } from '../../../src/transport/gorpc/gob/scalars.js';
import {
  GobStructType,
  type GobType,
  gobArray,
  gobBool,
  gobBytes,
  gobComplex,
  gobFloat,
  gobInt,
  gobInterface,
  gobMap,
  gobOpaque,
  gobSlice,
  gobString,
  gobStruct,
  gobUint,
} from '../../../src/transport/gorpc/gob/types.js';
import {
  GobComplex,
  GobInterface,
  GobRawString,
  GobStruct,
  type GobValue,
} from '../../../src/transport/gorpc/gob/values.js';

export interface TypedValues {
  readonly type: GobType;
  readonly values: readonly GobValue[];
}

/** What interfaces hold, by the name it has in Go (where that knows it). */
export const concreteTypes: ReadonlyMap<string, GobType> = new Map<string, GobType>([
  ['int64', gobInt],
  ['uint64', gobUint],
  ['float64', gobFloat],
  ['complex128', gobComplex],
  ['string', gobString],
  ['bool', gobBool],
  ['[]uint8', gobBytes],
  ['[]string', gobSlice(gobString, '[]string')],
  ['test.point', gobStruct('point', { X: gobInt, Y: gobInt })],
  [
    'test.box',
    gobStruct('box', {
      Before: gobString,
      Inner: gobInterface,
      Items: gobSlice(gobInterface),
      After: gobInt,
    }),
  ],
  ['test.table', gobMap(gobString, gobInterface)],
  ['test.pairs', gobArray(gobStruct('pair', { Key: gobInterface, Value: gobInterface }), 2)],
]);

const leafTypes: readonly GobType[] = [gobBool, gobInt, gobUint, gobFloat, gobBytes, gobString, gobComplex];
const keyTypes = fc.constantFrom<GobType>(gobInt, gobUint, gobString, gobBool);

/** `opaque`: with types that marshal themselves, which Go cannot make from a description. */
export function typedValues(options: { readonly opaque: boolean }): fc.Arbitrary<TypedValues> {
  return types(3, options.opaque).chain((type) =>
    fc.array(valuesOf(type, 3), { minLength: 1, maxLength: 3 }).map((values) => ({ type, values })),
  );
}

function types(depth: number, opaque: boolean): fc.Arbitrary<GobType> {
  const leaves = fc.constantFrom<GobType>(...leafTypes);
  if (depth === 0) return opaque ? fc.oneof(leaves, fc.constant(gobOpaque('binary', 'Time'))) : leaves;
  const inner = types(depth - 1, opaque);
  const field = fc.oneof(inner, fc.constant<GobType>(gobInterface));
  return fc.oneof(
    { weight: 2, arbitrary: leaves },
    {
      weight: 4,
      arbitrary: fc.array(field, { minLength: 1, maxLength: 5 }).map(
        (parts) =>
          new GobStructType(
            'made',
            parts.map((type, index) => ({ name: `F${index}`, type })),
          ),
      ),
    },
    { weight: 1, arbitrary: field.map((element) => gobSlice(element, '[]made')) },
    {
      weight: 1,
      arbitrary: fc.tuple(field, fc.nat({ max: 3 })).map(([element, length]) => gobArray(element, length)),
    },
    { weight: 1, arbitrary: fc.tuple(keyTypes, field).map(([key, element]) => gobMap(key, element)) },
  );
}

const int64 = fc.oneof(
  fc.integer(),
  fc.constantFrom(
    0,
    63,
    64,
    -64,
    -65,
    127,
    128,
    255,
    256,
    65_535,
    2 ** 32,
    2 ** 52,
    2 ** 53 - 1,
    1 - 2 ** 53,
  ),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(exactInteger),
);
const uint64 = fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(exactInteger));
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\ufffd', 'x'.repeat(300)),
);
const rawText = fc
  .uint8Array({ minLength: 1, maxLength: 8 })
  .filter((bytes) => !isUtf8(bytes))
  .map((bytes) => new GobRawString(Buffer.from(bytes)));
const bytes = fc.uint8Array({ maxLength: 200 }).map((content) => Buffer.from(content));

export function valuesOf(type: GobType, depth: number): fc.Arbitrary<GobValue> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean();
    case 'int':
      return int64;
    case 'uint':
      return uint64;
    case 'float':
      return fc.double();
    case 'complex':
      return fc.tuple(fc.double(), fc.double()).map(([real, imaginary]) => new GobComplex(real, imaginary));
    case 'string':
      return fc.oneof({ weight: 5, arbitrary: text }, { weight: 1, arbitrary: rawText });
    case 'bytes':
    case 'opaque':
      return bytes;
    case 'slice':
      return fc.array(valuesOf(type.element, depth - 1), { maxLength: 4 });
    case 'array':
      return fc.array(valuesOf(type.element, depth - 1), { minLength: type.length, maxLength: type.length });
    case 'map':
      return fc
        .array(
          fc.tuple(
            type.key.kind === 'string' ? text : valuesOf(type.key, 0),
            valuesOf(type.element, depth - 1),
          ),
          {
            maxLength: 4,
          },
        )
        .map((entries) => new Map<GobValue, GobValue>(entries));
    case 'struct':
      return fc
        .tuple(...type.fields.map((field) => fieldValues(field.type, depth - 1)))
        .map((values) => new GobStruct(type, values));
    case 'interface':
      return depth <= 0 ? fc.constant(null) : interfaces(depth - 1);
  }
}

/** Undefined where Go can leave a value out: it always writes structs and arrays. */
function fieldValues(type: GobType, depth: number): fc.Arbitrary<GobValue | undefined> {
  if (type.kind === 'struct' || type.kind === 'array') return valuesOf(type, depth);
  return fc.option(valuesOf(type, depth), { nil: undefined, freq: 6 });
}

function interfaces(depth: number): fc.Arbitrary<GobValue> {
  return fc.option(
    fc.constantFrom(...concreteTypes.keys()).chain((name) => {
      const type = concreteTypes.get(name) as GobType;
      return valuesOf(type, depth).map((value) => new GobInterface(name, type, value));
    }),
    { nil: null, freq: 5 },
  );
}
