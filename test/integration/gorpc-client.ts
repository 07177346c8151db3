import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { GobDecoder } from '../../src/transport/gorpc/gob/decoder.js';
import { GobEncoder } from '../../src/transport/gorpc/gob/encoder.js';
import {
  type GobStructType,
  type GobType,
  gobBool,
  gobBytes,
  gobInt,
  gobInterface,
  gobSlice,
  gobString,
  gobStruct,
  gobUint,
} from '../../src/transport/gorpc/gob/types.js';
import { GobInterface, GobStruct, type GobValue } from '../../src/transport/gorpc/gob/values.js';
import { writePreamble } from '../../src/transport/gorpc/preamble.js';

const wireRequest = gobStruct('wireRequest', { ID: gobUint, Request: gobInterface });
const dispatcherRequest = gobStruct('dispatcherRequest', { Request: gobInterface, Name: gobString });
const strings = gobSlice(gobString, '[]string');

/** The argument types of a gateway generation, by short name. */
export type Generation = Readonly<Record<string, { readonly name: string; readonly type: GobStructType }>>;

const inboundData = {
  KeyName: gobString,
  Value: gobString,
  SessionState: gobString,
  Timeout: gobInt,
  Per: gobInt,
  Expire: gobInt,
};

function generation(
  packageName: string,
  types: Readonly<Record<string, Readonly<Record<string, GobType>>>>,
): Generation {
  return Object.fromEntries(
    Object.entries(types).map(([name, fields]) => [
      name,
      { name: `*${packageName}.${name}`, type: gobStruct(name, fields) },
    ]),
  );
}

/** 5.2 and newer. */
export const currentTypes = generation('apidef', {
  InboundData: inboundData,
  DefRequest: { OrgId: gobString, Tags: strings, LoadOAS: gobBool },
  GroupLoginRequest: { UserKey: gobString, GroupID: gobString, ForceSync: gobBool, Node: gobBytes },
  GroupKeySpaceRequest: { OrgID: gobString, GroupID: gobString },
});

/** 4.0 and older, from 2.9 on. */
export const types40 = generation('apidef', {
  InboundData: inboundData,
  DefRequest: { OrgId: gobString, Tags: strings },
  GroupLoginRequest: { UserKey: gobString, GroupID: gobString },
  GroupKeySpaceRequest: { OrgID: gobString, GroupID: gobString },
});

export interface GorpcClientOptions {
  readonly port: number;
  /** Address to dial from. */
  readonly localAddress?: string;
  readonly connectionId?: string;
  readonly compressed?: boolean;
  readonly types?: Generation;
  /** Writes each byte on its own. */
  readonly byteByByte?: boolean;
}

/** What came back: the value of a success as plain data under its Go type, or the error text. */
export type Outcome = { readonly type: string; readonly value: unknown } | { readonly error: string };

interface Pending {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** One connection of a gateway, as plain as can be. */
export class GorpcClient {
  readonly connectionId: string;
  readonly socket: Socket;
  /** How many answers had an id nobody waits for. */
  strays = 0;
  readonly #types: Generation;
  readonly #deflate: DeflateRaw | undefined;
  readonly #inflate: InflateRaw | undefined;
  readonly #encoder = new GobEncoder();
  readonly #pending = new Map<number, Pending>();
  readonly #byteByByte: boolean;
  #lastId = 0;
  closed = false;

  private constructor(socket: Socket, options: GorpcClientOptions) {
    this.socket = socket;
    this.connectionId = options.connectionId ?? randomUUID();
    this.#types = options.types ?? currentTypes;
    this.#byteByByte = options.byteByByte ?? false;
    const compressed = options.compressed ?? true;
    const decoder = new GobDecoder((value) => this.#onAnswer(value));
    if (compressed) {
      this.#deflate = createDeflateRaw({ level: 1 });
      this.#deflate.on('data', (bytes: Buffer) => this.write(bytes));
      this.#inflate = createInflateRaw();
      this.#inflate.on('data', (bytes: Buffer) => decoder.push(bytes));
      this.#inflate.on('error', (error) => socket.destroy(error));
    }
    socket.on('data', (bytes: Buffer) => {
      if (this.#inflate === undefined) decoder.push(bytes);
      else this.#inflate.write(bytes);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      // What came last is still being inflated.
      if (this.#inflate === undefined || this.#inflate.closed) this.#onClosed();
      else this.#inflate.flush(() => this.#onClosed());
    });
    this.write(writePreamble({ connectionId: this.connectionId, compressed }));
  }

  static async open(options: GorpcClientOptions): Promise<GorpcClient> {
    const { port, localAddress } = options;
    const socket = connect({ port, host: '127.0.0.1', ...(localAddress !== undefined && { localAddress }) });
    socket.setNoDelay();
    await once(socket, 'connect');
    return new GorpcClient(socket, options);
  }

  /** A text, a list of texts, nothing, or the fields of a struct by its short name. */
  call(method: string, argument?: string | readonly string[] | StructArgument): Promise<Outcome> {
    const id = ++this.#lastId;
    const outcome = new Promise<Outcome>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    // A test that drops the connection on purpose does not look at what it broke.
    outcome.catch(() => {});
    this.send(id, method, argument);
    return outcome;
  }

  /** With id 0 nothing is to be answered. */
  send(id: number, method: string, argument?: string | readonly string[] | StructArgument): void {
    this.sendBytes(this.encode(id, method, argument));
  }

  encode(id: number, method: string, argument?: string | readonly string[] | StructArgument): Buffer {
    const request = argument === undefined ? undefined : this.#argument(argument);
    const call = new GobStruct(dispatcherRequest, [request, `.${method}`]);
    const wire = new GobStruct(wireRequest, [
      id === 0 ? undefined : id,
      new GobInterface('*gorpc.dispatcherRequest', dispatcherRequest, call),
    ]);
    return this.#encoder.encode(wireRequest, wire);
  }

  /** Into the deflate stream, if there is one. */
  sendBytes(bytes: Buffer): void {
    if (this.#deflate === undefined) {
      this.write(bytes);
      return;
    }
    this.#deflate.write(bytes);
    this.#deflate.flush(constants.Z_SYNC_FLUSH);
  }

  /** Past the deflate stream. */
  write(bytes: Buffer): void {
    if (!this.#byteByByte) this.socket.write(bytes);
    else for (const byte of bytes) this.socket.write(Buffer.of(byte));
  }

  get pending(): number {
    return this.#pending.size;
  }

  destroy(): void {
    this.socket.destroy();
    this.#deflate?.close();
    this.#inflate?.close();
  }

  #onClosed(): void {
    this.closed = true;
    for (const { reject } of this.#pending.values()) reject(new Error('connection closed'));
    this.#pending.clear();
  }

  #argument(argument: string | readonly string[] | StructArgument): GobInterface {
    if (typeof argument === 'string') return new GobInterface('string', gobString, argument);
    if (Array.isArray(argument)) return new GobInterface('[]string', strings, [...argument] as GobValue[]);
    const { struct, ...fields } = argument as StructArgument;
    const known = this.#types[struct];
    if (known === undefined) throw new Error(`no type ${struct}`);
    const values = known.type.fields.map(({ name }) => zeroless(fields[name]));
    return new GobInterface(known.name, known.type, new GobStruct(known.type, values));
  }

  #onAnswer(value: GobValue): void {
    const response = value as GobStruct;
    const id = Number(response.get('ID') ?? 0);
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (pending === undefined) {
      this.strays += 1;
      return;
    }
    const inner = (response.get('Response') as GobInterface).value as GobStruct;
    const error = inner.get('Error');
    const result = inner.get('Response') as GobInterface | undefined;
    if (typeof error === 'string') pending.resolve({ error });
    else pending.resolve({ type: result?.typeName ?? '', value: plain(result?.value) });
  }
}

export interface StructArgument {
  readonly struct: string;
  readonly [field: string]: GobValue | readonly string[] | undefined;
}

/** A field with its zero value is not sent. */
function zeroless(value: GobValue | readonly string[] | undefined): GobValue | undefined {
  const empty =
    value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
  return empty ? undefined : (value as GobValue | undefined);
}

function plain(value: GobValue | undefined): unknown {
  if (!(value instanceof GobStruct)) return value;
  return Object.fromEntries(value.type.fields.map(({ name }, index) => [name, value.values[index] ?? []]));
}
