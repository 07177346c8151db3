import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';

export interface RawAnswer {
  readonly status: number | undefined;
  readonly details: string;
  readonly body: Buffer;
  /** The stream was reset instead of answered. */
  readonly reset: boolean;
}

/** gRPC by hand: frames that no library would send. */
export class RawGrpc {
  readonly session: ClientHttp2Session;

  constructor(port: number) {
    this.session = connect(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: 65_535 },
      maxSessionMemory: 2_000,
    });
    this.session.on('error', () => {});
  }

  open(path: string, headers: Record<string, string> = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => {});
    return stream;
  }

  /** Sends the bytes and reads everything that comes back. */
  call(path: string, bytes: Buffer, headers: Record<string, string> = {}): Promise<RawAnswer> {
    const stream = this.open(path, headers);
    const answer = answerOf(stream);
    stream.end(bytes);
    return answer;
  }

  close(): void {
    this.session.destroy();
  }
}

export function answerOf(stream: ClientHttp2Stream): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let status: number | undefined;
    let details = '';
    const note = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status']);
      if (headers['grpc-message'] !== undefined)
        details = decodeURIComponent(String(headers['grpc-message']));
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('data', (chunk: Buffer) => parts.push(chunk));
    stream.on('close', () => {
      resolve({ status, details, body: Buffer.concat(parts), reset: stream.rstCode !== 0 });
    });
    // Who was answered early goes on sending into nothing.
    stream.on('end', () => stream.close());
  });
}

export function framed(message: Buffer, compressed = 0): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame[0] = compressed;
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  return frame;
}

/** A field with bytes: tag, length, content. */
export function bytesField(number: number, content: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
