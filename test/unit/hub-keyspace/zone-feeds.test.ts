import { beforeEach, describe, expect, test } from 'vitest';
import { organisationId, type ZoneId, zoneId } from '../../../src/domain/identifiers.js';
import { formatKeyEvent } from '../../../src/domain/key-event.js';
import { clusterTraitsOf, hostStem, unknownCluster } from '../../../src/hub/keyspace/cluster-signature.js';
import { type FeedMember, isHostCursor, ZoneFeeds } from '../../../src/hub/keyspace/zone-feeds.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { type RecordingMetrics, recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
const zone = zoneId('zone-a');
const ungrouped = zoneId('ungrouped');
const open = { isOpen: true, isSent: true };

let clock: FakeClock;
let changeLog: MemoryChangeLog;
let metrics: RecordingMetrics;
let log: RecordingLog;
let feeds: ZoneFeeds;

beforeEach(async () => {
  clock = new FakeClock();
  changeLog = new MemoryChangeLog({ clock });
  await restart();
});

async function restart(): Promise<void> {
  metrics = recordingMetrics();
  log = new RecordingLog();
  feeds = new ZoneFeeds({ changeLog, clock, log, metrics, onMissed: () => {} });
  await feeds.start();
}

interface NodeTraits {
  readonly hostname?: string;
  readonly version?: string;
  readonly tags?: readonly string[];
}

function member(name: string, traits: NodeTraits = {}, of: ZoneId = zone): FeedMember {
  const { hostname = 'gateway-1', version = 'v5.8.0', tags = [] } = traits;
  const cluster = clusterTraitsOf({
    host: { hostname, pid: 1, address: '' },
    version,
    segmented: tags.length > 0,
    tags,
  });
  return { organisation, zone: of, member: name, cluster, hostname };
}

async function emit(...keys: readonly string[]): Promise<void> {
  await changeLog.append(
    keys.map((key) => ({
      organisation,
      atMs: clock.nowMs(),
      body: { type: 'key', event: { kind: 'key-changed', key, hashed: true } },
    })),
  );
}

async function poll(who: FeedMember): Promise<string[]> {
  clock.advance(1);
  const events = await feeds.poll(who, open, clock.monotonicMs());
  return events.map(({ event }) => formatKeyEvent(event));
}

/** Without the second cursors, for what may not be repeated. */
const nodesOf = async () =>
  (await changeLog.cursors())
    .map(({ node }) => node as string)
    .filter((node) => !node.includes('\u0000'))
    .sort();

describe('a zone', () => {
  test('has one cursor for members that look like one cluster', async () => {
    const names = ['gateway-1', 'gateway-2', 'gateway-17'];
    const members = names.map((hostname) => member(hostname, { hostname }));
    for (const one of members) await feeds.open(one);
    await emit('k');
    const answers = await Promise.all(members.map(poll));
    expect(answers.flat()).toEqual(['k:hashed']);
    expect(await nodesOf()).toHaveLength(1);
  });

  test.each<[string, NodeTraits, NodeTraits]>([
    ['hosts', { hostname: 'east-1' }, { hostname: 'west-1' }],
    ['releases', { version: 'v5.8.0' }, { version: 'v5.3.0' }],
    ['tags', { tags: ['eu'] }, { tags: ['us'] }],
  ])('has one for each cluster when they differ in %s', async (_, one, two) => {
    const [first, second] = [member('a', one), member('b', two)];
    await feeds.open(first);
    await feeds.open(second);
    await emit('k');
    expect(await poll(first)).toEqual(['k:hashed']);
    expect(await poll(second)).toEqual(['k:hashed']);
  });

  test('goes on where it was when its gateways are upgraded', async () => {
    const before = member('a', { version: 'v5.8.0' });
    await feeds.open(before);
    await emit('one');
    expect(await poll(before)).toEqual(['one:hashed']);
    expect(await poll(before)).toEqual([]);
    await emit('two');
    clock.advance(120_000);
    const after = member('b', { version: 'v5.9.0' });
    await feeds.open(after);
    expect(await poll(after)).toEqual(['two:hashed']);
  });

  test('forgets the cursor of the release before, and not that of a cluster that may come back', async () => {
    const before = member('a', { version: 'v5.8.0' });
    const elsewhere = member('b', { hostname: 'west-1' });
    const after = member('c', { version: 'v5.9.0' });
    for (const one of [before, elsewhere, after]) await feeds.open(one);
    expect(await nodesOf()).toHaveLength(3);
    for (let minute = 0; minute < 130; minute++) {
      await clock.advanceAsync(60_000);
      await poll(after);
    }
    const left = await nodesOf();
    expect(left).toHaveLength(2);
    expect(left).toContain(after.cluster.cursorName);
    expect(left).toContain(elsewhere.cluster.cursorName);
    for (let hour = 0; hour < 25; hour++) {
      await clock.advanceAsync(3_600_000);
      await poll(after);
    }
    expect(await nodesOf()).toEqual([after.cluster.cursorName]);
    expect(await changeLog.cursors()).toHaveLength(2);
  });

  test('keeps its cursor while all of it is away', async () => {
    await feeds.open(member('a'));
    await clock.advanceAsync(72 * 3_600_000);
    expect(await nodesOf()).toHaveLength(1);
  });
});

describe('workers without a zone', () => {
  test('are each fed on their own, and begin where their host was', async () => {
    const first = member('process-1', { hostname: 'h1' }, ungrouped);
    const second = member('process-2', { hostname: 'h2' }, ungrouped);
    await feeds.open(first);
    await feeds.open(second);
    await emit('one');
    expect(await poll(first)).toEqual(['one:hashed']);
    expect(await poll(second)).toEqual(['one:hashed']);
    expect(await poll(first)).toEqual([]);
    await emit('two');
    await restart();
    expect(await poll(member('process-3', { hostname: 'h1' }, ungrouped))).toEqual(['two:hashed']);
    expect(await poll(member('process-4', { hostname: 'h3' }, ungrouped))).toEqual([]);
  });

  test('leave no cursor that lags behind when they do not come back', async () => {
    await poll(member('process-1', { hostname: 'h1' }, ungrouped));
    expect(await nodesOf()).toEqual(['host:h1', 'member:process-1']);
    await clock.advanceAsync(2 * 3_600_000);
    const left = await changeLog.cursors();
    expect(left.map(({ node }) => node)).toEqual(['host:h1']);
    expect(left.every(isHostCursor)).toBe(true);
  });
});

describe('two clusters under one group id', () => {
  const east = member('a', { hostname: 'east-1' });
  const west = member('b', { hostname: 'west-1' });
  const clusters = () => metrics.value('causeway_zone_clusters', { organisation, zone });

  async function poolTurns(turns: number, first: FeedMember, second: FeedMember): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      await poll(first);
      await poll(second);
      clock.advance(10_000);
    }
  }

  test('are reported when they poll in turns, once in ten minutes, and no longer when one is gone', async () => {
    await poolTurns(2, east, west);
    expect(feeds.conflicts()).toEqual([]);
    await poolTurns(10, east, west);
    expect(feeds.conflicts()).toMatchObject([{ zone, clusters: [{ hostnames: ['east-1'] }, {}] }]);
    expect(clusters()).toBe(2);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await clock.advanceAsync(200_000);
    expect(feeds.conflicts()).toEqual([]);
    expect(clusters()).toBe(0);
  });

  test('are taken for an upgrade for some minutes when only the release differs', async () => {
    const next = member('c', { hostname: 'east-2', version: 'v5.9.0' });
    await poolTurns(12, east, next);
    expect(feeds.conflicts()).toEqual([]);
    await poolTurns(20, east, next);
    expect(feeds.conflicts()).toHaveLength(1);
  });

  test('are not seen in workers without a zone', async () => {
    const first = member('a', { hostname: 'h1' }, ungrouped);
    const second = member('b', { hostname: 'h2' }, ungrouped);
    await poolTurns(20, first, second);
    expect(feeds.conflicts()).toEqual([]);
  });
});

test.each([
  ['gateway-1', 'gateway'],
  ['gateway-17.eu.example.com', 'gateway.eu.example.com'],
  ['gw_03', 'gw'],
  ['gateway', 'gateway'],
  ['tyk-gateway-7d9f8b6c5d-x2x7p', 'tyk-gateway'],
  ['tyk-gateway-5b8c7f9d84-2xkqz', 'tyk-gateway'],
  ['edge-x2x7p', 'edge'],
  ['gateway-0', 'gateway'],
  ['ip-10-0-1-23.eu-west-1.compute.internal', 'ip.eu-west-1.compute.internal'],
  ['3f2a9c1b7d4e', ''],
  ['instance-group-x2k9', 'instance-group'],
  ['dc1-gateway', 'dc1-gateway'],
  ['EAST-1', 'east'],
  ['', ''],
])('the host name %s has the stem "%s"', (hostname, stem) => {
  expect(hostStem(hostname)).toBe(stem);
});

test('cluster names are equal for equal traits, and of bounded length', () => {
  const traits = (tags: readonly string[]) =>
    clusterTraitsOf({
      host: { hostname: 'h'.repeat(1_000), pid: 1, address: '' },
      version: 'v'.repeat(1_000),
      segmented: true,
      tags,
    });
  expect(traits(['b', 'a', 'a']).cursorName).toBe(traits(['a', 'b']).cursorName);
  expect(traits(['a']).cursorName).not.toBe(traits(['a', 'b']).cursorName);
  expect(traits(['a']).cursorName.length).toBeLessThan(100);
  expect(unknownCluster.cursorName).toMatch(/^cluster:@#/);
});
