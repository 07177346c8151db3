import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { connectBridge } from '../../src/transport/grpc/bridge-client.js';
import { messageCodec } from '../../src/transport/grpc/contract.js';
import type { StoredKeyMessage } from '../../src/transport/grpc/messages.js';
import { GorpcClient } from '../integration/gorpc-client.js';
import { type AttackCost, type AttackedHub, startAttackedHub } from './attacked-hub.js';
import { answerOf, framed, RawGrpc } from './raw-grpc.js';

/**
 * At a stretch, in processor time. The promise is 100 ms on a machine of its own (`CAUSEWAY_BUSY_MS_MAX=100`); where
 * other tests share processor and caches the same work takes longer. What is guarded against took seconds.
 */
const busyMsMax = Number(process.env['CAUSEWAY_BUSY_MS_MAX'] ?? 300);

const mib = 1024 * 1024;
const largeKeys = Number(process.env['CAUSEWAY_FAULT_KEYS'] ?? 24);
const request = messageCodec('GetKeysRequest');
const response = messageCodec('GetKeysResponse');
const keysPath = '/causeway.v1.Bridge/GetKeys';

let hub: AttackedHub;
const closers: (() => void)[] = [];
const figures: string[] = [];

beforeAll(async () => {
  hub = await startAttackedHub();
  for (let index = 0; index < largeKeys; index += 1) await putKey(nameOf(index), 1_000_000);
  await putKey('small', 10);
}, 60_000);

afterAll(async () => {
  for (const close of closers) close();
  await hub?.stop();
  if (process.env['CAUSEWAY_SHOW_FIGURES'] !== undefined) process.stderr.write(`${figures.join('\n')}\n`);
});

const nameOf = (index: number) => `large-${index}`;

async function putKey(name: string, bytes: number): Promise<void> {
  const filler = randomBytes(Math.ceil(bytes / 2))
    .toString('hex')
    .slice(0, bytes);
  const put = await fetch(`${hub.httpOrigin}/causeway/v1/keys/${name}?organisation=${hub.organisation}`, {
    method: 'PUT',
    headers: { 'x-tyk-authorization': hub.secret },
    body: JSON.stringify({ org_id: hub.organisation, filler }),
  });
  expect(put.status).toBe(204);
}

function client(): RawGrpc {
  const opened = new RawGrpc(hub.workerPort);
  closers.push(() => opened.close());
  return opened;
}

const login = () => ({
  authorization: `Bearer ${hub.apiKey}`,
  'x-causeway-organisation': hub.organisation,
});

function expectBounded(what: string, cost: AttackCost): void {
  figures.push(
    `${what}: ${cost.busyMs.toFixed(0)} ms at a stretch (${cost.wallMs.toFixed(0)} by the clock), ${cost.addedMib.toFixed(0)} MiB`,
  );
  expect(cost.busyMs).toBeLessThan(busyMsMax);
  expect(cost.addedMib).toBeLessThan(150);
}

function keysIn(body: Buffer): readonly StoredKeyMessage[] {
  return (response.read(body.subarray(5)) as { keys: StoredKeyMessage[] }).keys;
}

describe('answers without a bound', () => {
  it('answers a thousand times one key of 1 MB with 4 MiB, and says what is missing', async () => {
    const names = Array<string>(1_000).fill(nameOf(0));
    const cost = await hub.during(async () => {
      const answer = await client().call(keysPath, framed(request.write({ names, partial: true })), login());
      expect(answer.status).toBe(0);
      expect(answer.body.length).toBeLessThan(5 * mib);
      const keys = keysIn(answer.body);
      expect(keys).toHaveLength(1_000);
      expect(keys.filter(({ found }) => found)).toHaveLength(4);
      expect(keys.filter(({ deferred }) => deferred === true)).toHaveLength(996);
    });
    expectBounded('1,000 times one key of 1 MB', cost);
  });

  it('refuses by name where the caller does not know of missing ones', async () => {
    const names = Array<string>(1_000).fill(nameOf(0));
    const answer = await client().call(keysPath, framed(request.write({ names })), login());
    expect(answer.status).toBe(8);
    expect(answer.details).toContain('keysAnswerBytesMax');
  });

  it('gives a worker every key, however many answers that takes', async () => {
    const bridge = connectBridge(
      { target: `127.0.0.1:${hub.workerPort}`, tls: undefined },
      { organisation: hub.organisation, apiKey: hub.apiKey },
    );
    closers.push(() => bridge.close());
    const names = [
      ...Array.from({ length: largeKeys }, (_, index) => nameOf(index)),
      'small',
      nameOf(0),
      'none',
    ];
    const cost = await hub.during(async () => {
      const keys = await bridge.getKeys(names);
      expect(keys.map(({ name }) => name)).toEqual(names);
      expect(keys.map(({ found }) => found)).toEqual(names.map((name) => name !== 'none'));
      for (const key of keys.slice(0, largeKeys)) expect(key.value.length).toBeGreaterThan(1_000_000);
    });
    expectBounded(`${largeKeys} keys of 1 MB for a worker`, cost);
  });

  it('stops no other call while nobody takes what was asked for', async () => {
    const names = Array.from({ length: largeKeys }, (_, index) => nameOf(index));
    const message = framed(request.write({ names, partial: true }));
    const cost = await hub.during(async () => {
      for (let connection = 0; connection < 8; connection += 1) {
        const lazy = client();
        for (let call = 0; call < 25; call += 1) {
          const stream = lazy.open(keysPath, login());
          stream.pause();
          stream.end(message);
        }
      }
      const gateway = await GorpcClient.open({ port: hub.workerPort, compressed: false });
      closers.push(() => gateway.destroy());
      const asked = { struct: 'GroupLoginRequest', UserKey: hub.apiKey, GroupID: 'eu', ForceSync: false };
      expect(await gateway.call('LoginWithGroup', asked)).toMatchObject({ value: true });
      // It takes nothing either.
      gateway.socket.pause();
      for (let call = 0; call < 500; call += 1) gateway.call('GetKey', nameOf(call % largeKeys));

      const other = client();
      for (let call = 0; call < 50; call += 1) {
        const answer = await answered(other, 'small');
        expect(keysIn(answer)[0]?.found).toBe(true);
      }
    });
    expectBounded('200 unread answers over gRPC, 500 of 1 MB over gorpc', cost);
  });
});

async function answered(from: RawGrpc, name: string): Promise<Buffer> {
  const stream = from.open(keysPath, login());
  const answer = answerOf(stream);
  stream.end(framed(request.write({ names: [name], partial: true })));
  const clock = new SystemClock();
  const late = new Promise<never>((_, reject) => {
    clock.after(10_000, () => reject(new Error('others keep it waiting')));
  });
  return (await Promise.race([answer, late])).body;
}
