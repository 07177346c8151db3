import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { messageCodec } from '../../src/transport/grpc/contract.js';
import { apiKey, organisation } from '../harness/definitions.js';

/** Enough of a message to tell its kind and its sequences; the payload behind them is only counted. */
const headBytesMax = 192;
const windowBytes = 4 * 1024 * 1024;
const lengthPrefixBytes = 5;

const request = messageCodec('SyncRequest');
const statusMessage = request.write({
  status: { apisCount: 20, policiesCount: 5, health: [{ component: 'local-copy', status: 'pass' }] },
});

export interface LeanWorkerCounts {
  frames: number;
  bytes: number;
}

export interface LeanWorkerListener {
  failure(reason: string): void;
  /** Its snapshot is complete. */
  level(): void;
}

/**
 * A gRPC worker that costs little, so that what is measured is the hub: it speaks the contract over HTTP/2, checks
 * that deltas follow each other without a gap, and confirms; it does not unpack what it is sent.
 */
export class LeanWorker {
  /** Everything up to here has arrived. */
  position = -1;
  /** The snapshot is complete, or there was none to send. */
  level = false;
  snapshotBytes = 0;
  /** Without waiting for `confirm`. */
  confirmsAtOnce = false;
  readonly counts: LeanWorkerCounts = { frames: 0, bytes: 0 };
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #told: LeanWorkerListener;
  readonly #head = Buffer.alloc(headBytesMax);
  #headLength = 0;
  /** Of the whole message, prefix included; 0: not known yet. */
  #messageLength = 0;
  #messageSeen = 0;
  #confirmed = -1;
  #snapshotAt = 0;

  constructor(
    port: number,
    name: { readonly node: string; readonly group: string; readonly tags: readonly string[] },
    told: LeanWorkerListener,
  ) {
    this.#told = told;
    this.#session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: windowBytes } });
    this.#session.on('connect', () => this.#session.setLocalWindowSize(windowBytes));
    this.#session.on('error', (error) => told.failure(error.message));
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': '/causeway.v1.Bridge/Sync',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${apiKey}`,
      'x-causeway-organisation': organisation,
    });
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.on('trailers', (trailers) => told.failure(`ended: ${JSON.stringify(trailers)}`));
    this.#stream.on('error', (error) => told.failure(error.message));
    this.#send(
      request.write({
        hello: {
          node: { id: name.node, version: 'lean', hostname: 'bench', pid: 1, address: '', ttlSeconds: 30 },
          groupId: name.group,
          tags: [...name.tags],
          segmented: name.tags.length > 0,
          compressions: [],
          held: [],
          forceSync: false,
        },
      }),
    );
  }

  /** Confirms what has arrived since the last time. */
  confirm(): void {
    if (!this.level || this.position === this.#confirmed) return;
    this.#confirmed = this.position;
    this.#send(ackMessage(this.position));
  }

  sendStatus(): void {
    this.#send(statusMessage);
  }

  close(): void {
    this.#session.destroy();
  }

  #send(message: Uint8Array): void {
    const frame = Buffer.allocUnsafe(lengthPrefixBytes + message.length);
    frame[0] = 0;
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, lengthPrefixBytes);
    this.#stream.write(frame);
  }

  #read(chunk: Buffer): void {
    this.counts.bytes += chunk.length;
    let offset = 0;
    while (offset < chunk.length) {
      const headWanted = this.#messageLength === 0 ? lengthPrefixBytes : this.#headWanted();
      if (this.#headLength < headWanted) {
        const taken = Math.min(headWanted - this.#headLength, chunk.length - offset);
        chunk.copy(this.#head, this.#headLength, offset, offset + taken);
        this.#headLength += taken;
        this.#messageSeen += taken;
        offset += taken;
        if (this.#messageLength === 0 && this.#headLength === lengthPrefixBytes) {
          this.#messageLength = lengthPrefixBytes + this.#head.readUInt32BE(1);
        }
      } else {
        const skipped = Math.min(this.#messageLength - this.#messageSeen, chunk.length - offset);
        this.#messageSeen += skipped;
        offset += skipped;
      }
      if (this.#messageLength > 0 && this.#messageSeen === this.#messageLength) this.#finishMessage();
    }
    if (this.confirmsAtOnce) this.confirm();
  }

  #headWanted(): number {
    return Math.min(this.#messageLength, headBytesMax);
  }

  #finishMessage(): void {
    this.counts.frames += 1;
    const { kind, fields } = readHead(this.#head.subarray(lengthPrefixBytes, this.#headLength));
    if (kind === 'welcome') {
      this.#snapshotAt = fields.sequence;
      this.level = fields.mode === modeResume;
      if (this.level) this.position = fields.sequence;
    } else if (kind === 'chunk') {
      this.snapshotBytes += this.#messageLength;
      if (fields.last) {
        this.level = true;
        this.position = this.#snapshotAt;
        this.#told.level();
      }
    } else if (kind === 'delta') {
      if (fields.after > this.position) this.#told.failure(`gap: ${fields.after} after ${this.position}`);
      this.position = fields.sequence;
    } else if (kind === 'heartbeat') {
      if (this.level) this.position = Math.max(this.position, fields.sequence);
      // Every heartbeat is confirmed, also one that brings nothing new.
      this.#confirmed = -1;
    }
    this.#headLength = 0;
    this.#messageLength = 0;
    this.#messageSeen = 0;
  }
}

const modeResume = 1;

interface Head {
  kind: 'welcome' | 'chunk' | 'delta' | 'heartbeat' | 'other';
  fields: { after: number; sequence: number; mode: number; last: boolean };
}

/** Reads the scalars in front of the payload of a `SyncResponse`. */
function readHead(bytes: Uint8Array): Head {
  let offset = 0;
  const readNumber = (): number => {
    let value = 0;
    for (let scale = 1; offset < bytes.length; scale *= 128) {
      const byte = bytes[offset++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value;
  };
  const head: Head = { kind: 'other', fields: { after: 0, sequence: 0, mode: 0, last: false } };
  const { fields } = head;
  const member = readNumber() >>> 3;
  readNumber();
  head.kind = (['other', 'welcome', 'chunk', 'delta', 'heartbeat'] as const)[member] ?? 'other';
  while (offset < bytes.length) {
    const tag = readNumber();
    if ((tag & 7) === 0) {
      const value = readNumber();
      const field = tag >>> 3;
      if (head.kind === 'delta' && field === 1) fields.after = value;
      else if (head.kind === 'delta' && field === 2) fields.sequence = value;
      else if (head.kind === 'heartbeat' && field === 1) fields.sequence = value;
      else if (head.kind === 'chunk' && field === 2) fields.last = value === 1;
      else if (head.kind === 'welcome' && field === 3) fields.mode = value;
      continue;
    }
    const length = readNumber();
    if (head.kind !== 'welcome' || tag >>> 3 !== 2) {
      if (head.kind !== 'welcome') return head;
      offset += length;
      continue;
    }
    // The cursor: an epoch, then the sequence.
    const end = offset + length;
    while (offset < end) {
      const numeric = (readNumber() & 7) === 0;
      const value = readNumber();
      if (numeric) fields.sequence = value;
      else offset += value;
    }
  }
  return head;
}

function ackMessage(sequence: number): Uint8Array {
  const digits: number[] = [];
  for (let rest = sequence; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      digits.push(rest);
      break;
    }
    digits.push((rest % 128) | 0x80);
  }
  return Uint8Array.from([0x12, digits.length + 1, 0x08, ...digits]);
}
