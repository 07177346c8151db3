import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import { isRevocation, type KeyEvent } from '../../src/domain/key-event.js';
import { subjectOf } from '../../src/domain/key-event-subject.js';
import { type Carrier, ZoneFeed } from '../../src/hub/keyspace/zone-feed.js';
import { acme, GorpcTestHub, groupPoll, success } from '../integration/gorpc-hub.js';
import { FakeClock } from '../memory/fake-clock.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';

const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
const owner = { organisation, zone: zoneId('zone-a'), node: nodeId('cluster:x') };

const client = (
  kind: 'oauth-client-added' | 'oauth-client-updated' | 'oauth-client-removed',
  id: string,
): KeyEvent => ({
  kind,
  api: 'orders',
  client: id,
  organisation,
});

/** What can happen to one thing, in any order: it is created, edited, taken away. */
const lives: readonly (readonly KeyEvent[])[] = [
  ...['c1', 'c2'].map((id) => [
    client('oauth-client-added', id),
    client('oauth-client-updated', id),
    client('oauth-client-removed', id),
  ]),
  ...['k1', 'k2'].map((key) => [
    { kind: 'key-changed', key, hashed: false } as const,
    { kind: 'key-removed', key, hashed: false } as const,
  ]),
  [
    { kind: 'certificate-added', certificate: 'cert' },
    { kind: 'certificate-removed', certificate: 'cert' },
  ],
];
const event = fc.constantFrom(...lives.flat());

/** What a worker holds to be so, when it takes answers one after the other. */
class Worker {
  readonly #holds = new Map<string, boolean>();

  take(events: readonly KeyEvent[]): void {
    for (const one of events) this.#holds.set(subjectOf(one), !isRevocation(one));
  }

  holds(): Record<string, boolean> {
    return Object.fromEntries([...this.#holds].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

type Step =
  | { readonly do: 'happen'; readonly events: readonly KeyEvent[] }
  /** Definitions between events: a backlog that revocations overtake. */
  | { readonly do: 'backlog'; readonly entries: number }
  /** `arrives` false: the answer is lost with its connection. */
  | { readonly do: 'poll'; readonly member: 'a' | 'b'; readonly arrives: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('happen' as const), events: fc.array(event, { maxLength: 6 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('backlog' as const), entries: fc.constantFrom(10, 990, 1_100) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('poll' as const),
      member: fc.constantFrom('a' as const, 'b' as const),
      arrives: fc.boolean(),
    }),
  },
);

describe('per key, certificate and client the last event wins', () => {
  it('over polls, whatever the order, the grouping, and what is lost on the way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const clock = new FakeClock();
        const changeLog = new MemoryChangeLog({ clock });
        const feed = new ZoneFeed(owner, {
          ...{ changeLog, clock, log: silentLog, metrics: recordingMetrics() },
          onMissed: () => {},
        });
        await feed.open(async () => ({ after: undefined, takenOver: false }));
        const worker = new Worker();
        const truth = new Worker();
        const poll = async (member: string, arrives: boolean) => {
          clock.advance(5);
          const carrier: Carrier & { isOpen: boolean } = { isOpen: true, isSent: true };
          const events = await feed.poll({ member, carrier, receivedAtMs: clock.monotonicMs() });
          if (arrives) worker.take(events.map((one) => one.event));
          else carrier.isOpen = false;
          return events.length;
        };
        for (const one of steps) {
          if (one.do === 'poll') await poll(one.member, one.arrives);
          if (one.do === 'happen' && one.events.length > 0) {
            truth.take(one.events);
            await changeLog.append(
              one.events.map((happened) => ({
                organisation,
                atMs: 0,
                body: { type: 'key', event: happened },
              })),
            );
          }
          if (one.do === 'backlog') {
            const body = {
              type: 'definition',
              kind: 'api',
              id: 'a',
              hash: 'h',
              before: undefined,
              after: undefined,
            } as const;
            await changeLog.append(
              Array.from({ length: one.entries }, () => ({ organisation, atMs: 0, body })),
            );
          }
        }
        // Until nothing is out and nothing is left, for every member.
        for (let quiet = 0; quiet < 4; ) {
          const got = (await poll('a', true)) + (await poll('b', true));
          quiet = got === 0 ? quiet + 1 : 0;
        }
        expect(worker.holds()).toEqual(truth.holds());
      }),
      { numRuns: Number(process.env['CAUSEWAY_ORDERS'] ?? 150) },
    );
  }, 120_000);
});

describe('a client created and removed within a moment', () => {
  let hub: GorpcTestHub;
  afterEach(() => hub?.stop());

  it('reaches a gateway as removed, and as nothing else', async () => {
    hub = await GorpcTestHub.start();
    const gateway = await hub.loggedIn();
    await gateway.call('GetGroupKeySpaceUpdate', groupPoll());
    const of = (kind: 'oauth-client-added' | 'oauth-client-updated' | 'oauth-client-removed') => ({
      ...{ kind, api: 'orders', client: 'c1', organisation: acme },
    });
    await hub.emit(of('oauth-client-added'), of('oauth-client-updated'), of('oauth-client-removed'));
    expect(success(await gateway.call('GetGroupKeySpaceUpdate', groupPoll()))).toEqual([
      `orders.c1.${acme}:OauthClientRemoved`,
    ]);
    await hub.emit(of('oauth-client-removed'), of('oauth-client-added'));
    expect(success(await gateway.call('GetGroupKeySpaceUpdate', groupPoll()))).toEqual([
      `orders.c1.${acme}:OauthClientAdded`,
    ]);
  });
});
