import { beforeEach, describe, expect, test } from 'vitest';
import { nodeId, organisationId, zoneId } from '../../../src/domain/identifiers.js';
import { formatKeyEvent, type KeyEvent } from '../../../src/domain/key-event.js';
import { type Carrier, type FeedStart, ZoneFeed } from '../../../src/hub/keyspace/zone-feed.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
const owner = { organisation, zone: zoneId('zone-a'), node: nodeId('cluster:x') };
const onceOwner = { ...owner, node: nodeId('cluster:x\u0000once') };

/** A connection as a test wants it. */
class TestCarrier implements Carrier {
  isOpen = true;
  isSent = true;
}

let clock: FakeClock;
let changeLog: MemoryChangeLog;
let missed: number;
const fromTheEnd = async (): Promise<FeedStart> => ({ after: undefined, takenOver: false });

beforeEach(() => {
  clock = new FakeClock();
  changeLog = new MemoryChangeLog({ clock });
  missed = 0;
});

async function openFeed(start = fromTheEnd, log = changeLog): Promise<ZoneFeed> {
  const feed = new ZoneFeed(owner, {
    changeLog: log,
    clock,
    log: new RecordingLog(),
    metrics: recordingMetrics(),
    onMissed: () => {
      missed += 1;
    },
  });
  await feed.open(start);
  return feed;
}

const changed = (key: string): KeyEvent => ({ kind: 'key-changed', key, hashed: true });
const removed = (key: string): KeyEvent => ({ kind: 'key-removed', key, hashed: true });
const quota = (key: string): KeyEvent => ({ kind: 'quota-reset', key, hashed: true });

async function emit(...events: readonly KeyEvent[]): Promise<void> {
  await changeLog.append(
    events.map((event) => ({ organisation, atMs: clock.nowMs(), body: { type: 'key', event } })),
  );
}

async function emitDefinitions(count: number): Promise<void> {
  const body = {
    type: 'definition',
    kind: 'api',
    id: 'a',
    hash: 'h',
    before: undefined,
    after: undefined,
  } as const;
  await changeLog.append(Array.from({ length: count }, () => ({ organisation, atMs: 0, body })));
}

/** A poll that was read a moment before. */
async function poll(feed: ZoneFeed, member: string, carrier: Carrier = new TestCarrier()): Promise<string[]> {
  clock.advance(1);
  const events = await feed.poll({ member, carrier, receivedAtMs: clock.monotonicMs() });
  return events.map(({ event }) => formatKeyEvent(event));
}

const cursor = async () => (await changeLog.readCursor(owner))?.sequence;

describe('a new feed', () => {
  test('begins at the end of the log and misses nothing from then on', async () => {
    await emit(changed('old'));
    const feed = await openFeed();
    await emit(changed('new'));
    expect(await poll(feed, 'a')).toEqual(['new:hashed']);
  });

  test('begins where it is told to, and then where its cursor is', async () => {
    await emit(changed('one'), changed('two'));
    const feed = await openFeed(async () => ({ after: 1, takenOver: false }));
    expect(await poll(feed, 'a')).toEqual(['two:hashed']);
    expect(await poll(feed, 'a')).toEqual([]);
    await emit(changed('three'));
    const next = await openFeed(() => Promise.reject(new Error('it has a cursor')));
    expect(await poll(next, 'a')).toEqual(['three:hashed']);
  });

  test('that goes on for another one repeats no quota reset', async () => {
    await emit(quota('q'), changed('k'));
    const feed = await openFeed(async () => ({ after: 0, takenOver: true }));
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    await emit(quota('q'));
    expect(await poll(feed, 'a')).toEqual(['q:hashed:resetQuota']);
  });

  test('that could not be opened can be opened again', async () => {
    const feed = new ZoneFeed(owner, {
      changeLog,
      clock,
      log: new RecordingLog(),
      metrics: recordingMetrics(),
      onMissed: () => {},
    });
    changeLog.failNext();
    await expect(feed.open(fromTheEnd)).rejects.toThrow();
    await feed.open(fromTheEnd);
    expect(await poll(feed, 'a')).toEqual([]);
  });
});

describe('a batch', () => {
  test('is confirmed by the next poll of whoever got it, and by nobody else', async () => {
    const feed = await openFeed();
    await emit(changed('k'));
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    expect(await poll(feed, 'b')).toEqual([]);
    expect(await cursor()).toBe(0);
    expect(await poll(feed, 'a')).toEqual([]);
    expect(await cursor()).toBe(1);
  });

  test.each(['isOpen', 'isSent'] as const)(
    'is handed out again when its answer was lost: %s',
    async (flaw) => {
      const feed = await openFeed();
      const carrier = new TestCarrier();
      await emit(changed('k'));
      expect(await poll(feed, 'a', carrier)).toEqual(['k:hashed']);
      carrier[flaw] = false;
      expect(await poll(feed, 'a')).toEqual(['k:hashed']);
      expect(await cursor()).toBe(0);
      expect(await poll(feed, 'a')).toEqual([]);
      expect(await cursor()).toBe(1);
    },
  );

  test('goes to another member as soon as its connection has died', async () => {
    const feed = await openFeed();
    const carrier = new TestCarrier();
    await emit(changed('k'));
    expect(await poll(feed, 'a', carrier)).toEqual(['k:hashed']);
    carrier.isOpen = false;
    expect(await poll(feed, 'b')).toEqual(['k:hashed']);
  });

  test('goes to another member when the first stays away for a minute', async () => {
    const feed = await openFeed();
    await emit(changed('k'));
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    clock.advance(59_000);
    expect(await poll(feed, 'b')).toEqual([]);
    clock.advance(2_000);
    expect(await poll(feed, 'b')).toEqual(['k:hashed']);
    expect(await poll(feed, 'b')).toEqual([]);
    expect(await cursor()).toBe(1);
  });

  test('of a slow poller is confirmed however long it takes to come back', async () => {
    const feed = await openFeed();
    await emit(changed('k'));
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    clock.advance(600_000);
    expect(await poll(feed, 'a')).toEqual([]);
    expect(await cursor()).toBe(1);
  });

  test('that was answered so late that the caller may have given up is handed out again', async () => {
    const feed = await openFeed();
    await emit(changed('k'));
    const receivedAtMs = clock.monotonicMs();
    clock.advance(11_000);
    const events = await feed.poll({ member: 'a', carrier: new TestCarrier(), receivedAtMs });
    expect(events).toHaveLength(1);
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
  });

  test('is not confirmed by a poll that was sent before it was answered', async () => {
    const feed = await openFeed();
    await emit(changed('k'));
    const receivedAtMs = clock.monotonicMs();
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    clock.advance(1);
    await feed.poll({ member: 'a', carrier: new TestCarrier(), receivedAtMs });
    expect(await cursor()).toBe(0);
    expect(await poll(feed, 'a')).toEqual([]);
    expect(await cursor()).toBe(1);
  });

  test('is not given to a caller that is gone', async () => {
    const feed = await openFeed();
    await emit(changed('k'));
    const carrier = new TestCarrier();
    carrier.isOpen = false;
    expect(await poll(feed, 'a', carrier)).toEqual([]);
    expect(await poll(feed, 'b')).toEqual(['k:hashed']);
  });

  test('that is behind a lost one does not move the cursor past it', async () => {
    const feed = await openFeed();
    await emit(changed('one'));
    expect(await poll(feed, 'a')).toEqual(['one:hashed']);
    await emit(changed('two'));
    expect(await poll(feed, 'b')).toEqual(['two:hashed']);
    expect(await poll(feed, 'b')).toEqual([]);
    expect(await cursor()).toBe(0);
    expect(await poll(feed, 'a')).toEqual([]);
    expect(await cursor()).toBe(2);
  });
});

describe('events', () => {
  test('that may not be repeated are handed out once, also over a restart', async () => {
    const feed = await openFeed();
    const carrier = new TestCarrier();
    await emit(quota('q'), changed('k'), { kind: 'user-key-reset', oldKey: 'o', newKey: 'n' });
    expect(await poll(feed, 'a', carrier)).toEqual(['q:hashed:resetQuota', 'k:hashed', 'o.n:UserKeyReset']);
    carrier.isOpen = false;
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    const next = await openFeed();
    expect(await poll(next, 'a')).toEqual(['k:hashed']);
  });

  test('that may not be repeated are noted before they are handed out', async () => {
    const feed = await openFeed();
    await emit(quota('q'));
    changeLog.failNext(undefined, { method: 'moveCursor', times: 2 });
    await expect(poll(feed, 'a')).rejects.toThrow();
    await expect(poll(feed, 'a')).rejects.toThrow();
    expect(await poll(feed, 'a')).toEqual(['q:hashed:resetQuota']);
    expect((await changeLog.readCursor(onceOwner))?.sequence).toBe(1);
  });

  test('of a lost batch that held nothing else are passed over', async () => {
    const feed = await openFeed();
    const carrier = new TestCarrier();
    await emit(quota('q'));
    expect(await poll(feed, 'a', carrier)).toHaveLength(1);
    carrier.isOpen = false;
    await emit(changed('k'));
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
  });

  test('come once however often they are in the log, revocations first', async () => {
    const feed = await openFeed();
    await emit(changed('a'), changed('b'), changed('a'), removed('c'));
    expect(await poll(feed, 'x')).toEqual(['c:hashed', 'b:hashed', 'a:hashed']);
  });

  test('are found behind any number of definitions', async () => {
    const feed = await openFeed();
    await emitDefinitions(2_500);
    await emit(changed('k'));
    expect(await poll(feed, 'a')).toEqual(['k:hashed']);
    expect(await poll(feed, 'a')).toEqual([]);
    expect(await cursor()).toBe(2_501);
  });

  test('that take rights away overtake a backlog, and are told ahead once', async () => {
    const feed = await openFeed();
    await emit(...Array.from({ length: 3_000 }, (_, index) => changed(`k${index}`)), removed('gone'));
    const first = await poll(feed, 'a');
    expect(first[0]).toBe('gone:hashed');
    expect(first).toHaveLength(1_001);
    expect(await poll(feed, 'a')).toHaveLength(1_000);
    expect(await poll(feed, 'a')).toHaveLength(1_000);
    expect(await poll(feed, 'a')).toEqual(['gone:hashed']);
    expect(await poll(feed, 'a')).toEqual([]);
  });

  test('that the log no longer has are reported, and the rest is handed out', async () => {
    changeLog = new MemoryChangeLog({ clock, entriesMax: 3 });
    const feed = await openFeed();
    await emit(...['a', 'b', 'c', 'd', 'e'].map(changed));
    expect(await poll(feed, 'x')).toEqual(['c:hashed', 'd:hashed', 'e:hashed']);
    expect(missed).toBe(1);
    expect(await poll(feed, 'x')).toEqual([]);
    expect(await cursor()).toBe(5);
  });
});

test('a poll during a failure of the log is an error, and the next one gets everything', async () => {
  const feed = await openFeed();
  await emit(changed('k'));
  changeLog.failAlways();
  await expect(poll(feed, 'a')).rejects.toThrow();
  changeLog.recover();
  expect(await poll(feed, 'a')).toEqual(['k:hashed']);
});

test('polls are answered one after the other: no event goes out twice', async () => {
  const feed = await openFeed();
  await emit(...Array.from({ length: 50 }, (_, index) => changed(`k${index}`)));
  const polls = Array.from({ length: 10 }, (_, index) => poll(feed, `member-${index}`));
  await settle();
  const texts = (await Promise.all(polls)).flat();
  expect(texts).toHaveLength(50);
});
