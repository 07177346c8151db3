import { beforeEach, describe, expect, it } from 'vitest';
import { definitionKey } from '../../../src/domain/definition.js';
import { nodeId, organisationId } from '../../../src/domain/identifiers.js';
import { limits } from '../../../src/domain/limits.js';
import { settle } from '../../memory/fake-clock.js';
import {
  acme,
  definition,
  FanoutFixture,
  heartbeatIntervalMs,
  keyChanged,
  keyRemoved,
  RecordingLink,
} from './fanout-fixture.js';

describe('Fanout', () => {
  let hub: FanoutFixture;
  beforeEach(async () => {
    hub = await FanoutFixture.start();
  });

  const node = (name: string) => ({ node: nodeId(name) });

  describe('shares what it encodes', () => {
    it('encodes a snapshot once per view and codec, however many workers connect at once', async () => {
      await hub.put(definition('api', 'a', { tags: ['eu'] }), definition('api', 'b', { tags: ['us'] }));
      const links = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          hub.open(
            hub.hello({
              ...node(`n${index}`),
              tags: [index % 2 === 0 ? 'eu' : 'us'],
              codec: index < 25 ? 'lz4' : 'gzip',
            }),
          ),
        ),
      );
      expect(links.every((link) => link.of('chunk').length === 1)).toBe(true);
      expect(hub.encoder.encoded).toHaveLength(4);
      expect(hub.metrics.value('causeway_encodes_total', { what: 'snapshot' })).toBe(4);
    });

    it('encodes a delta once per view and codec', async () => {
      const links: RecordingLink[] = [];
      for (let index = 0; index < 50; index += 1) {
        const tags = index % 2 === 0 ? ['eu', 'de'] : ['de', 'eu', 'de'];
        links.push(await hub.open(hub.hello({ ...node(`n${index}`), tags })));
      }
      hub.encoder.encoded.length = 0;
      await hub.put(definition('api', 'a', { tags: ['eu'] }));
      expect(hub.encoder.encoded).toHaveLength(1);
      expect(new Set(links.map((link) => link.bytes[link.bytes.length - 1])).size).toBe(1);
      expect(links.every((link) => link.delivered.join() === '+a')).toBe(true);
    });

    it('sends nothing to a view that a change does not concern', async () => {
      const eu = await hub.open(hub.hello({ ...node('eu'), tags: ['eu'] }));
      const us = await hub.open(hub.hello({ ...node('us'), tags: ['us'] }));
      const before = us.frames.length;
      await hub.put(definition('api', 'a', { tags: ['eu'] }));
      expect(eu.delivered).toEqual(['+a']);
      expect(us.frames).toHaveLength(before);
    });

    it('sends only what differs from what a worker holds, and shares that, too', async () => {
      const [a, b, c] = [definition('api', 'a'), definition('api', 'b'), definition('policy', 'c')];
      await hub.put(a, b, c);
      const held = new Map([
        [definitionKey('api', 'a'), a.hash],
        [definitionKey('api', 'b'), 'older'],
        [definitionKey('api', 'gone'), a.hash],
      ]);
      const links = [
        await hub.open(hub.hello({ ...node('n1'), held })),
        await hub.open(hub.hello({ ...node('n2'), held: new Map(held) })),
      ];
      for (const link of links) {
        const [chunk] = link.of('chunk');
        expect(chunk?.unchanged).toEqual([{ kind: 'api', id: 'a' }]);
        expect(chunk?.definitions.map(({ id }) => id)).toEqual(['b', 'c']);
      }
      expect(hub.encoder.encoded).toHaveLength(1);
    });

    it('cuts a snapshot into chunks', async () => {
      const bytes = limits.chunkBytesMax / 2 + 1;
      await hub.put(...['a', 'b', 'c'].map((id) => definition('api', id, { bytes })));
      const link = await hub.open(hub.hello());
      expect(link.of('chunk').map(({ index, last }) => [index, last])).toEqual([
        [0, false],
        [1, false],
        [2, true],
      ]);
    });
  });

  describe('workers at different positions', () => {
    it('never names a position above the one a worker stands at', async () => {
      const ours = { tags: ['eu'] };
      const first = await hub.open(hub.hello({ ...node('first'), ...ours }));
      // Foreign changes move the first past them without a word.
      await hub.put(definition('api', 'x1', { tags: ['us'] }));
      await hub.put(definition('api', 'x2', { tags: ['us'] }));
      // The second resumes from between them and would rewrite history for the first.
      const second = await hub.open(hub.resume(1, { ...node('second'), ...ours }));
      await hub.put(definition('api', 'a', { tags: ['eu'] }));
      expect(first.of('delta')).toMatchObject([{ after: 0, sequence: 3 }]);
      expect(second.of('delta')).toMatchObject([{ after: 0, sequence: 3 }]);
    });

    it('does so also when what it remembers of them has been forgotten', async () => {
      const ours = { tags: ['eu'] };
      const slow = await hub.open(hub.hello({ ...node('slow'), ...ours }));
      await hub.put(definition('api', 'x', { tags: ['us'] }));
      slow.accepts = false;
      await hub.clock.advanceAsync(heartbeatIntervalMs);
      // Another one of the view reads on, past more positions than are remembered.
      const fast = await hub.open(hub.hello({ ...node('fast'), ...ours }));
      for (let index = 0; index < 1_100; index += 1) await hub.put(definition('api', 'x', { tags: ['us'] }));
      await hub.put(definition('api', 'a', { tags: ['eu'] }));
      slow.drain();
      await settle();
      expect(fast.delivered).toEqual(['+a']);
      // One delta holds a bounded number of entries, so this one may come in several.
      const [delta] = slow.of('delta');
      expect(delta?.after).toBeLessThanOrEqual(1);
      expect(slow.delivered).toEqual(['+a']);
    });

    it('does not let one pass for level who has refused what another need not hear of', async () => {
      const ours = { tags: ['eu'] };
      const first = await hub.open(hub.resume(0, { ...node('first'), ...ours }));
      await hub.put(definition('api', 'a', { tags: ['eu'] }));
      // The snapshot of the second stands for the change that the first was told of.
      const { cursor } = hub.resume(0, { tags: ['us'] });
      const second = await hub.open({ ...hub.hello({ ...node('second'), ...ours }), cursor });
      expect(second.of('welcome')).toMatchObject([{ reason: 'view-changed', sequence: 0 }]);
      await hub.events(keyChanged('k'));
      // If the first refuses 1 with 2 under way, 2 must not look like the answer.
      expect(first.of('delta')).toMatchObject([
        { after: 0, sequence: 1 },
        { after: 1, sequence: 2 },
      ]);
      expect(second.of('delta')).toMatchObject([{ after: 0, sequence: 2 }]);
    });

    it('moves the cursor past foreign changes with a heartbeat', async () => {
      const link = await hub.open(hub.hello({ tags: ['eu'] }));
      hub.session(link).acknowledge(0);
      await hub.put(definition('api', 'x', { tags: ['us'] }));
      await hub.clock.advanceAsync(heartbeatIntervalMs);
      expect(link.last).toMatchObject({ type: 'heartbeat', sequence: 1 });
      hub.session(link).acknowledge(1);
      await settle();
      expect(await hub.changeLog.readCursor(hub.session(link).owner)).toMatchObject({ sequence: 1 });
      expect(link.ended).toBeUndefined();
    });

    it('brings everybody to the same end', async () => {
      const early = await hub.open(hub.hello(node('early')));
      await hub.events(keyChanged('k1'));
      await hub.put(definition('api', 'a'));
      const late = await hub.open(hub.resume(1, node('late')));
      const fresh = await hub.open(hub.hello(node('fresh')));
      await hub.events(keyChanged('k2'));
      expect(early.delivered).toEqual(['k1', '+a', 'k2']);
      expect(late.delivered).toEqual(['+a', 'k2']);
      expect(fresh.delivered).toEqual(['k2']);
      expect(fresh.of('chunk')[0]?.definitions.map(({ id }) => id)).toEqual(['a']);
    });

    it('holds a delivery to its bound of entries', async () => {
      const link = await hub.open(hub.hello());
      await hub.events(...Array.from({ length: 1_200 }, (_, index) => keyChanged(`k${index}`)));
      expect(link.of('delta').map(({ changes }) => changes.length)).toEqual([512, 512, 176]);
      expect(link.of('delta').map(({ after }) => after)).toEqual([0, 512, 1_024]);
    });

    it('holds a delivery to its bound of bytes', async () => {
      const link = await hub.open(hub.hello());
      const bytes = limits.chunkBytesMax / 2 + 1;
      await hub.put(...['a', 'b', 'c'].map((id) => definition('api', id, { bytes })));
      expect(link.delivered).toEqual(['+a', '+b', '+c']);
    });
  });

  describe('revocations', () => {
    it('overtake for a session that is behind, and come again at their place', async () => {
      const link = await hub.open(hub.hello());
      link.accepts = false;
      await hub.events(keyChanged('k1'));
      await hub.events(keyChanged('k2'), keyRemoved('bad'));
      expect(link.delivered).toEqual(['k1']);
      expect(link.of('revocation')).toEqual([{ type: 'revocation', events: [keyRemoved('bad')] }]);
      link.drain();
      await settle();
      expect(link.delivered).toEqual(['k1', 'k2 bad']);
    });

    it('are told once to a session that is level', async () => {
      const link = await hub.open(hub.hello());
      await hub.events(keyRemoved('bad'));
      expect(link.of('revocation')).toEqual([]);
      expect(link.delivered).toEqual(['bad']);
    });

    it('do not wait for the retry of a refused delivery', async () => {
      const link = await hub.open(hub.hello());
      await hub.events(keyChanged('k1'));
      hub.session(link).refuse(1, 'no', 60_000);
      await hub.events(keyRemoved('bad'));
      expect(link.of('revocation')).toHaveLength(1);
    });

    it('never come before the welcome', async () => {
      hub.changeLog.pause();
      const link = await hub.open(hub.hello());
      const tell = hub.events(keyRemoved('bad'));
      hub.changeLog.resume();
      await tell;
      await settle();
      expect(link.frames[0]?.type).toBe('welcome');
    });

    it('are found in a large append, and in the first one that a hub hears of', async () => {
      await hub.events(...Array.from({ length: 50 }, (_, index) => keyRemoved(`old${index}`)));
      await hub.restart();
      const link = new RecordingLink();
      link.accepts = false;
      const opened = hub.open(hub.resume(0), link);
      hub.changeLog.pause();
      const events = [
        ...Array.from({ length: 600 }, (_, index) => keyChanged(`k${index}`)),
        keyRemoved('bad'),
      ];
      const told = hub.events(...events);
      await settle();
      hub.changeLog.resume();
      await Promise.all([opened, told]);
      await settle();
      expect(link.of('revocation').flatMap(({ events: found }) => found)).toContainEqual(keyRemoved('bad'));
    });
  });

  describe('streams', () => {
    it('lets a second stream of the same node replace the first', async () => {
      const first = await hub.open(hub.hello());
      const second = await hub.open(hub.hello());
      expect(first.ended?.reason).toBe('replaced');
      await hub.put(definition('api', 'a'));
      expect(first.delivered).toEqual([]);
      expect(second.delivered).toEqual(['+a']);
      expect([...hub.fanout.sessions()]).toEqual([second.session]);
    });

    it('sends nothing on a link that closed while its session was starting', async () => {
      const first = new RecordingLink();
      first.session = hub.fanout.open(hub.hello(), first);
      const second = await hub.open(hub.hello());
      expect(first.ended?.reason).toBe('replaced');
      expect(first.frames).toEqual([]);
      expect(second.frames[0]?.type).toBe('welcome');
    });

    it('keeps apart what has the same node id in another zone or organisation', async () => {
      const other = organisationId('other');
      hub.snapshots.set(other, { organisation: other, revision: 1, definitions: new Map() });
      const ours = await hub.open(hub.hello());
      const theirs = await hub.open(
        hub.hello({
          identity: { organisation: other, user: { id: 'u', groups: [] } },
          scope: { organisation: other, segmented: false, tags: [], owner: undefined },
        }),
      );
      await hub.put(definition('api', 'a'));
      await hub.events(keyChanged('k'));
      expect(ours.ended).toBeUndefined();
      expect(ours.delivered).toEqual(['+a', 'k']);
      expect(theirs.delivered).toEqual([]);
    });

    it('says goodbye when it stops, and takes nobody in afterwards', async () => {
      const link = await hub.open(hub.hello());
      await hub.fanout.stop();
      expect(link.last).toMatchObject({ type: 'goodbye', reconnectAfterMs: 1_000 });
      expect(link.ended?.reason).toBe('goodbye');
      expect(() => hub.fanout.open(hub.hello(), new RecordingLink())).toThrow('shutting down');
      expect(hub.fanout.notReady()).toBe('shutting down');
      expect(hub.clock.pendingTimers).toBe(0);
    });

    it('refuses a worker while nothing was ever loaded: an error is never an empty list', () => {
      hub.snapshots.delete(acme);
      expect(() => hub.fanout.open(hub.hello(), new RecordingLink())).toThrow('not loaded');
    });

    it('ends the streams of those who are no longer allowed', async () => {
      const [a, b] = [await hub.open(hub.hello(node('a'))), await hub.open(hub.hello(node('b')))];
      hub.fanout.endRefused((identity) => identity === hub.session(a).hello.identity);
      expect(a.ended).toBeUndefined();
      expect(b.ended?.reason).toBe('refused');
    });

    it('forgets a stream whose link is gone', async () => {
      const link = await hub.open(hub.hello());
      hub.session(link).detach();
      hub.session(link).detach();
      await hub.put(definition('api', 'a'));
      expect(link.delivered).toEqual([]);
      expect(link.ended).toBeUndefined();
      expect([...hub.fanout.sessions()]).toEqual([]);
    });
  });
});
