import { GobEncoder } from '../../../../src/transport/gorpc/gob/encoder.js';
import {
  type GobType,
  gobInterface,
  gobSlice,
  gobString,
  gobStruct,
  gobUint,
} from '../../../../src/transport/gorpc/gob/types.js';
import { GobInterface, GobStruct, type GobValue } from '../../../../src/transport/gorpc/gob/values.js';
import { writePreamble } from '../../../../src/transport/gorpc/preamble.js';

const wireRequest = gobStruct('wireRequest', { ID: gobUint, Request: gobInterface });
const dispatcherRequest = gobStruct('dispatcherRequest', { Request: gobInterface, Name: gobString });

/** What a client without compression sends on one connection. */
export class RequestWriter {
  readonly #encoder = new GobEncoder();
  #id = 0;

  preamble(connectionId = 'id-1'): Buffer {
    return writePreamble({ connectionId, compressed: false });
  }

  /** A call with a text; its id counts from 1. */
  call(method: string, text: string): Buffer {
    return this.callWith(method, 'string', gobString, text);
  }

  callWith(method: string, typeName: string, type: GobType, value: GobValue): Buffer {
    this.#id += 1;
    const call = new GobStruct(dispatcherRequest, [new GobInterface(typeName, type, value), `.${method}`]);
    return this.#encoder.encode(
      wireRequest,
      new GobStruct(wireRequest, [
        this.#id,
        new GobInterface('*gorpc.dispatcherRequest', dispatcherRequest, call),
      ]),
    );
  }

  texts(method: string, texts: readonly string[]): Buffer {
    return this.callWith(method, '[]string', gobSlice(gobString), [...texts]);
  }
}
