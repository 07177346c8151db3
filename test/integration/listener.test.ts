import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import type { ConnectionDetails, ProtocolHandler } from '../../src/transport/listener/protocol-handler.js';
import { WorkerListener, type WorkerListenerOptions } from '../../src/transport/listener/worker-listener.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';

const clock = new SystemClock();
const first = testCertificate('first');
const firstContext = createSecureContext({ cert: first.certificate, key: first.key });
const tls = { secureContext: () => firstContext };

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('the worker port', () => {
  describe.each([
    ['in cleartext', undefined],
    ['over TLS', tls],
  ])('%s', (_, terms) => {
    it('serves gRPC and gorpc side by side', async () => {
      const port = await startListener({ tls: terms });
      const call = await grpcEcho(port, terms !== undefined);
      const worker = await dial(port, terms !== undefined);
      worker.write('proto2 hello');
      await expect(answerOf(worker)).resolves.toBe('<proto2 hello>');
      await expect(call('first')).resolves.toBe('first');
      await expect(call('x'.repeat(200_000))).resolves.toHaveLength(200_000);
    });

    it('waits for a preamble that comes byte by byte, and loses none of it', async () => {
      const port = await startListener({ tls: terms });
      const worker = await dial(port, terms !== undefined);
      for (const byte of 'proto2!') {
        worker.write(byte);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await vi.waitFor(() => expect(received.join('')).toBe('proto2!'));
    });

    it('understands HTTP/2 whose preface comes byte by byte', async () => {
      const port = await startListener({ tls: terms });
      const { port: relayPort } = await bytewiseRelay(port, 60);
      const call = await grpcEcho(relayPort, terms !== undefined);
      await expect(call('slow start')).resolves.toBe('slow start');
    });

    it('closes unknown bytes, says who and what, and counts', async () => {
      const port = await startListener({ tls: terms });
      const stranger = await dial(port, terms !== undefined);
      stranger.write('GET / HTTP/1.1\r\n\r\n');
      await closed(stranger);
      const line = log.lines.find(({ fields }) => fields['reason'] === 'unknown-protocol');
      expect(line?.level).toBe('warn');
      expect(line?.fields).toMatchObject({
        remoteAddress: '127.0.0.1',
        bytes: Buffer.from('GET / HT').toString('hex'),
      });
      expect(refused('unknown-protocol')).toBe(1);
    });

    it('closes a silent connection after the time for the preamble', async () => {
      const port = await startListener({ tls: terms, bounds: { preambleTimeoutMs: 60 } });
      const silent = await dial(port, false);
      await closed(silent);
      const stuck = await dial(port, terms !== undefined);
      stuck.write('prot');
      await closed(stuck);
      expect(refused('preamble-timeout')).toBe(2);
      expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    });

    it('leaves a connection alone once it is accepted', async () => {
      const port = await startListener({ tls: terms, bounds: { preambleTimeoutMs: 60 } });
      const worker = await dial(port, terms !== undefined);
      worker.write('proto2');
      await answerOf(worker);
      await new Promise((resolve) => setTimeout(resolve, 120));
      worker.write('later');
      await expect(answerOf(worker)).resolves.toBe('<later>');
    });

    it('says nothing about probes that connect and close', async () => {
      const port = await startListener({ tls: terms });
      for (let probe = 0; probe < 5; probe += 1) {
        const socket = await dial(port, terms !== undefined);
        if (probe % 2 === 0) socket.destroy();
        else socket.end();
        await closed(socket);
      }
      await vi.waitFor(() => expect(listener.openConnections).toBe(0));
      expect(log.lines.filter(({ level }) => level !== 'debug' && level !== 'info')).toEqual([]);
      expect(metrics.total('causeway_connections_refused_total')).toBe(0);
    });

    it('counts open connections and forgets them when they close', async () => {
      const port = await startListener({ tls: terms });
      const call = await grpcEcho(port, terms !== undefined);
      await call('x');
      const worker = await dial(port, terms !== undefined);
      worker.write('proto2');
      await answerOf(worker);
      expect(metrics.value('causeway_connections', { protocol: 'grpc' })).toBe(1);
      expect(metrics.value('causeway_connections', { protocol: 'gorpc' })).toBe(1);
      worker.destroy();
      call.close();
      await vi.waitFor(() => expect(metrics.total('causeway_connections')).toBe(0));
      expect(listener.openConnections).toBe(0);
    });

    it('tells the handler who connects', async () => {
      const port = await startListener({ tls: terms });
      const worker = await dial(port, terms !== undefined);
      worker.write('proto2');
      await answerOf(worker);
      expect(accepted[0]).toEqual({
        remoteAddress: '127.0.0.1',
        remotePort: expect.any(Number),
        secure: terms !== undefined,
        serverName: terms === undefined ? undefined : 'localhost',
        standing: expect.anything(),
      });
    });
  });

  it('serves HTTP/2 over TLS without ALPN', async () => {
    const port = await startListener({ tls });
    const socket = connectTls({ port, host: '127.0.0.1', ca: first.certificate, servername: 'localhost' });
    cleanUps.push(() => socket.destroy());
    await once(socket, 'secureConnect');
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const [frame] = (await once(socket, 'data')) as [Buffer];
    expect(frame[3]).toBe(4);
  });

  it('refuses a worker with TLS while use_ssl is off, without making it redial at once', async () => {
    const port = await startListener({ bounds: { misconfiguredDelayMs: 150 } });
    const startedMs = clock.monotonicMs();
    const worker = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await closed(worker);
    expect(clock.monotonicMs() - startedMs).toBeGreaterThan(100);
    expect(refused('tls-not-enabled')).toBe(1);
    expect(log.lines.some(({ message }) => message.includes('use_ssl is off'))).toBe(true);
  });

  it('refuses a worker without TLS while use_ssl is on, unless both are allowed', async () => {
    const port = await startListener({ tls, bounds: { misconfiguredDelayMs: 10 } });
    const worker = await dial(port, false);
    worker.write('proto2');
    await closed(worker);
    expect(refused('tls-required')).toBe(1);
    expect(received).toEqual([]);

    const bothPort = await startListener({ tls, allowCleartext: true });
    for (const secure of [true, false]) {
      const allowed = await dial(bothPort, secure);
      allowed.write('proto2');
      await expect(answerOf(allowed)).resolves.toBe('<proto2>');
    }
  });

  it('names a failed TLS handshake once and goes on', async () => {
    const port = await startListener({ tls });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const worker = connectTls({
        port,
        host: '127.0.0.1',
        ALPNProtocols: ['http/1.1'],
        ca: first.certificate,
      });
      await closed(worker);
    }
    await vi.waitFor(() => expect(refused('tls-handshake')).toBe(3));
    expect(log.lines.filter(({ fields }) => fields['reason'] === 'tls-handshake')).toHaveLength(1);
    const good = await dial(port, true);
    good.write('proto2');
    await expect(answerOf(good)).resolves.toBe('<proto2>');
  });

  it('closes a connection whose TLS records are broken', async () => {
    const port = await startListener({ tls });
    const raw = await dial(port, false);
    const worker = connectTls({ socket: raw as Socket, ca: first.certificate, servername: 'localhost' });
    worker.on('error', () => {});
    await once(worker, 'secureConnect');
    worker.write('proto2');
    await answerOf(worker);
    raw.write(Buffer.from('not a TLS record at all'));
    await closed(raw);
    await vi.waitFor(() => expect(listener.openConnections).toBe(0));
  });

  it('survives a peer that resets at any point', async () => {
    const port = await startListener({ tls, allowCleartext: true });
    for (const bytes of [
      '',
      'p',
      'PRI * HTTP/2.0\r\n',
      'proto2',
      '\u0016',
      '\u0016\u0003\u0001\u0002\u0000',
    ]) {
      const socket = await dial(port, false);
      if (bytes !== '') socket.write(Buffer.from(bytes, 'latin1'));
      await new Promise((resolve) => setTimeout(resolve, 10));
      (socket as Socket).resetAndDestroy();
    }
    await vi.waitFor(() => expect(listener.openConnections).toBe(0));
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('closes connections beyond the bound, and takes new ones when there is room', async () => {
    const port = await startListener({ bounds: { connectionsMax: 2 } });
    const one = await dial(port, false);
    one.write('proto2');
    await answerOf(one);
    const two = await dial(port, false);
    two.write('proto2');
    await answerOf(two);
    const three = await dial(port, false);
    await closed(three);
    expect(refused('connections-max')).toBe(1);
    expect(metrics.value('causeway_limit_hits_total', { limit: 'connectionsMax' })).toBe(1);
    one.destroy();
    await vi.waitFor(() => expect(listener.openConnections).toBe(1));
    const four = await dial(port, false);
    four.write('proto2');
    await expect(answerOf(four)).resolves.toBe('<proto2>');
  });

  it('closes what claims to need more for ever', async () => {
    const greedy: ProtocolHandler = { matches: () => 'need-more', accept: () => {} };
    const port = await startListener({ handlers: { greedy } });
    const worker = await dial(port, false);
    worker.write(Buffer.alloc(1024, 1));
    await closed(worker);
    expect(refused('unknown-protocol')).toBe(1);
  });

  it('closes a connection whose handler throws', async () => {
    const broken: ProtocolHandler = {
      matches: () => 'yes',
      accept: () => {
        throw new Error('broken');
      },
    };
    const port = await startListener({ handlers: { broken } });
    const worker = await dial(port, false);
    worker.write('x');
    await closed(worker);
    expect(log.lines.some(({ level }) => level === 'error')).toBe(true);
  });

  it('names the address and the option when the port is taken', async () => {
    const port = await startListener({});
    await expect(startListener({ port })).rejects.toMatchObject({
      code: 'PORT_BUSY',
      message: `listen_port: the address 127.0.0.1:${port} is in use`,
    });
    expect(listener.notReady()).toBe('the worker port is not open');
  });

  it('lets handlers drain, then destroys what remains', async () => {
    let finish = (): void => {};
    const drain = vi.fn(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const port = await startListener({ handlers: { gorpc: { ...gorpc, drain } } });
    const worker = await dial(port, false);
    worker.write('proto2');
    await answerOf(worker);
    const undecided = await dial(port, false);
    const stopped = listener.stop(clock.monotonicMs() + 10_000);
    await closed(undecided);
    worker.write('last call');
    await expect(answerOf(worker)).resolves.toBe('<last call>');
    await expect(dial(port, false)).rejects.toThrow();
    finish();
    await stopped;
    await closed(worker);
    expect(drain).toHaveBeenCalledOnce();
  });

  it('does not wait past the deadline', async () => {
    const drain = () => new Promise<void>(() => {});
    const port = await startListener({ handlers: { gorpc: { ...gorpc, drain } } });
    const worker = await dial(port, false);
    worker.write('proto2');
    await answerOf(worker);
    await listener.stop(clock.monotonicMs() + 50);
    await closed(worker);
  });
});

let listener: WorkerListener;
let log = new RecordingLog();
let metrics = recordingMetrics();
let received: string[] = [];
let accepted: ConnectionDetails[] = [];

/** Answers each chunk in angle brackets. */
const gorpc: ProtocolHandler = {
  matches: (head) => {
    const length = Math.min(head.length, 6);
    if (!'proto2'.startsWith(head.toString('latin1', 0, length))) return 'no';
    return length === 6 ? 'yes' : 'need-more';
  },
  accept: (stream: Duplex, details) => {
    accepted.push(details);
    stream.on('data', (chunk: Buffer) => {
      received.push(chunk.toString());
      stream.write(`<${chunk.toString()}>`);
    });
  },
};

/** A real grpc-js server behind the port: unary echo of a text. */
function grpcHandler(): ProtocolHandler {
  const server = new grpc.Server();
  server.addService(echoService, {
    echo: (call: grpc.ServerUnaryCall<string, string>, answer: grpc.sendUnaryData<string>) =>
      answer(null, call.request),
  });
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  cleanUps.push(() => server.forceShutdown());
  const preface = Buffer.from('PRI * HTTP/2.0');
  return {
    matches: (head) => {
      const length = Math.min(head.length, preface.length);
      if (!preface.subarray(0, length).equals(head.subarray(0, length))) return 'no';
      return length === preface.length ? 'yes' : 'need-more';
    },
    accept: (stream) => injector.injectConnection(stream),
  };
}

const echoService: grpc.ServiceDefinition = {
  echo: {
    path: '/test.Echo/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: (text: string) => Buffer.from(text),
    requestDeserialize: (bytes: Buffer) => bytes.toString(),
    responseSerialize: (text: string) => Buffer.from(text),
    responseDeserialize: (bytes: Buffer) => bytes.toString(),
  },
};

async function startListener(options: Partial<WorkerListenerOptions>): Promise<number> {
  log = new RecordingLog();
  metrics = recordingMetrics();
  received = [];
  accepted = [];
  listener = new WorkerListener(
    { port: 0, host: '127.0.0.1', handlers: { grpc: grpcHandler(), gorpc }, ...options },
    { log, clock, metrics },
  );
  const started = listener;
  await started.start();
  cleanUps.push(() => started.stop(clock.monotonicMs()));
  return started.address().port;
}

async function dial(port: number, secure: boolean): Promise<Socket | TLSSocket> {
  const socket = secure
    ? connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: first.certificate })
    : connect({ port, host: '127.0.0.1', noDelay: true });
  cleanUps.push(() => socket.destroy());
  await once(socket, secure ? 'secureConnect' : 'connect');
  socket.on('error', () => {});
  return socket;
}

async function answerOf(socket: Duplex): Promise<string> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

async function closed(socket: Duplex): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

async function grpcEcho(port: number, secure: boolean) {
  const credentials = secure
    ? grpc.credentials.createSsl(first.certificate)
    : grpc.credentials.createInsecure();
  const client = new grpc.Client(`localhost:${port}`, credentials);
  cleanUps.push(() => client.close());
  const call = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = echoService['echo']!;
      const deadline = new Date(Date.now() + 10_000);
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        text,
        new grpc.Metadata(),
        { deadline },
        (error, answer) => (error === null ? resolve(answer as string) : reject(error)),
      );
    });
  return Object.assign(call, { close: () => client.close() });
}

/** Passes the first `slowBytes` bytes of a client on one at a time. */
async function bytewiseRelay(targetPort: number, slowBytes: number): Promise<{ port: number }> {
  const server = createServer((client) => {
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    target.pipe(client);
    client.on('error', () => {});
    target.on('error', () => {});
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
    let left = slowBytes;
    void (async () => {
      for await (const chunk of client as AsyncIterable<Buffer>) {
        const slow = Math.min(left, chunk.length);
        left -= slow;
        for (let at = 0; at < slow; at += 1) {
          target.write(chunk.subarray(at, at + 1));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        if (chunk.length > slow) target.write(chunk.subarray(slow));
      }
    })().catch(() => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0 };
}

function refused(reason: string): number {
  return metrics.value('causeway_connections_refused_total', { reason });
}
