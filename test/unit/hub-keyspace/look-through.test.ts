import { beforeEach, describe, expect, it } from 'vitest';
import { type OrganisationId, organisationId } from '../../../src/domain/identifiers.js';
import { formatKeyEvent } from '../../../src/domain/key-event.js';
import { hearDifferences } from '../../../src/hub/keyspace/key-differences.js';
import { KeyOwners } from '../../../src/hub/keyspace/key-owners.js';
import { isLookThroughMark, type LookDepth, LookThrough } from '../../../src/hub/keyspace/look-through.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { storeAway } from '../../memory/memory-store.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const orgA = organisationId('5e9d9544a1dcd60001d0ed20');
const orgB = organisationId('5e9d9544a1dcd60001d0ed21');

describe('a mark', () => {
  let clock: FakeClock;
  let changeLog: MemoryChangeLog;
  let log: RecordingLog;
  let metrics: ReturnType<typeof recordingMetrics>;
  let looks: (readonly (readonly [OrganisationId, LookDepth])[])[];
  let failing: boolean;
  let during: (() => void) | undefined;
  let lookThrough: LookThrough;

  const make = () =>
    new LookThrough({
      ...{ changeLog, clock, log, metrics, random: () => 0, organisations: () => [orgA, orgB] },
      look: async (marked) => {
        looks.push([...marked]);
        during?.();
        if (failing) throw storeAway();
        return 0;
      },
    });
  const durable = async () => (await changeLog.cursors()).filter(isLookThroughMark).length;

  beforeEach(() => {
    clock = new FakeClock();
    changeLog = new MemoryChangeLog({ clock, cursorFlushDelayMs: 100 });
    log = new RecordingLog();
    metrics = recordingMetrics();
    looks = [];
    failing = false;
    during = undefined;
    lookThrough = make();
  });

  it('is durable before the look and gone after it, and is shown meanwhile', async () => {
    await lookThrough.mark(orgA, 'changes', 'a bound');
    expect([lookThrough.marked().length, await durable()]).toEqual([1, 1]);
    expect(metrics.value('causeway_look_throughs_pending', {})).toBe(1);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await clock.advanceAsync(2_000);
    expect(looks).toEqual([[[orgA, 'changes']]]);
    expect([lookThrough.marked().length, await durable()]).toEqual([0, 0]);
    expect(metrics.value('causeway_look_throughs_pending', {})).toBe(0);
  });

  it('of nobody in particular is one of all, and the closer look counts', async () => {
    await lookThrough.mark(undefined, 'removals', 'unowned');
    await lookThrough.mark(orgB, 'everything', 'a bound');
    await lookThrough.mark(orgB, 'removals', 'unowned');
    await clock.advanceAsync(2_000);
    expect(looks).toEqual([
      [
        [orgA, 'removals'],
        [orgB, 'everything'],
      ],
    ]);
  });

  it('that a crash left is looked at as closely as can be', async () => {
    await lookThrough.mark(undefined, 'changes', 'a bound');
    await lookThrough.stop();
    changeLog = changeLog.restart();
    lookThrough = make();
    await lookThrough.start();
    await clock.advanceAsync(2_000);
    expect(looks.at(-1)).toEqual([
      [orgA, 'everything'],
      [orgB, 'everything'],
    ]);
    expect(await durable()).toBe(0);
  });

  it('stays while a look fails, and when it comes again during one', async () => {
    failing = true;
    await lookThrough.mark(orgA, 'changes', 'a bound');
    await clock.advanceAsync(10_000);
    expect(looks.length).toBeGreaterThan(1);
    expect(await durable()).toBe(1);
    failing = false;
    during = () => {
      during = undefined;
      void lookThrough.mark(orgA, 'changes', 'again');
    };
    const before = looks.length;
    await clock.advanceAsync(20_000);
    expect([looks.length, await durable()]).toEqual([before + 1, 1]);
    await clock.advanceAsync(60_000);
    expect([looks.length, await durable()]).toEqual([before + 2, 0]);
  });

  it('of removals waits longer after a look, and is not kept over a restart', async () => {
    await lookThrough.mark(undefined, 'removals', 'the start');
    await clock.advanceAsync(2_000);
    await lookThrough.mark(undefined, 'removals', 'unowned');
    await clock.advanceAsync(200_000);
    expect([looks.length, await durable()]).toEqual([1, 0]);
    await lookThrough.mark(undefined, 'changes', 'a bound');
    await clock.advanceAsync(2_000);
    expect(looks).toHaveLength(2);
  });
});

describe('a look', () => {
  let clock: FakeClock;
  let store: MemoryKeyStore;
  let changeLog: MemoryChangeLog;
  let owners: KeyOwners;

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryKeyStore(clock);
    changeLog = new MemoryChangeLog({ clock, entriesMax: 2_000 });
    const parts = { store, clock, metrics: recordingMetrics(), log: new RecordingLog() };
    owners = new KeyOwners({ ...parts, random: () => 0 });
  });

  const session = (organisation: OrganisationId, more = '') =>
    Buffer.from(JSON.stringify({ org_id: organisation, more }));
  const put = (id: string, organisation = orgA, more = '') =>
    store.put(`apikey-${id}`, session(organisation, more), undefined);
  const logged = (event: Parameters<typeof formatKeyEvent>[0], organisation = orgA) =>
    changeLog.append([{ organisation, atMs: 1, body: { type: 'key', event } }]);
  async function look(depth: LookDepth, ...organisations: readonly OrganisationId[]) {
    const heard: string[] = [];
    const looking = hearDifferences(
      {
        ...{ changeLog, store, owners, clock, hashKeys: true },
        hear: (event, organisation) => {
          heard.push(`${organisation === orgA ? 'a' : 'b'} ${event.kind} ${formatKeyEvent(event)}`);
        },
        waiting: () => 0,
        settled: async () => {},
      },
      new Map(organisations.map((one) => [one, depth])),
      () => false,
    );
    await clock.advanceAsync(1_000);
    expect(await looking).toBe(heard.length);
    return heard.sort();
  }

  it('finds what the log says is held and is gone', async () => {
    const digest = 'ab'.repeat(32);
    await put('there');
    await logged({ kind: 'key-changed', key: 'there', hashed: false });
    await logged({ kind: 'key-changed', key: 'gone', hashed: false });
    await logged({ kind: 'key-changed', key: 'ef13efcd', hashed: true });
    await logged({ kind: 'key-changed', key: 'told', hashed: false });
    await logged({ kind: 'key-removed', key: 'told', hashed: false });
    await logged({ kind: 'certificate-added', certificate: `${orgA}${digest}` });
    const client = { api: 'api', client: 'c', organisation: orgA } as const;
    await logged({ kind: 'oauth-client-updated', ...client });
    await logged({ kind: 'key-changed', key: 'foreign', hashed: false }, orgB);
    expect(await look('removals', orgA)).toEqual([
      `a certificate-removed ${orgA}${digest}:CertificateRemoved`,
      'a key-removed ef13efcd:hashed',
      'a key-removed gone',
      `a oauth-client-removed api.c.${orgA}:OauthClientRemoved`,
    ]);
  });

  it('reads a log of any length, trimmed or not', async () => {
    for (let index = 0; index < 2_500; index += 1) {
      await logged({ kind: 'key-changed', key: `k${index % 10}`, hashed: false });
    }
    expect(await look('removals', orgA)).toHaveLength(10);
  });

  it('finds what was seen and is gone or another one now, and nothing else', async () => {
    for (const id of ['same', 'edited', 'deleted', 'told', 'moved']) {
      await put(id);
      owners.note(id, orgA, session(orgA));
    }
    owners.note('read', orgA);
    await put('read');
    await logged({ kind: 'key-removed', key: 'told', hashed: false });
    await put('edited', orgA, 'x');
    await put('moved', orgB);
    await put('new');
    await put('foreign', orgB);
    await store.remove(['apikey-deleted', 'apikey-told']);
    expect(await look('changes', orgA)).toEqual([
      'a key-changed edited',
      'a key-changed moved',
      'a key-changed new',
      'a key-changed read',
      'a key-removed deleted',
    ]);
  });

  it('takes every key that is there when nobody knows what was seen', async () => {
    await put('same');
    owners.note('same', orgA, session(orgA));
    await put('foreign', orgB);
    expect(await look('everything', orgA)).toEqual(['a key-changed same']);
  });
});
