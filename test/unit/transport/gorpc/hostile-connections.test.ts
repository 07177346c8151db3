import { expect, test } from 'vitest';
import { clientBytes, readVectors } from '../../../wire/gorpc/vectors.js';
import { TransportFixture } from './gorpc-fixture.js';

/** Numbers from a seed: a failure names it and can be had again. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

function damage(bytes: Buffer, next: (below: number) => number): Buffer {
  let damaged = Buffer.from(bytes);
  for (let count = 1 + next(4); count > 0; count--) {
    const at = next(damaged.length);
    switch (next(4)) {
      case 0:
        damaged[at] = next(256);
        break;
      case 1:
        damaged = damaged.subarray(0, at + 1);
        break;
      case 2:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + 1 + next(8))]);
        break;
      default:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(next(at + 1))]);
    }
    if (damaged.length === 0) return Buffer.of(next(256));
  }
  return damaged;
}

test.each(['plain', 'deflate'] as const)(
  'recorded calls, damaged (%s): every connection is served or closed, and none of it is our defect',
  async (form) => {
    const recorded = clientBytes(readVectors(form));
    const fixture = await new TransportFixture().start();
    for (let seed = 1; seed <= 400; seed++) {
      const next = numbersFrom(seed);
      const bytes = damage(recorded, next);
      const stream = fixture.connect(undefined, `10.0.${seed >> 8}.${seed & 255}`);
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + next(200);
        if (!stream.destroyed) stream.receive(bytes.subarray(at, end));
        at = end;
      }
      await fixture.settle();
      stream.destroy();
      await fixture.settle();
    }
    await fixture.clock.advanceAsync(300_000);
    const defects = fixture.log.lines.filter(({ level }) => level === 'error');
    expect(defects).toEqual([]);
    expect(fixture.transport.openConnections).toBe(0);
    expect(fixture.metrics.total('causeway_connections_refused_total')).toBeGreaterThan(50);
  },
);
