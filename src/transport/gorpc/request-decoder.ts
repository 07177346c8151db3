import { failFrame } from './gob/bytes.js';
import { GobDecoder, type GobDecoderOptions } from './gob/decoder.js';
import { type GobInteger, GobInterface, GobStruct, type GobValue } from './gob/values.js';

/*
 * What a gorpc client sends, as Go structs:
 *
 * wireRequest       { ID uint64, Request interface }
 *   dispatcherRequest { Request interface, Name string }    named `*gorpc.dispatcherRequest`
 *     the argument, under the name its sender has for it: `string`, `[]string`, `*apidef.DefRequest`
 *
 * Fields are found by their names, as Go does it; what else may stand beside them is not looked at.
 */

export interface GorpcRequest {
  /** Counts from 1 on each connection; 0 asks for no answer. */
  readonly id: GobInteger;
  /** As on the wire, with its leading dot: `.GetKey`. */
  readonly method: string;
  /** Undefined: the method was called without one. */
  readonly argument: GobValue | undefined;
  /** Name of the argument's type as its sender registered it; empty without an argument. */
  readonly typeName: string;
  /** The fields its sender knows, sent or not, when the argument is a struct: they tell its age. */
  readonly fieldNames: readonly string[];
}

const noNames: readonly string[] = [];

/** The request stream of one connection, inflated. Errors as of GobDecoder. */
export class RequestDecoder extends GobDecoder {
  constructor(onRequest: (request: GorpcRequest) => void, options: GobDecoderOptions = {}) {
    super((value) => onRequest(readRequest(value, this.offset)), options);
  }
}

function readRequest(value: GobValue, offset: number): GorpcRequest {
  if (!(value instanceof GobStruct)) return failFrame('a request that is not a struct', offset);
  const id = value.get('ID') ?? 0;
  if (typeof id !== 'number' && typeof id !== 'bigint')
    return failFrame('a request id that is not a number', offset);
  const call = value.get('Request');
  if (!(call instanceof GobInterface && call.value instanceof GobStruct)) {
    return failFrame('a request without a call', offset);
  }
  const method = call.value.get('Name') ?? '';
  if (typeof method !== 'string') return failFrame('a method name that is not text', offset);
  const argument = call.value.get('Request') ?? null;
  if (argument === null) return { id, method, argument: undefined, typeName: '', fieldNames: noNames };
  if (!(argument instanceof GobInterface)) return failFrame('an argument that names no type', offset);
  return {
    id,
    method,
    argument: argument.value,
    typeName: argument.typeName,
    fieldNames: argument.value instanceof GobStruct ? argument.value.type.fieldNames : noNames,
  };
}
