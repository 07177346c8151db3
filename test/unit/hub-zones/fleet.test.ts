import { describe, expect, it } from 'vitest';
import { nodeId, organisationId, zoneId } from '../../../src/domain/identifiers.js';
import type { WorkerNode } from '../../../src/domain/worker.js';
import { Fleet } from '../../../src/hub/zones/fleet.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const acme = organisationId('acme');
const other = organisationId('other');
const east = zoneId('east');
const west = zoneId('west');

function worker(name: string, changes: Partial<WorkerNode> = {}): WorkerNode {
  return {
    protocol: 'gorpc',
    organisation: acme,
    zone: east,
    node: nodeId(name),
    version: 'v5.8.0',
    tags: [],
    segmented: false,
    apiKeyShown: '****abcd',
    ttlSeconds: 10,
    host: { hostname: 'host', pid: 1, address: '10.0.0.1' },
    health: {},
    stats: { apisCount: 0, policiesCount: 0 },
    ...changes,
  };
}

function setUp(nodesMax = 100) {
  const clock = new FakeClock();
  const metrics = recordingMetrics();
  const log = new RecordingLog();
  const fleet = new Fleet({ clock, log, metrics }, { nodesMax });
  const shown = () =>
    fleet
      .byGroup()
      .map(({ organisation, zone, nodes }) => [organisation, zone, nodes.map((one) => one.worker.node)]);
  const workers = (organisation = acme, zone = east) =>
    metrics.value('causeway_workers', { organisation, zone });
  return { clock, metrics, log, fleet, shown, workers };
}

describe('Fleet', () => {
  it('shows workers by organisation and zone', () => {
    const { fleet, shown, workers } = setUp();
    fleet.seen(worker('n2'));
    fleet.seen(worker('n1'));
    fleet.seen(worker('n1', { organisation: other }));
    fleet.seen(worker('n3', { zone: west }));
    expect(shown()).toEqual([
      [acme, east, ['n1', 'n2']],
      [acme, west, ['n3']],
      [other, east, ['n1']],
    ]);
    expect([workers(), workers(acme, west), workers(other)]).toEqual([2, 1, 1]);
  });

  it('keeps when a worker came and takes its newest word', () => {
    const { clock, fleet } = setUp();
    const startMs = clock.nowMs();
    fleet.seen(worker('n1'));
    clock.advance(5_000);
    fleet.seen(worker('n1', { version: 'v5.9.0' }));
    const [node] = fleet.byGroup()[0]?.nodes ?? [];
    expect(node).toMatchObject({ firstSeenMs: startMs, lastSeenMs: startMs + 5_000 });
    expect(node?.worker.version).toBe('v5.9.0');
    expect(fleet.size).toBe(1);
  });

  it('forgets who was silent for its ttl, with a margin for who comes exactly then', () => {
    const { clock, fleet, workers } = setUp();
    fleet.seen(worker('n1', { ttlSeconds: 10 }));
    fleet.seen(worker('n2', { ttlSeconds: 60 }));
    clock.advance(11_000);
    expect(fleet.size).toBe(2);
    clock.advance(5_000);
    expect(workers()).toBe(1);
    clock.advance(60_000);
    expect([fleet.size, workers(), clock.pendingTimers]).toEqual([0, 0, 0]);
  });

  it('does not believe any ttl', () => {
    const { clock, fleet } = setUp();
    fleet.seen(worker('long', { ttlSeconds: Number.MAX_SAFE_INTEGER }));
    fleet.seen(worker('short', { ttlSeconds: -1 }));
    expect(fleet.size).toBe(2);
    clock.advance(2_000);
    expect(fleet.size).toBe(1);
    clock.advance(3_700_000);
    expect(fleet.size).toBe(0);
  });

  it('is renewed by any sign of life of a known worker', () => {
    const { clock, fleet } = setUp();
    fleet.seen(worker('n1'));
    for (let step = 0; step < 10; step += 1) {
      clock.advance(9_000);
      fleet.renew(acme, east, nodeId('n1'));
      fleet.renew(acme, east, nodeId('unknown'));
    }
    expect(fleet.size).toBe(1);
  });

  it('forgets at once who says goodbye', () => {
    const { fleet, workers } = setUp();
    fleet.seen(worker('n1'));
    fleet.gone(acme, west, nodeId('n1'));
    expect(fleet.size).toBe(1);
    fleet.gone(acme, east, nodeId('n1'));
    fleet.gone(acme, east, nodeId('n1'));
    expect([fleet.size, workers()]).toEqual([0, 0]);
  });

  it('is not disturbed by a jump of the wall clock', () => {
    const { clock, fleet } = setUp();
    fleet.seen(worker('n1'));
    clock.jumpWallClock(1e9);
    expect(fleet.size).toBe(1);
  });

  it('gives up who was silent for longest when it is full, loudly but once', () => {
    const { clock, fleet, log, metrics, shown, workers } = setUp(2);
    for (const name of ['n1', 'n2']) {
      fleet.seen(worker(name));
      clock.advance(1_000);
    }
    fleet.seen(worker('n1'));
    fleet.seen(worker('n3'));
    expect(shown()).toEqual([[acme, east, ['n1', 'n3']]]);
    fleet.seen(worker('n4'));
    expect(workers()).toBe(2);
    expect(metrics.value('causeway_limit_hits_total', { limit: 'fleetNodesMax' })).toBe(2);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});
