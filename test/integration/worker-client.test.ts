import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Definition, DefinitionKind } from '../../src/domain/definition.js';
import { hashDefinition } from '../../src/domain/definition-hash.js';
import type { KeyEvent } from '../../src/domain/key-event.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { connectBridge } from '../../src/transport/grpc/bridge-client.js';
import { FolderLocalCopy } from '../../src/worker/folder-local-copy.js';
import type { LocalCopy } from '../../src/worker/local-copy.js';
import { MemoryLocalCopy } from '../../src/worker/memory-local-copy.js';
import { WorkerClient, type WorkerOptions } from '../../src/worker/worker-client.js';
import type { WorkerEvent } from '../../src/worker/worker-event.js';
import { acme, apiKey, definition as hubDefinition, startGrpcHub, until } from './grpc-hub.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const clock = new SystemClock();

function definition(
  kind: DefinitionKind,
  id: string,
  content = {},
  tags: readonly string[] = [],
): Definition {
  const made = hubDefinition(kind, id, content, tags);
  return { ...made, hash: hashDefinition(made.form, made.body, made.oas) };
}

async function startHub(...definitions: readonly Definition[]) {
  const hub = await startGrpcHub();
  closers.push(hub.stop);
  hub.catalog.put(...definitions);
  await hub.distributor.reload();
  const tell = (event: KeyEvent) =>
    hub.changeLog.append([{ organisation: acme, atMs: clock.nowMs(), body: { type: 'key', event } }]);
  return { ...hub, tell };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function startWorker(target: string, copy: LocalCopy, options: Partial<WorkerOptions> = {}) {
  const events: WorkerEvent[] = [];
  const worker = new WorkerClient(
    {
      organisation: acme,
      apiKey,
      nodeId: 'node-1',
      group: 'eu',
      tags: [],
      segmented: false,
      codecs: ['lz4'],
      version: 'test',
      hostname: 'here',
      pid: 1,
      address: '',
      reconnectDelayMsFirst: 20,
      ...options,
    },
    {
      copy,
      connect: (credentials) => connectBridge({ target, tls: undefined }, credentials),
      clock,
      random: () => 0.5,
      onEvent: (event) => events.push(event),
    },
  );
  worker.start();
  closers.push(() => worker.stop());
  const ofType = <Type extends WorkerEvent['type']>(type: Type) =>
    events.filter((event): event is Extract<WorkerEvent, { type: Type }> => event.type === type);
  return { worker, events, ofType };
}

test('keeps exact bytes of a first load, of edits and removals, in private files', async () => {
  const orders = { ...definition('api', 'Orders/ä', { big: 1 }), oas: Buffer.from('{"openapi":"3.0.3"}') };
  const withOas = { ...orders, hash: hashDefinition('plain', orders.body, orders.oas) };
  const hub = await startHub(withOas, definition('policy', 'gold'), definition('client-idp', 'idp'));
  const folder = await temporaryFolder();
  const copy = await FolderLocalCopy.open(folder, { organisation: acme, nodeId: 'node-1' });
  const { worker, ofType } = startWorker(hub.address, copy);
  await until(() => ofType('snapshot-complete').length === 1, 'snapshot');
  expect(await worker.readDefinition('api', 'Orders/ä')).toMatchObject({
    body: orders.body,
    oas: orders.oas,
  });
  expect(await readdir(join(folder, 'apis'))).toEqual([
    '%4frders%2f%c3%a4.json',
    '%4frders%2f%c3%a4.oas.json',
  ]);
  const body = join(folder, 'apis', '%4frders%2f%c3%a4.json');
  expect((await stat(body)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'apis'))).mode & 0o777).toBe(0o700);
  expect(await readFile(body)).toEqual(orders.body);

  hub.catalog.put(definition('api', 'Orders/ä', { edited: true }));
  hub.catalog.remove({ organisation: acme, kind: 'policy', id: 'gold' });
  await hub.distributor.reload();
  await until(() => ofType('put').length === 4 && ofType('removed').length === 1, 'deltas');
  expect(await readdir(join(folder, 'apis'))).toEqual(['%4frders%2f%c3%a4.json']);
  expect((await readFile(body)).toString()).toContain('edited');
  expect(await readdir(join(folder, 'policies'))).toEqual([]);
  await until(() => (ofType('level')[0]?.sequence ?? 0) >= 0 && ofType('level').length === 1, 'level');
  await until(() => [...hub.fanout.sessions()][0]?.confirmed === copy.cursor?.sequence, 'confirmed');
});

test('works on without a hub and after a restart, then catches up with nothing sent twice', async () => {
  const hub = await startHub(definition('api', 'orders'), definition('api', 'users'));
  const folder = await temporaryFolder();
  const open = () => FolderLocalCopy.open(folder, { organisation: acme, nodeId: 'node-1' });
  const first = startWorker(hub.address, await open());
  await until(() => first.ofType('snapshot-complete').length === 1, 'snapshot');
  await first.worker.stop();
  hub.catalog.put(definition('api', 'users', { v: 2 }));
  await hub.distributor.reload();

  const away = startWorker('127.0.0.1:1', await open());
  await until(() => away.ofType('disconnected').length >= 2, 'attempts');
  expect(away.ofType('disconnected')[0]?.code).toBe('HUB_UNREACHABLE');
  expect((await away.worker.readDefinition('api', 'users'))?.body.toString()).not.toContain('"v":2');
  await away.worker.stop();

  const again = startWorker(hub.address, await open());
  await until(() => again.ofType('level').length === 1, 'level');
  expect(again.ofType('welcome')[0]?.mode).toBe('resume');
  expect(again.ofType('put').map(({ id }) => id)).toEqual(['users']);
  expect((await again.worker.readDefinition('api', 'users'))?.body.toString()).toContain('"v":2');
});

test('fetches changed keys with their life, drops removed ones, keeps those it was asked for', async () => {
  const hub = await startHub(definition('api', 'orders'));
  const { worker, ofType } = startWorker(hub.address, new MemoryLocalCopy());
  await until(() => ofType('snapshot-complete').length === 1, 'snapshot');
  await hub.keyStore.put('apikey-k1', Buffer.from('{"rate":1}'), 60_000);
  await hub.tell({ kind: 'key-changed', key: 'k1', hashed: false });
  await until(() => ofType('key').length === 1, 'key event');
  expect(ofType('key')[0]).toMatchObject({ event: 'key-changed', key: 'k1', outcome: 'stored' });
  const held = await worker.readKey('apikey-k1');
  expect(held?.value.toString()).toBe('{"rate":1}');
  expect(held?.expiresAtMs).toBeGreaterThan(clock.nowMs() + 50_000);

  await hub.keyStore.remove(['apikey-k1']);
  await hub.tell({ kind: 'key-removed', key: 'k1', hashed: false });
  await until(() => ofType('key').length === 2, 'removal');
  expect(await worker.readKey('apikey-k1')).toBeUndefined();

  await hub.keyStore.put('apikey-k2', Buffer.from('{}'), undefined);
  expect((await worker.readKey('apikey-k2'))?.value.toString()).toBe('{}');
  hub.keyStore.failAlways();
  expect((await worker.readKey('apikey-k2'))?.value.toString()).toBe('{}');
});

test('refuses what it cannot apply and applies it when it comes again', async () => {
  const hub = await startHub(definition('api', 'orders'));
  const { worker, ofType } = startWorker(hub.address, new MemoryLocalCopy());
  await until(() => ofType('snapshot-complete').length === 1, 'snapshot');
  await hub.keyStore.put('apikey-k1', Buffer.from('{"v":1}'), undefined);
  hub.keyStore.failNext(undefined, { method: 'getMany' });
  await hub.tell({ kind: 'key-changed', key: 'k1', hashed: false });
  hub.catalog.put(definition('api', 'orders', { v: 2 }));
  await hub.distributor.reload();
  await until(() => ofType('apply-failed').length === 1, 'nack');
  const lastNack = () => [...hub.fanout.sessions()][0]?.lastNack;
  await until(() => lastNack() !== undefined, 'nack at the hub');
  expect(lastNack()).toContain('does not answer');
  await until(() => ofType('key').length === 1 && ofType('put').length === 2, 'redelivery');
  expect((await worker.readKey('apikey-k1'))?.value.toString()).toBe('{"v":1}');
  expect(ofType('welcome')).toHaveLength(1);
  await until(() => [...hub.fanout.sessions()][0]?.confirmed === 3, 'confirmed');
});

test('tells of a refusal once and goes on trying', async () => {
  const hub = await startHub(definition('api', 'orders'));
  const { ofType } = startWorker(hub.address, new MemoryLocalCopy(), { apiKey: 'wrong' });
  await until(() => ofType('refused').length === 1, 'refusal');
  expect(ofType('refused')[0]).toMatchObject({ code: 'API_KEY_REFUSED' });
});

test('comes back after a goodbye and after a crash of the hub', async () => {
  const hub = await startHub(definition('api', 'orders'));
  const copy = new MemoryLocalCopy();
  const { ofType } = startWorker(hub.address, copy);
  await until(() => ofType('snapshot-complete').length === 1, 'snapshot');
  await hub.stop();
  await until(() => ofType('goodbye').length === 1, 'goodbye');
  await until(() => ofType('disconnected').length >= 2, 'attempts');
  expect([...copy.definitions()].map(({ id }) => id)).toEqual(['orders']);
});

test('brings analytics home once, whatever the hub says first', async () => {
  const hub = await startHub(definition('api', 'orders'));
  const taken = new Map<string, number>();
  let calls = 0;
  hub.bridge.acceptAnalytics = async ({ batchId, records }) => {
    calls += 1;
    if (calls === 1) throw new CausewayError('STORE_UNAVAILABLE', 'the spool does not answer');
    const count = JSON.parse(records.toString()).length;
    taken.set(batchId, count);
    return { status: 'accepted', accepted: count, dropped: 0, error: undefined };
  };
  const { worker, ofType } = startWorker(hub.address, new MemoryLocalCopy());
  const outcomes = await Promise.all([
    worker.report([{ api_id: 'orders' }, { api_id: 'users' }]),
    worker.report(Buffer.from('[{"api_id":"orders"}]')),
  ]);
  expect(outcomes.map(({ status, accepted }) => [status, accepted])).toEqual([
    ['accepted', 2],
    ['accepted', 1],
  ]);
  expect([...taken.values()].sort()).toEqual([1, 2]);
  expect(ofType('report').some(({ status }) => status === 'retry')).toBe(true);
  expect(worker.pendingReports).toBe(0);
  await expect(worker.report(Buffer.from('{"no":"array"}'))).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  });
});

test('a batch that waits when the worker stops is reported as abandoned', async () => {
  const { worker } = startWorker('127.0.0.1:1', new MemoryLocalCopy());
  const outcome = worker.report([{ api_id: 'orders' }]);
  await worker.stop();
  expect((await outcome).status).toBe('abandoned');
});

test('keeps a key that is damaged at the hub, gives up one that is gone, and goes on', async () => {
  const hub = await startGrpcHub(1);
  closers.push(hub.stop);
  await hub.distributor.reload();
  const copy = new MemoryLocalCopy();
  const names = ['apikey-a', 'apikey-b', 'apikey-c'];
  for (const name of names) await hub.keyStore.put(name, Buffer.from(name), undefined);
  const first = startWorker(hub.address, copy);
  await until(() => first.ofType('snapshot-complete').length === 1, 'snapshot');
  for (const name of names) expect((await first.worker.readKey(name))?.value.toString()).toBe(name);
  await first.worker.stop();

  await hub.keyStore.remove(['apikey-b']);
  const event: KeyEvent = { kind: 'key-changed', key: 'other', hashed: false };
  const change = { organisation: acme, atMs: 1, body: { type: 'key', event } } as const;
  for (let count = 0; count < 3; count += 1) await hub.changeLog.append([change]);
  const getMany = hub.keyStore.getMany.bind(hub.keyStore);
  hub.keyStore.getMany = (asked, options) =>
    asked.includes('apikey-c')
      ? Promise.reject(new CausewayError('STORE_ITEM_UNREADABLE', 'a stored key is damaged'))
      : getMany(asked, options);
  const second = startWorker(hub.address, copy);
  await until(() => second.ofType('snapshot-complete').length === 1, 'second snapshot');
  expect([...copy.keyNames()].sort()).toEqual(['apikey-a', 'apikey-c']);
  expect(second.ofType('apply-failed')).toEqual([]);
});
