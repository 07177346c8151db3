import { beforeEach, describe, expect, it } from 'vitest';
import { definitionKey } from '../../../src/domain/definition.js';
import { limits } from '../../../src/domain/limits.js';
import { isOnceCursor } from '../../../src/hub/fanout/worker-session.js';
import { settle } from '../../memory/fake-clock.js';
import {
  acme,
  definition,
  FanoutFixture,
  heartbeatIntervalMs,
  keyChanged,
  quotaReset,
  RecordingLink,
} from './fanout-fixture.js';

describe('WorkerSession', () => {
  let hub: FanoutFixture;
  beforeEach(async () => {
    hub = await FanoutFixture.start();
  });

  const cursorOf = async (link: RecordingLink) =>
    (await hub.changeLog.readCursor(hub.session(link).owner))?.sequence;

  describe('a slow link', () => {
    it('gets no further delivery until it has drained', async () => {
      const link = await hub.open(hub.hello());
      link.accepts = false;
      await hub.events(keyChanged('k1'));
      await hub.events(keyChanged('k2'));
      await hub.events(keyChanged('k3'));
      expect(link.delivered).toEqual(['k1']);
      link.drain();
      await settle();
      expect(link.delivered).toEqual(['k1', 'k2 k3']);
    });

    it('gets its snapshot one chunk at a time', async () => {
      const bytes = limits.chunkBytesMax;
      await hub.put(...['a', 'b', 'c'].map((id) => definition('api', id, { bytes })));
      const link = new RecordingLink();
      link.accepts = false;
      await hub.open(hub.hello(), link);
      expect(link.of('chunk')).toHaveLength(0);
      for (let sent = 1; sent <= 3; sent += 1) {
        hub.session(link).drained();
        await settle();
        expect(link.of('chunk')).toHaveLength(sent);
      }
      await hub.put(definition('api', 'd'));
      expect(link.delivered).toEqual([]);
      link.drain();
      await settle();
      expect(link.delivered).toEqual(['+d']);
    });

    it('is filled by no heartbeat', async () => {
      const link = await hub.open(hub.hello());
      const onceLevel = link.of('heartbeat').length;
      link.accepts = false;
      await hub.clock.advanceAsync(5 * heartbeatIntervalMs);
      expect(link.of('heartbeat')).toHaveLength(onceLevel + 1);
    });

    it('holds nobody else up', async () => {
      const slow = await hub.open(hub.hello());
      slow.accepts = false;
      const { zone } = hub.session(slow).owner;
      const fast = await hub.open(hub.hello({ zone, node: 'fast' as never }));
      for (let index = 0; index < 20; index += 1) await hub.events(keyChanged(`k${index}`));
      expect(fast.delivered).toHaveLength(20);
      expect(slow.delivered).toHaveLength(1);
    });
  });

  describe('confirmation', () => {
    it('is waited for after a bounded number of deliveries', async () => {
      const link = await hub.open(hub.resume(0));
      for (let index = 1; index <= 80; index += 1) await hub.events(keyChanged(`k${index}`));
      expect(link.of('delta')).toHaveLength(limits.unconfirmedDeliveriesMax);
      expect(
        hub.metrics.value('causeway_limit_hits_total', { limit: 'unconfirmedDeliveriesMax' }),
      ).toBeGreaterThan(0);
      hub.session(link).acknowledge(1);
      await settle();
      expect(link.of('delta')).toHaveLength(limits.unconfirmedDeliveriesMax + 1);
      expect(link.last).toMatchObject({ after: 64, sequence: 80 });
    });

    it('moves the cursor as far as the worker says, and no further', async () => {
      const link = await hub.open(hub.resume(0));
      for (const key of ['k1', 'k2', 'k3']) await hub.events(keyChanged(key));
      hub.session(link).acknowledge(2);
      await settle();
      expect(await cursorOf(link)).toBe(2);
    });

    it('of what was never sent is a protocol error', async () => {
      const link = await hub.open(hub.hello());
      await hub.events(keyChanged('k1'));
      hub.session(link).acknowledge(2);
      expect(link.ended).toMatchObject({ reason: 'protocol-error' });
      expect(hub.metrics.value('causeway_acks_total', { result: 'beyond' })).toBe(1);
      expect(await cursorOf(link)).toBeUndefined();
    });

    it('before the welcome is a protocol error', async () => {
      for (const early of ['acknowledge', 'refuse'] as const) {
        const link = new RecordingLink();
        const session = hub.fanout.open(hub.hello(), link);
        if (early === 'acknowledge') session.acknowledge(0);
        else session.refuse(0, '', 0);
        await settle();
        expect(link.ended?.reason).toBe('protocol-error');
        expect(link.frames).toEqual([]);
      }
    });

    it('is not inferred for a snapshot from changes that are none of the worker’s business', async () => {
      await hub.put(definition('api', 'a', { tags: ['eu'] }));
      const link = await hub.open(hub.hello({ tags: ['eu'] }));
      await hub.put(definition('api', 'x', { tags: ['us'] }));
      expect(await cursorOf(link)).toBeUndefined();
      hub.session(link).acknowledge(1);
      await settle();
      expect(await cursorOf(link)).toBe(2);
    });

    it('of a resuming worker counts at once', async () => {
      await hub.events(keyChanged('k1'), keyChanged('k2'));
      const link = await hub.open(hub.resume(1));
      expect(await cursorOf(link)).toBe(1);
    });

    it('means that nothing of it is delivered again after a reconnect', async () => {
      const first = await hub.open(hub.resume(0));
      await hub.events(keyChanged('k1'));
      await hub.events(keyChanged('k2'));
      hub.session(first).acknowledge(1);
      hub.session(first).detach();
      const second = await hub.open(hub.resume(1));
      expect(second.delivered).toEqual(['k2']);
    });

    it('survives a log that does not take the cursor', async () => {
      const link = await hub.open(hub.resume(0));
      await hub.events(keyChanged('k1'));
      hub.changeLog.failNext(undefined, { method: 'moveCursor' });
      hub.session(link).acknowledge(1);
      await hub.events(keyChanged('k2'));
      hub.session(link).acknowledge(2);
      await settle();
      expect(link.ended).toBeUndefined();
      expect(await cursorOf(link)).toBe(2);
    });
  });

  describe('a heartbeat', () => {
    it('does not announce a delivery that is not sent yet', async () => {
      const link = await hub.open(hub.resume(0));
      hub.changeLog.pause();
      hub.changeLog.resume();
      await hub.events(keyChanged('k1'));
      hub.session(link).acknowledge(1);
      await settle();
      const append = hub.changeLog.append([
        { organisation: acme, atMs: 0, body: { type: 'key', event: quotaReset('q') } },
      ]);
      // The note that it is handed out hangs in the store; meanwhile a heartbeat is due.
      await append;
      hub.changeLog.pause();
      await settle();
      hub.session(link).heartbeat(0);
      expect(link.last).toMatchObject({ type: 'heartbeat', sequence: 1 });
      hub.changeLog.resume();
      await settle();
      expect(link.delivered).toEqual(['k1', 'q']);
    });

    it('announces nothing that was refused', async () => {
      const link = await hub.open(hub.resume(0));
      await hub.events(keyChanged('k1'));
      hub.session(link).refuse(1, 'no', 60_000);
      await hub.clock.advanceAsync(heartbeatIntervalMs);
      expect(link.last).toMatchObject({ type: 'heartbeat', sequence: 0 });
    });
  });

  describe('a refusal', () => {
    it('is followed by redelivery from the confirmed position, after the delay that was asked for', async () => {
      const link = await hub.open(hub.resume(0));
      for (const key of ['k1', 'k2', 'k3']) await hub.events(keyChanged(key));
      hub.session(link).acknowledge(1);
      hub.session(link).refuse(2, 'disk full', 3_000);
      expect(hub.session(link).lastNack).toBe('disk full');
      await hub.events(keyChanged('k4'));
      await hub.clock.advanceAsync(2_999);
      expect(link.delivered).toEqual(['k1', 'k2', 'k3']);
      await hub.clock.advanceAsync(1);
      expect(link.delivered.slice(3).join(' ')).toBe('k2 k3 k4');
      expect(link.of('delta')[3]?.after).toBe(1);
      hub.session(link).acknowledge(4);
      await settle();
      expect(hub.session(link).lastNack).toBeUndefined();
      expect(await cursorOf(link)).toBe(4);
    });

    it.each([
      [0, 5_000],
      [4_294_967_295, 300_000],
    ])('that asks for %d ms waits %d', async (asked, waited) => {
      const link = await hub.open(hub.resume(0));
      await hub.events(keyChanged('k1'));
      hub.session(link).refuse(1, 'no', asked);
      await hub.clock.advanceAsync(waited - 1);
      expect(link.delivered).toEqual(['k1']);
      await hub.clock.advanceAsync(1);
      expect(link.delivered).toEqual(['k1', 'k1']);
    });

    it('does not repeat what is confirmed while it waits', async () => {
      const link = await hub.open(hub.resume(0));
      for (const key of ['k1', 'k2', 'k3']) await hub.events(keyChanged(key));
      hub.session(link).refuse(3, 'no', 1_000);
      hub.session(link).acknowledge(2);
      await hub.clock.advanceAsync(1_000);
      expect(link.delivered).toEqual(['k1', 'k2', 'k3', 'k3']);
    });

    it('of a snapshot is followed by the whole of it', async () => {
      const a = definition('api', 'a');
      await hub.put(a);
      const held = new Map([[definitionKey('api', 'a'), a.hash]]);
      const link = await hub.open(hub.hello({ held }));
      hub.session(link).refuse(1, 'lost it', 1_000);
      await hub.clock.advanceAsync(1_000);
      expect(link.of('welcome')).toHaveLength(2);
      expect(link.of('chunk')[1]).toMatchObject({ unchanged: [], definitions: [{ id: 'a' }] });
      hub.session(link).acknowledge(1);
      await hub.put(definition('api', 'b'));
      expect(link.delivered).toEqual(['+b']);
    });

    it('in the middle of a snapshot ends that one', async () => {
      const bytes = limits.chunkBytesMax;
      await hub.put(...['a', 'b'].map((id) => definition('api', id, { bytes })));
      const link = new RecordingLink();
      link.accepts = false;
      await hub.open(hub.hello(), link);
      hub.session(link).drained();
      await settle();
      hub.session(link).refuse(2, 'no', 1_000);
      link.drain();
      await hub.clock.advanceAsync(999);
      expect(link.of('chunk').map(({ index }) => index)).toEqual([0]);
      await hub.clock.advanceAsync(1);
      expect(link.of('chunk').map(({ index }) => index)).toEqual([0, 0, 1]);
    });

    it('keeps only so much of what the worker says', async () => {
      const link = await hub.open(hub.resume(0));
      hub.session(link).refuse(1, 'x'.repeat(5_000), 0);
      expect(hub.session(link).lastNack).toHaveLength(1_024);
    });
  });

  describe('what may be handed out only once', () => {
    it('does not come again after a reconnect, and nothing else is missing', async () => {
      const first = await hub.open(hub.resume(0));
      await hub.events(keyChanged('k1'), quotaReset('q1'), keyChanged('k2'));
      expect(first.delivered).toEqual(['k1 q1 k2']);
      const second = await hub.open(hub.resume(0));
      expect(second.delivered).toEqual(['k1 k2']);
      await hub.events(quotaReset('q2'));
      expect(second.delivered).toEqual(['k1 k2', 'q2']);
    });

    it('does not come again after a refusal', async () => {
      const link = await hub.open(hub.resume(0));
      await hub.events(quotaReset('q1'));
      hub.session(link).refuse(1, 'no', 1_000);
      await hub.clock.advanceAsync(1_000);
      await hub.events(keyChanged('k'));
      // The worker waits for an answer to its refusal: an empty one.
      expect(link.delivered).toEqual(['q1', '', 'k']);
      expect(link.of('delta')[1]).toMatchObject({ after: 0, sequence: 1, changes: [] });
    });

    it('does not come again after a crash of the hub', async () => {
      await hub.open(hub.resume(0));
      await hub.events(quotaReset('q1'));
      await hub.restart();
      expect((await hub.open(hub.resume(0))).delivered).toEqual([]);
    });

    it('is not handed out when that cannot be noted', async () => {
      const first = await hub.open(hub.resume(0));
      hub.changeLog.failNext(undefined, { method: 'moveCursorDurably' });
      await hub.events(quotaReset('q1'));
      expect(first.delivered).toEqual([]);
      expect(first.ended?.reason).toBe('failed');
      expect((await hub.open(hub.resume(0))).delivered).toEqual(['q1']);
    });

    it('comes in a log that starts anew', async () => {
      const link = await hub.open(hub.resume(0));
      const once = (await hub.changeLog.cursors()).find(isOnceCursor);
      expect(once).toBeUndefined();
      const { owner } = hub.session(link);
      for (const node of [owner.node, `${owner.node}\u0000once`]) {
        await hub.changeLog.moveCursor({ ...owner, node: node as never, sequence: 500, atMs: 0 });
      }
      const again = await hub.open(hub.resume(0));
      await hub.events(quotaReset('q1'));
      expect(again.delivered).toEqual(['q1']);
      expect((await hub.changeLog.cursors()).every(({ sequence }) => sequence <= 1)).toBe(true);
    });
  });

  describe('a worker that falls behind the retained log', () => {
    it('gets a snapshot in the middle of its stream, and hears why', async () => {
      hub = await FanoutFixture.start({ entriesMax: 10 });
      const a = definition('api', 'a');
      await hub.put(a);
      const held = new Map([[definitionKey('api', 'a'), a.hash]]);
      const link = await hub.open(hub.resume(1, { held }));
      await hub.put(definition('api', 'a', { version: 2 }));
      hub.session(link).acknowledge(2);
      link.accepts = false;
      await hub.events(keyChanged('k1'));
      for (let index = 0; index < 3_000; index += 500) {
        await hub.events(...Array.from({ length: 500 }, () => keyChanged('k')));
      }
      // What it said it held when it came is not what it holds now.
      await hub.put(a);
      link.drain();
      await settle();
      expect(link.of('welcome')[1]).toMatchObject({
        mode: 'snapshot',
        reason: 'fell-behind',
        sequence: 3_004,
      });
      expect(link.of('chunk')).toMatchObject([{ unchanged: [], definitions: [{ id: 'a', hash: a.hash }] }]);
      hub.session(link).acknowledge(3);
      await settle();
      expect(await cursorOf(link)).toBe(3);
      hub.session(link).acknowledge(3_004);
      await hub.events(keyChanged('after'));
      expect(link.delivered.at(-1)).toBe('after');
      expect(await cursorOf(link)).toBe(3_004);
    });

    it('gets one when it connects', async () => {
      hub = await FanoutFixture.start({ entriesMax: 10 });
      await hub.events(...Array.from({ length: 30 }, () => keyChanged('k')));
      const link = await hub.open(hub.resume(5));
      expect(link.of('welcome')).toMatchObject([{ mode: 'snapshot', reason: 'fell-behind', sequence: 30 }]);
    });
  });

  it('replays key events behind a snapshot for other tags', async () => {
    await hub.events(keyChanged('k1'));
    await hub.put(definition('api', 'a', { tags: ['us'] }));
    await hub.events(keyChanged('k2'));
    const link = await hub.open({
      ...hub.resume(1, { tags: ['eu'] }),
      ...hub.hello({ tags: ['us'] }),
      cursor: hub.resume(1, { tags: ['eu'] }).cursor,
    });
    expect(link.of('welcome')).toMatchObject([{ reason: 'view-changed', sequence: 1 }]);
    expect(link.of('chunk')[0]?.definitions.map(({ id }) => id)).toEqual(['a']);
    expect(link.delivered).toEqual(['k2']);
  });

  it('ends when the log fails, without a wrong word to the worker', async () => {
    const link = await hub.open(hub.resume(0));
    hub.changeLog.failNext(undefined, { method: 'read' });
    await hub.events(keyChanged('k1'));
    expect(link.ended).toMatchObject({ reason: 'failed', message: 'the store does not answer' });
    expect((await hub.open(hub.resume(0))).delivered).toEqual(['k1']);
  });

  it('finds an entry that the log shows late', async () => {
    const link = await hub.open(hub.resume(0));
    // The signal came before the entry could be read.
    const { read } = hub.changeLog;
    hub.changeLog.read = async () => [];
    await hub.events(keyChanged('k1'));
    hub.changeLog.read = read;
    expect(link.delivered).toEqual([]);
    hub.session(link).wake();
    await settle();
    expect(link.delivered).toEqual(['k1']);
  });
});
