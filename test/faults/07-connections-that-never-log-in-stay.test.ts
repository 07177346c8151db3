import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { type Client, credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../src/domain/limits.js';
import { packageDefinition } from '../../src/transport/grpc/contract.js';
import { acme, apiKey, type GorpcHubOptions, GorpcTestHub } from '../integration/gorpc-hub.js';
import { startHub as startWholeHub } from './started-hub.js';

const patience = { timeout: 20_000, interval: 10 };
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function startHub(options: GorpcHubOptions): Promise<GorpcTestHub> {
  const hub = await GorpcTestHub.start(options);
  cleanUps.push(() => hub.stop());
  return hub;
}

async function dial(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {});
  socket.resume();
  cleanUps.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

function idleHttp2(port: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  cleanUps.push(() => session.destroy());
  return session;
}

/** One call of `grpc.health.v1` about the hub as a whole. */
function askHealth(session: ClientHttp2Session, method: 'Check' | 'Watch'): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/grpc.health.v1.Health/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.end(Buffer.alloc(5));
  return stream;
}

const bridge = loadPackageDefinition(packageDefinition) as unknown as {
  causeway: { v1: { Bridge: new (address: string, credentials: unknown) => Client } };
};

/** A worker that has asked for a key, and does nothing from then on. */
async function grpcWorker(port: number): Promise<Client> {
  const client = new bridge.causeway.v1.Bridge(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanUps.push(() => client.close());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${apiKey}`);
  metadata.set('x-causeway-organisation', acme);
  type GetKeys = (request: object, metadata: Metadata, done: (error: Error | null) => void) => void;
  const { GetKeys: getKeys } = client as unknown as { GetKeys: GetKeys };
  await new Promise<void>((resolve, reject) => {
    getKeys.call(client, { names: ['none'] }, metadata, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  return client;
}

const refused = (hub: GorpcTestHub, reason: string) =>
  hub.metrics.value('causeway_connections_refused_total', { reason });

describe('without a login', () => {
  it('every kind of connection is closed in time, and those of workers stay', async () => {
    const hub = await startHub({ listenerBounds: { loginTimeoutMs: 1_500 } });
    const worker = await hub.loggedIn();
    await grpcWorker(hub.port);
    const idle = idleHttp2(hub.port);
    const watching = idleHttp2(hub.port);
    let goodbye = -1;
    watching.on('goaway', (code) => {
      goodbye = code;
    });
    await once(askHealth(watching, 'Watch'), 'data');
    const pinging = await hub.client();
    let pings = 0;
    const pingOn = (): void => {
      void pinging.call('Ping').then(
        () => {
          pings += 1;
          setImmediate(pingOn);
        },
        () => {},
      );
    };
    pingOn();
    await vi.waitFor(() => expect(pings).toBeGreaterThan(2), patience);
    const startedMs = performance.now();
    await vi.waitFor(() => {
      expect([idle.closed || idle.destroyed, watching.closed || watching.destroyed]).toEqual([true, true]);
      expect(refused(hub, 'no-login')).toBe(3);
    }, patience);
    expect(goodbye).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(hub.metrics.value('causeway_limit_hits_total', { limit: 'loginTimeoutMs' })).toBe(3);
    expect(await worker.call('GetKey', 'apikey-none')).toMatchObject({ error: 'key not found' });
    await vi.waitFor(() => expect(hub.graph.listener.openConnections).toBe(2), patience);
    expect(hub.metrics.value('causeway_strangers', {})).toBe(0);
  });

  it('a worker that lost its right is a stranger again, however often it calls', async () => {
    const hub = await startHub({ listenerBounds: { loginTimeoutMs: 500 } });
    await hub.loggedIn();
    await vi.waitFor(() => expect(hub.metrics.value('causeway_strangers', {})).toBe(0), patience);
    hub.graph.gorpc.sessions.endRefused(() => false);
    await vi.waitFor(() => expect(hub.graph.listener.openConnections).toBe(0), patience);
    expect(refused(hub, 'no-login')).toBe(1);
  });
});

describe('a flood', () => {
  it('keeps neither workers nor newcomers of other networks out', async () => {
    const hub = await startHub({ listenerBounds: { connectionsMax: 200, misconfiguredDelayMs: 300 } });
    // A whole fleet behind one address, logged in.
    const fleet = await Promise.all(Array.from({ length: 100 }, () => hub.loggedIn()));
    await vi.waitFor(() => expect(hub.metrics.value('causeway_strangers', {})).toBe(0), patience);
    for (let wave = 0; wave < 4; wave++) {
      await Promise.all(Array.from({ length: 50 }, (_, host) => dial(hub.port, `127.0.${wave}.${host + 1}`)));
    }
    await vi.waitFor(
      () => expect(refused(hub, 'strangers') + refused(hub, 'evicted')).toBeGreaterThan(50),
      patience,
    );
    expect(hub.graph.listener.openConnections).toBeLessThanOrEqual(200);
    // Also of the network that floods nobody who is logged in is touched.
    for (const one of fleet)
      expect(await one.call('GetKey', 'apikey-none')).toMatchObject({ error: 'key not found' });
    const newcomer = await hub.loggedIn({ localAddress: '127.9.9.9' });
    expect(await newcomer.call('GetKey', 'apikey-none')).toMatchObject({ error: 'key not found' });
    const lines = hub.log.lines.filter(({ level }) => level === 'warn');
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(10);
  });

  it('is refused slowly, so that nobody redials in a tight loop', async () => {
    const hub = await startHub({ listenerBounds: { connectionsMax: 1, misconfiguredDelayMs: 400 } });
    await hub.loggedIn();
    const startedMs = performance.now();
    for (let dials = 0; dials < 3; dials++) {
      const socket = await dial(hub.port);
      await once(socket, 'close');
    }
    expect(performance.now() - startedMs).toBeGreaterThan(1_000);
    expect(refused(hub, 'connections-max')).toBe(3);
  });
});

describe('five thousand health watches', () => {
  it('of somebody who has not logged in begin a few at a time, and a worker has the room it needs', async () => {
    const hub = await startHub({});
    const session = idleHttp2(hub.port);
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.maxConcurrentStreams).toBe(limits.strangerCallsPerConnectionMax);
    let answered = 0;
    for (let count = 0; count < 5_000; count++) askHealth(session, 'Watch').once('data', () => answered++);
    await vi.waitFor(() => expect(answered).toBe(limits.strangerCallsPerConnectionMax), patience);
    await once(askHealth(idleHttp2(hub.port), 'Check'), 'data');
    expect(answered).toBe(limits.strangerCallsPerConnectionMax);

    const worker = idleHttp2(hub.port);
    await once(worker, 'remoteSettings');
    const raised = once(worker, 'remoteSettings');
    const call = worker.request({
      ':method': 'POST',
      ':path': '/causeway.v1.Bridge/GetKeys',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${apiKey}`,
      'x-causeway-organisation': acme,
    });
    call.end(Buffer.alloc(5));
    await raised;
    expect(worker.remoteSettings.maxConcurrentStreams).toBe(limits.callsPerConnectionMax);
  });
});

describe('the HTTP port', () => {
  it('gives no host all of it, and a probe always gets through', async () => {
    const started = await startWholeHub();
    cleanUps.push(() => started.stop());
    const { port } = started.hub.http;
    let closed = 0;
    for (let count = 0; count < limits.httpConnectionsPerHostMax + 40; count++) {
      (await dial(port, '127.0.0.2')).once('close', () => closed++);
    }
    await vi.waitFor(() => expect(closed).toBe(40), patience);
    expect((await fetch(`${started.origin}/liveness`)).status).toBe(200);
    for (let host = 3; closed < 60 && host < 40; host++) {
      for (let count = 0; count < 100; count++) {
        (await dial(port, `127.0.0.${host}`)).once('close', () => closed++);
      }
    }
    expect(closed).toBeGreaterThanOrEqual(60);
    // Its connection is the only one of its network: the flood gives one up for it.
    const probe = await dial(port, '127.5.5.5');
    probe.write('GET /liveness HTTP/1.1\r\nhost: x\r\n\r\n');
    const [answer] = (await once(probe, 'data')) as [Buffer];
    expect(answer.toString()).toContain('200 OK');
  });
});

describe('the bound on connections', () => {
  it('follows the descriptors of the process, and readiness says when it is near', async () => {
    const hub = await startHub({ descriptorsMax: 64 });
    const max = hub.metrics.value('causeway_connections_max', {});
    expect(max).toBe(64 - 16 - 8 - 8);
    expect(hub.graph.listener.nearBound()).toBeUndefined();
    const open: Socket[] = [];
    for (let count = 0; count < Math.ceil(max * 0.9); count++) open.push(await dial(hub.port));
    await vi.waitFor(
      () => expect(hub.graph.listener.nearBound()).toMatch(/of 32 connections are open/),
      patience,
    );
    expect(hub.log.lines.filter(({ message }) => message === 'the worker port is nearly full')).toHaveLength(
      1,
    );
    for (const socket of open) socket.destroy();
    await vi.waitFor(() => expect(hub.graph.listener.nearBound()).toBeUndefined(), patience);
  });
});
