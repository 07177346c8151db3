import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../../src/domain/identifiers.js';
import type { WorkerNode } from '../../../../src/domain/worker.js';
import type { BridgeHub } from '../../../../src/transport/grpc/bridge-hub.js';
import type { Admission } from '../../../../src/transport/grpc/call-gate.js';
import { messageCodec } from '../../../../src/transport/grpc/contract.js';
import { SyncCall } from '../../../../src/transport/grpc/sync-call.js';
import { FakeClock } from '../../../memory/fake-clock.js';

class FakeStream extends EventEmitter {
  write(): boolean {
    return true;
  }
  end(): void {}
  pause(): void {}
  resume(): void {}
}

const request = messageCodec('SyncRequest');

async function open() {
  const acknowledged: number[] = [];
  const seen: WorkerNode[] = [];
  const organisation = organisationId('acme');
  const session = { acknowledge: (sequence: number) => void acknowledged.push(sequence), detach: () => {} };
  const hub = {
    fanout: { open: () => session },
    ownerOf: () => undefined,
    obfuscate: () => '****',
    nodeSeen: (node: WorkerNode) => void seen.push(node),
    nodeGone: () => {},
  } as unknown as BridgeHub;
  const clock = new FakeClock();
  const stream = new FakeStream();
  const admission = {
    caller: { identity: { organisation, user: { id: 'u', groups: [] } }, apiKey: 'key' },
    intake: { done: () => {} },
  } as unknown as Admission;
  SyncCall.open(hub, stream as never, clock, admission);
  const send = (message: object) => stream.emit('data', request.write(message));
  send({ hello: { node: { id: 'n', pid: 1 } } });
  await new Promise((resolve) => setImmediate(resolve));
  return { acknowledged, clock, seen, send };
}

describe('a sync call', () => {
  it('takes every acknowledgement, and one a second for a sign of life', async () => {
    const { acknowledged, clock, seen, send } = await open();
    expect(seen).toHaveLength(1);
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      clock.advance(100);
      send({ ack: { sequence } });
    }
    expect(acknowledged).toHaveLength(50);
    expect(seen.length).toBeGreaterThanOrEqual(5);
    expect(seen.length).toBeLessThanOrEqual(6);
  });

  it('shows what a worker says about itself at once', async () => {
    const { seen, send } = await open();
    send({ status: { apisCount: 7, policiesCount: 2, health: [] } });
    expect(seen.map(({ stats }) => stats.apisCount)).toEqual([0, 7]);
  });
});
