import { limits } from '../../domain/limits.js';
import { CausewayError } from '../../errors/causeway-error.js';
import { yieldTurn } from '../../std/yield-turn.js';
import type { CompressionName, CursorMessage, DefinitionKindName, NodeMessage } from './messages.js';
import { ProtoReader, wireVarint } from './proto-reader.js';

/*
 * What workers send, by the numbers of proto/causeway/v1/bridge.proto. Of a field that stands twice the last
 * one counts; repeated fields are counted while they are read.
 */

/** Characters are at most four bytes; what is longer than `identifierLengthMax` of them is refused by name. */
const identifierBytesMax = 4 * 256 + 1;
const shownBytesMax = 1_024;
const tagsMax = 1_000;
const compressionsMax = 16;
const componentsMax = 100;
const hashBytesMax = 256;
/** Fields of one message beside its repeated ones, known or not. */
const fieldsMax = 1_000;
/** Elements read between two turns of the event loop: some milliseconds. */
const turnElements = 4_096;

const compressionNames: readonly CompressionName[] = [
  'COMPRESSION_UNSPECIFIED',
  'COMPRESSION_NONE',
  'COMPRESSION_GZIP',
  'COMPRESSION_LZ4',
];
const kindNames: readonly DefinitionKindName[] = [
  'DEFINITION_KIND_UNSPECIFIED',
  'DEFINITION_KIND_API',
  'DEFINITION_KIND_POLICY',
  'DEFINITION_KIND_CLIENT_IDP',
];

export interface HeldName {
  readonly kind: DefinitionKindName;
  readonly id: string;
  readonly hash: string;
}

export interface HelloRequest {
  readonly node: NodeMessage | null;
  readonly groupId: string;
  readonly tags: readonly string[];
  readonly segmented: boolean;
  readonly compressions: readonly CompressionName[];
  readonly cursor: CursorMessage | null;
  readonly held: readonly HeldName[];
  readonly forceSync: boolean;
}

export interface StatusRequest {
  readonly apisCount: number;
  readonly policiesCount: number;
  readonly health: readonly { readonly component: string; readonly status: string }[];
}

export type SyncRequest =
  | { readonly kind: 'hello'; readonly message: ProtoReader }
  | { readonly kind: 'ack'; readonly sequence: number }
  | {
      readonly kind: 'nack';
      readonly sequence: number;
      readonly error: string;
      readonly retryAfterMs: number;
    }
  | { readonly kind: 'status'; readonly status: StatusRequest }
  /** Of a newer contract. */
  | { readonly kind: 'unknown' };

/** A hello is only found: to read it takes turns, see `readHelloRequest`. */
export function readSyncRequest(bytes: Buffer): SyncRequest {
  const reader = new ProtoReader(bytes);
  const fields = new FieldCount('message');
  let request: SyncRequest = { kind: 'unknown' };
  while (reader.next()) {
    fields.add();
    switch (reader.field) {
      case 1:
        request = { kind: 'hello', message: reader.message() };
        break;
      case 2:
        request = { kind: 'ack', sequence: readAck(reader.message()) };
        break;
      case 3:
        request = readNack(reader.message());
        break;
      case 4:
        request = { kind: 'status', status: readStatus(reader.message()) };
        break;
      default:
        reader.skip();
    }
  }
  return request;
}

/** In turns: a hello may hold a hundred thousand definitions. */
export async function readHelloRequest(reader: ProtoReader): Promise<HelloRequest> {
  const fields = new FieldCount('hello');
  const tags: string[] = [];
  const compressions: CompressionName[] = [];
  const held: HeldName[] = [];
  let node: NodeMessage | null = null;
  let cursor: CursorMessage | null = null;
  let groupId = '';
  let segmented = false;
  let forceSync = false;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        node = readNode(reader.message());
        break;
      case 2:
        groupId = boundedText(reader, identifierBytesMax, 'hello.group_id');
        break;
      case 3:
        if (tags.length === tagsMax) throw tooMany('hello.tags', tagsMax);
        tags.push(boundedText(reader, identifierBytesMax, `hello.tags[${tags.length}]`));
        continue;
      case 4:
        segmented = reader.bool();
        break;
      case 5:
        readCompressions(reader, compressions);
        break;
      case 6:
        cursor = readCursor(reader.message());
        break;
      case 7:
        if (held.length === limits.heldDefinitionsMax) {
          throw tooMany('hello.held', limits.heldDefinitionsMax);
        }
        held.push(readHeld(reader.message(), held.length));
        if (held.length % turnElements === 0) await yieldTurn();
        continue;
      case 8:
        forceSync = reader.bool();
        break;
      default:
        reader.skip();
    }
    fields.add();
  }
  return { node, groupId, tags, segmented, compressions, cursor, held, forceSync };
}

export interface GetKeysRequest {
  readonly names: readonly string[];
  readonly partial: boolean;
}

export function readGetKeysRequest(bytes: Buffer): GetKeysRequest {
  const reader = new ProtoReader(bytes);
  const fields = new FieldCount('message');
  const names: string[] = [];
  let partial = false;
  while (reader.next()) {
    if (reader.field === 1) {
      if (names.length === limits.keysPerCallMax) throw tooMany('names', limits.keysPerCallMax);
      // Longer ones name nothing, and are answered so.
      names.push(reader.shownText(limits.keyNameBytesMax + 1));
      continue;
    }
    if (reader.field === 2) partial = reader.bool();
    else reader.skip();
    fields.add();
  }
  return { names, partial };
}

export interface AnalyticsRequest {
  readonly batchId: string;
  readonly nodeId: string;
  readonly records: Buffer;
  readonly compression: CompressionName | undefined;
  readonly uncompressedBytes: number;
}

/** `records` are bytes of the message itself. */
export function readAnalyticsRequest(bytes: Buffer): AnalyticsRequest {
  const reader = new ProtoReader(bytes);
  const fields = new FieldCount('message');
  let batchId = '';
  let nodeId = '';
  let records: Buffer = Buffer.alloc(0);
  let compression: CompressionName | undefined = 'COMPRESSION_UNSPECIFIED';
  let uncompressedBytes = 0;
  while (reader.next()) {
    fields.add();
    switch (reader.field) {
      case 1:
        batchId = reader.shownText(identifierBytesMax);
        break;
      case 2:
        nodeId = reader.shownText(identifierBytesMax);
        break;
      case 3:
        records = reader.bytes();
        break;
      case 4:
        compression = compressionNames[reader.number()];
        break;
      case 5:
        uncompressedBytes = reader.number();
        break;
      default:
        reader.skip();
    }
  }
  return { batchId, nodeId, records, compression, uncompressedBytes };
}

function readAck(reader: ProtoReader): number {
  const fields = new FieldCount('ack');
  let sequence = 0;
  while (reader.next()) {
    fields.add();
    if (reader.field === 1) sequence = reader.number();
    else reader.skip();
  }
  return sequence;
}

function readNack(reader: ProtoReader): SyncRequest {
  const fields = new FieldCount('nack');
  let sequence = 0;
  let error = '';
  let retryAfterMs = 0;
  while (reader.next()) {
    fields.add();
    if (reader.field === 1) sequence = reader.number();
    else if (reader.field === 2) error = reader.shownText(shownBytesMax);
    else if (reader.field === 3) retryAfterMs = reader.number();
    else reader.skip();
  }
  return { kind: 'nack', sequence, error, retryAfterMs };
}

function readStatus(reader: ProtoReader): StatusRequest {
  const fields = new FieldCount('status');
  const health: { component: string; status: string }[] = [];
  let apisCount = 0;
  let policiesCount = 0;
  while (reader.next()) {
    fields.add();
    if (reader.field === 1) apisCount = reader.signed();
    else if (reader.field === 2) policiesCount = reader.signed();
    else if (reader.field === 3 && health.length < componentsMax) {
      health.push(readComponent(reader.message()));
    } else reader.skip();
  }
  return { apisCount, policiesCount, health };
}

function readComponent(reader: ProtoReader): { component: string; status: string } {
  const fields = new FieldCount('status.health');
  let component = '';
  let status = '';
  while (reader.next()) {
    fields.add();
    if (reader.field === 1) component = reader.shownText(shownBytesMax);
    else if (reader.field === 2) status = reader.shownText(shownBytesMax);
    else reader.skip();
  }
  return { component, status };
}

function readNode(reader: ProtoReader): NodeMessage {
  const fields = new FieldCount('hello.node');
  const node = { id: '', version: '', hostname: '', pid: 0, address: '', ttlSeconds: 0 };
  while (reader.next()) {
    fields.add();
    if (reader.field === 1) node.id = boundedText(reader, identifierBytesMax, 'hello.node.id');
    else if (reader.field === 2) node.version = reader.shownText(shownBytesMax);
    else if (reader.field === 3) node.hostname = reader.shownText(shownBytesMax);
    else if (reader.field === 4) node.pid = reader.signed();
    else if (reader.field === 5) node.address = reader.shownText(shownBytesMax);
    else if (reader.field === 6) node.ttlSeconds = reader.signed();
    else reader.skip();
  }
  return node;
}

function readCursor(reader: ProtoReader): CursorMessage {
  const fields = new FieldCount('hello.cursor');
  const cursor = { epoch: '', sequence: 0 };
  while (reader.next()) {
    fields.add();
    if (reader.field === 1) cursor.epoch = boundedText(reader, shownBytesMax, 'hello.cursor.epoch');
    else if (reader.field === 2) cursor.sequence = reader.number();
    else reader.skip();
  }
  return cursor;
}

function readHeld(reader: ProtoReader, index: number): HeldName {
  let kind: DefinitionKindName = 'DEFINITION_KIND_UNSPECIFIED';
  let id = '';
  let hash = '';
  for (let fields = 0; reader.next(); fields += 1) {
    if (fields > 16) throw tooMany(`hello.held[${index}]: fields`, 16);
    if (reader.field === 1) kind = kindNames[reader.number()] ?? 'DEFINITION_KIND_UNSPECIFIED';
    else if (reader.field === 2) id = boundedText(reader, identifierBytesMax, `hello.held[${index}].id`);
    else if (reader.field === 3) hash = boundedText(reader, hashBytesMax, `hello.held[${index}].hash`);
    else reader.skip();
  }
  return { kind, id, hash };
}

/** Enums come packed or one by one. */
function readCompressions(reader: ProtoReader, into: CompressionName[]): void {
  const add = (value: number) => {
    if (into.length === compressionsMax) throw tooMany('hello.compressions', compressionsMax);
    into.push(compressionNames[value] ?? 'COMPRESSION_UNSPECIFIED');
  };
  if (reader.wire === wireVarint) {
    add(reader.number());
    return;
  }
  const packed = reader.message();
  while (packed.more) add(packed.varint());
}

function boundedText(reader: ProtoReader, bytesMax: number, field: string): string {
  const { length } = reader;
  if (length > bytesMax) {
    throw new CausewayError(
      'LIMIT_EXCEEDED',
      `${field}: ${length} bytes are more than the ${bytesMax} allowed`,
    );
  }
  return reader.text();
}

class FieldCount {
  readonly #where: string;
  #count = 0;

  constructor(where: string) {
    this.#where = where;
  }

  add(): void {
    this.#count += 1;
    if (this.#count > fieldsMax) throw tooMany(`${this.#where}: fields`, fieldsMax);
  }
}

function tooMany(field: string, max: number): CausewayError {
  return new CausewayError('LIMIT_EXCEEDED', `${field}: more than the ${max} allowed`);
}
