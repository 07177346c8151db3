import { EventEmitter } from 'node:events';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../../src/domain/identifiers.js';
import type { WorkerNode } from '../../../../src/domain/worker.js';
import type { BridgeHub } from '../../../../src/transport/grpc/bridge-hub.js';
import { SyncCall } from '../../../../src/transport/grpc/sync-call.js';
import { FakeClock } from '../../../memory/fake-clock.js';

class FakeStream extends EventEmitter {
  readonly metadata = new Metadata();
  getPeer(): string {
    return '127.0.0.1:1';
  }
  write(): boolean {
    return true;
  }
  end(): void {}
  resume(): void {}
}

function open() {
  const acknowledged: number[] = [];
  const seen: WorkerNode[] = [];
  const organisation = organisationId('acme');
  const session = { acknowledge: (sequence: number) => void acknowledged.push(sequence), detach: () => {} };
  const hub = {
    fanout: { open: () => session },
    login: () => ({ organisation, user: { id: 'u', groups: [] } }),
    ownerOf: () => undefined,
    obfuscate: () => '****',
    nodeSeen: (node: WorkerNode) => void seen.push(node),
    nodeGone: () => {},
  } as unknown as BridgeHub;
  const clock = new FakeClock();
  const stream = new FakeStream();
  stream.metadata.set('authorization', 'Bearer key');
  stream.metadata.set('x-causeway-organisation', 'acme');
  SyncCall.open(hub, stream as never, clock);
  const node = { id: 'n', version: '', hostname: '', pid: 1, address: '', ttlSeconds: 0 };
  const hello = { node, groupId: '', tags: [], segmented: false, compressions: [], cursor: null, held: [] };
  stream.emit('data', { hello });
  return { acknowledged, clock, seen, stream };
}

describe('a sync call', () => {
  it('takes every acknowledgement, and one a second for a sign of life', () => {
    const { acknowledged, clock, seen, stream } = open();
    expect(seen).toHaveLength(1);
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      clock.advance(100);
      stream.emit('data', { ack: { sequence } });
    }
    expect(acknowledged).toHaveLength(50);
    expect(seen.length).toBeGreaterThanOrEqual(5);
    expect(seen.length).toBeLessThanOrEqual(6);
  });

  it('shows what a worker says about itself at once', () => {
    const { seen, stream } = open();
    stream.emit('data', { status: { apisCount: 7, policiesCount: 2, health: [] } });
    expect(seen.map(({ stats }) => stats.apisCount)).toEqual([0, 7]);
  });
});
