import { status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { acme, callMetadata, connect, definition, PlainWorker, startGrpcHub, until } from './grpc-hub.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(entriesMax?: number) {
  const hub = await startGrpcHub(entriesMax);
  closers.push(hub.stop);
  return hub;
}

function worker(address: string, hello: object, metadata = callMetadata()): PlainWorker {
  const opened = new PlainWorker(address, { node: { id: 'node-1' }, groupId: 'eu', ...hello }, metadata);
  closers.push(() => opened.close());
  return opened;
}

const last = (one: PlainWorker) => one.messages.some(({ snapshotChunk }) => snapshotChunk?.last === true);

test.each(['COMPRESSION_LZ4', 'COMPRESSION_GZIP', 'COMPRESSION_NONE'])(
  'a first worker receives its view in %s and then every change in order',
  async (compression) => {
    const hub = await start();
    hub.catalog.put(
      definition('api', 'orders', { name: 'a' }, ['eu']),
      definition('api', 'users', { name: 'b' }, ['us']),
      definition('policy', 'gold', {}),
    );
    await hub.distributor.reload();
    const one = worker(hub.address, { compressions: [compression], segmented: true, tags: ['eu'] });
    await until(() => last(one), 'snapshot');
    expect(one.welcome?.compression).toBe(compression);
    expect(one.welcome?.reason).toBe('SNAPSHOT_REASON_FIRST_SYNC');
    expect(one.definitions.map(({ id }) => id).sort()).toEqual(['gold', 'orders']);

    hub.catalog.put(definition('api', 'orders', { name: 'edited' }, ['eu']));
    await hub.distributor.reload();
    hub.catalog.put(definition('api', 'users', { name: 'not for eu' }, ['us']));
    await hub.distributor.reload();
    hub.catalog.remove({ organisation: acme, kind: 'api', id: 'orders' });
    await hub.distributor.reload();
    await until(() => one.changes.length >= 2, 'changes');
    expect(one.changes.map(({ put, removed }) => put?.id ?? `-${removed?.id}`)).toEqual([
      'orders',
      '-orders',
    ]);
    expect(one.changes[0]?.put?.body.toString()).toContain('edited');
  },
);

test('a worker that comes back with its cursor receives only what it missed', async () => {
  const hub = await start();
  hub.catalog.put(definition('api', 'orders'), definition('api', 'users'));
  await hub.distributor.reload();
  const first = worker(hub.address, {});
  await until(() => last(first), 'snapshot');
  hub.catalog.put(definition('api', 'orders', { v: 2 }));
  await hub.distributor.reload();
  await until(() => first.changes.length === 1, 'first change');
  const { sequence } = first.changes[0]!;
  first.close();
  hub.catalog.put(definition('api', 'users', { v: 2 }));
  await hub.distributor.reload();

  const again = worker(hub.address, { cursor: { epoch: first.welcome?.start?.epoch, sequence } });
  await until(() => again.changes.length === 1, 'what was missed');
  expect(again.welcome?.mode).toBe('SYNC_MODE_RESUME');
  expect(again.definitions).toEqual([]);
  expect(again.changes[0]?.put?.id).toBe('users');
});

test('a worker that holds versions receives only differences', async () => {
  const hub = await start();
  const orders = definition('api', 'orders');
  hub.catalog.put(orders, definition('api', 'users'));
  await hub.distributor.reload();
  const one = worker(hub.address, {
    held: [{ kind: 'DEFINITION_KIND_API', id: 'orders', hash: orders.hash }],
  });
  await until(() => last(one), 'snapshot');
  expect(one.definitions.map(({ id }) => id)).toEqual(['users']);
  expect(one.unchanged).toEqual(['orders']);
});

test('a worker that fell behind the retained log is told so and levelled', async () => {
  const hub = await start(5);
  hub.catalog.put(definition('api', 'orders'));
  await hub.distributor.reload();
  const first = worker(hub.address, {});
  await until(() => last(first), 'snapshot');
  const { start: position } = first.welcome!;
  first.close();
  for (let edit = 0; edit < 20; edit += 1) {
    hub.catalog.put(definition('api', 'orders', { edit }));
    await hub.distributor.reload();
  }
  const again = worker(hub.address, { cursor: position });
  await until(() => last(again), 'fresh snapshot');
  expect(again.welcome?.reason).toBe('SNAPSHOT_REASON_FELL_BEHIND');
  expect(again.definitions[0]?.body.toString()).toContain('"edit":19');
});

test('changed tags are not resumed', async () => {
  const hub = await start();
  hub.catalog.put(definition('api', 'eu', {}, ['eu']), definition('api', 'us', {}, ['us']));
  await hub.distributor.reload();
  const first = worker(hub.address, { segmented: true, tags: ['eu'] });
  await until(() => last(first), 'snapshot');
  first.close();
  const again = worker(hub.address, { segmented: true, tags: ['us'], cursor: first.welcome?.start });
  await until(() => last(again), 'snapshot');
  expect(again.welcome?.reason).toBe('SNAPSHOT_REASON_VIEW_CHANGED');
  expect(again.definitions.map(({ id }) => id)).toEqual(['us']);
});

test('refusals carry the right status', async () => {
  const hub = await start();
  const wrongKey = worker(hub.address, {}, callMetadata('wrong'));
  const otherOrganisation = worker(hub.address, {}, callMetadata(undefined, 'other'));
  const noNode = worker(hub.address, { node: { id: '' } });
  await until(
    () => [wrongKey, otherOrganisation, noNode].every(({ error }) => error !== undefined),
    'errors',
  );
  expect(wrongKey.error?.code).toBe(status.UNAUTHENTICATED);
  expect(otherOrganisation.error?.code).toBe(status.PERMISSION_DENIED);
  expect(noNode.error?.code).toBe(status.INVALID_ARGUMENT);
  expect(noNode.error?.details).toContain('hello.node.id');
});

test('acknowledging what was never sent ends the stream with a clear message', async () => {
  const hub = await start();
  const one = worker(hub.address, {});
  await until(() => last(one), 'snapshot');
  one.send({ ack: { sequence: 99 } });
  await until(() => one.error !== undefined, 'refusal');
  expect(one.error?.code).toBe(status.INVALID_ARGUMENT);
  expect(one.error?.details).toContain('ack.sequence');
});

test('a refused change is delivered again from the cursor', async () => {
  const hub = await start();
  const one = worker(hub.address, {});
  one.autoAck = false;
  await until(() => last(one), 'snapshot');
  hub.catalog.put(definition('api', 'orders'));
  await hub.distributor.reload();
  await until(() => one.changes.length === 1, 'first delivery');
  one.send({ nack: { sequence: one.changes[0]!.sequence, error: 'disk full', retryAfterMs: 10 } });
  await until(() => one.changes.length === 2, 'second delivery');
  expect(one.changes[1]?.sequence).toBe(one.changes[0]?.sequence);
});

test('one encode serves a crowd', async () => {
  const hub = await start();
  for (let index = 0; index < 50; index += 1) {
    hub.catalog.put(definition('api', `api-${index}`, { filler: 'x'.repeat(50_000) }));
  }
  await hub.distributor.reload();
  const crowd = Array.from({ length: 20 }, (_, index) =>
    worker(hub.address, { node: { id: `node-${index}` } }),
  );
  await until(() => crowd.every(last), 'all level', 20_000);
  expect(crowd.every((one) => one.definitions.length === 50)).toBe(true);
  expect(hub.metrics.value('causeway_encodes_total', { what: 'snapshot' })).toBe(1);
});

test('a goodbye comes before the hub closes', async () => {
  const hub = await start();
  const one = worker(hub.address, {});
  await until(() => last(one), 'snapshot');
  expect(hub.nodes.has('node-1')).toBe(true);
  await hub.stop();
  await until(() => one.ended, 'end');
  const goodbye = one.messages.find((message) => message.goodbye != null)?.goodbye;
  expect(goodbye?.reason).toContain('shutting down');
  expect(one.error).toBeUndefined();
});

test('GetKeys answers each name, found or not', async () => {
  const hub = await start();
  await hub.keyStore.put('apikey-one', Buffer.from('{"org_id":"x"}'), 60_000);
  const client = connect(hub.address);
  closers.push(() => client.close());
  const answer = await new Promise<{ keys: { found: boolean; value: Buffer }[] }>((resolve, reject) => {
    client.GetKeys({ names: ['apikey-one', 'apikey-two'] }, callMetadata(), (error, keys) =>
      error ? reject(error) : resolve(keys),
    );
  });
  expect(answer.keys.map(({ found }) => found)).toEqual([true, false]);
  expect(answer.keys[0]?.value.toString()).toBe('{"org_id":"x"}');
});

test('analytics batches are acknowledged by their id', async () => {
  const hub = await start();
  const client = connect(hub.address);
  closers.push(() => client.close());
  const call = client.ReportAnalytics(callMetadata());
  const answers: { batchId: string; status: string; acceptedRecords: number; error: string }[] = [];
  call.on('data', (answer: never) => answers.push(answer));
  call.on('error', () => {});
  call.write({ batchId: 'b1', nodeId: 'node-1', records: Buffer.from('[{},{}]') });
  call.write({
    batchId: 'b2',
    records: Buffer.from('not lz4'),
    compression: 'COMPRESSION_LZ4',
    uncompressedBytes: 100,
  });
  await until(() => answers.length === 2, 'both answers');
  expect(answers[0]).toMatchObject({
    batchId: 'b1',
    status: 'ANALYTICS_STATUS_ACCEPTED',
    acceptedRecords: 2,
  });
  expect(answers[1]).toMatchObject({ batchId: 'b2', status: 'ANALYTICS_STATUS_REJECTED' });
});
