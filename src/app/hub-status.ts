import { join } from 'node:path';
import type { Configuration } from '../config/configuration.js';
import type { ParsedConfiguration } from '../config/parse-configuration.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { ComponentHealth, ReadinessReport } from '../transport/http/operator-views.js';
import type { HubGraph } from './hub-graph.js';

/** A name that no key has: reading it costs a store nothing and proves that it answers. */
const probeName = 'causeway-readiness-probe';

/** Below what a whole report may take: a store that hangs is to be named, whatever its own timeout is. */
const probeMs = 5_000;

/** Of the records that were set aside, how many are shown and how much of each. */
const shownRefusedMax = 20;
const shownTextBytesMax = 1_024;

/** How the stores are called, as the field calls them. */
export interface StoreNames {
  /** `redis`, or `lmdb` for keys inside this process. */
  readonly keys: string;
  /** `postgres`, `mongo`, or `folder`. */
  readonly catalog: string;
}

export function storeNamesOf({ storageType, analytics }: Configuration): StoreNames {
  return {
    keys: storageType === 'embedded' ? 'lmdb' : storageType,
    catalog: analytics.type === 'embedded' ? 'folder' : analytics.type,
  };
}

/** Key store, catalog and worker port: the three without which a worker cannot be served. */
export async function readReadiness(
  graph: HubGraph,
  clock: Clock,
  names: StoreNames,
): Promise<ReadinessReport> {
  const keyStore = await probeKeys(graph, clock);
  const component = (name: string, reason: string | undefined): ComponentHealth => ({
    name,
    status: reason === undefined ? 'pass' : 'fail',
    observedAtMs: clock.nowMs(),
    ...(reason !== undefined && { reason }),
  });
  return {
    components: [
      component(names.keys, keyStore),
      component(names.catalog, graph.distributor.notReady()),
      component('rpc', graph.listener.notReady()),
      component('connections', graph.listener.nearBound()),
      ...stalledLoops(graph, clock),
      ...unfitSettings(graph, clock),
      ...damagedStore(graph, clock),
    ],
  };
}

/** Why the key store does not answer; undefined when it does. */
async function probeKeys({ stores }: HubGraph, clock: Clock): Promise<string | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<string>((resolve) => {
    timer = clock.after(probeMs, () => resolve(`no answer in ${probeMs / 1_000} s`));
  });
  const answer = stores.keyStore.getMany([probeName]).then(
    () => undefined,
    // The name may lie where keys were lost: a store that says so answers.
    (thrown: unknown) => (isDamage(thrown) ? undefined : describeError(thrown)),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer?.cancel();
  }
}

function isDamage(thrown: unknown): boolean {
  return thrown instanceof CausewayError && thrown.code === 'STORE_ITEM_UNREADABLE';
}

/** One for each loop that has had work for a minute and made no progress; none when all is well. */
function stalledLoops({ loops }: HubGraph, clock: Clock): readonly ComponentHealth[] {
  return loops.stalled().map(({ name, forMs }) => ({
    name: `loop:${name}`,
    status: 'fail',
    observedAtMs: clock.nowMs(),
    reason: `it has had work for ${Math.round(forMs / 1_000)} s and made no progress`,
  }));
}

/** What is left is served, and what is lost is answered with an error: no reason to turn workers away. */
function damagedStore({ stores }: HubGraph, clock: Clock): readonly ComponentHealth[] {
  const reason = stores.damage?.();
  if (reason === undefined) return [];
  return [{ name: 'data folder', status: 'warn', observedAtMs: clock.nowMs(), reason }];
}

/** One for each setting that cannot be right beside what the stores hold. */
function unfitSettings({ settings }: HubGraph, clock: Clock): readonly ComponentHealth[] {
  return settings
    .doubts()
    .filter(({ refuses }) => refuses)
    .map(({ option, text }) => ({
      name: `setting:${option}`,
      status: 'fail',
      observedAtMs: clock.nowMs(),
      reason: text,
    }));
}

/** What `causeway status` shows. */
export async function describeStatus(
  graph: HubGraph,
  hub: { readonly id: string; readonly version: string /** Monotonic. */; readonly startedMs: number },
  clock: Clock,
  parsed: ParsedConfiguration,
): Promise<unknown> {
  const { distributor, drain, fleet, stores, zoneLags } = graph;
  const [readiness, lags, spool, quarantine, newestRefused] = await Promise.all([
    readReadiness(graph, clock, storeNamesOf(parsed.configuration)),
    zoneLags.measure(),
    stores.spool.size(),
    stores.quarantine.summary(),
    stores.quarantine.newest(shownRefusedMax),
  ]);
  const stored = await stores.sink.count().catch(() => undefined);
  const lastNacks = new Map(
    [...graph.fanout.sessions()].map((session) => [
      JSON.stringify([session.owner.organisation, session.owner.zone, session.owner.node]),
      session.lastNack,
    ]),
  );
  return {
    hub: { id: hub.id, version: hub.version, uptime_seconds: (clock.monotonicMs() - hub.startedMs) / 1_000 },
    readiness: readiness.components.map(({ name, status, reason }) => ({
      name,
      status,
      reason: reason ?? null,
    })),
    not_in_effect: parsed.warnings.filter(({ kind }) => kind === 'not-yet').map(({ text }) => text),
    catalog: {
      trouble: distributor.notReady() ?? null,
      organisations: distributor.organisations().map(({ id, name, hybridEnabled }) => ({
        id,
        name,
        hybrid_enabled: hybridEnabled,
        definitions: distributor.snapshotOf(id)?.definitions.size ?? 0,
      })),
      quarantined: distributor.quarantined(),
      held: distributor.held(),
    },
    certificates: (graph.tls?.report() ?? []).map(({ option, subject, validTo, trouble, refused }) => ({
      option,
      subject,
      valid_to: validTo,
      trouble,
      refused: refused ?? null,
    })),
    settings: graph.settings.doubts().map(({ refuses, text }) => ({ ready: !refuses, text })),
    zones: lags.map(({ organisation, zone, workers, entries, seconds }) => ({
      organisation,
      zone,
      cursors: workers,
      lag_entries: entries,
      lag_seconds: seconds,
    })),
    look_through: {
      running: graph.lookThrough?.isRunning ?? false,
      marked: (graph.lookThrough?.marked() ?? []).map(({ organisation, depth, reason, sinceMs }) => {
        return { organisation, depth, reason, since: new Date(sinceMs).toISOString() };
      }),
    },
    shared_zones: graph.gorpc.feeds.conflicts(),
    full_pushes_wanted: graph.gorpc.fullPushes
      .all()
      .map(({ organisation, zone, reason, sinceMs, count }) => ({
        organisation,
        zone,
        reason,
        since: new Date(sinceMs).toISOString(),
        count,
      })),
    workers: fleet.byGroup().flatMap(({ nodes }) =>
      nodes.map(({ worker, firstSeenMs, lastSeenMs }) => ({
        organisation: worker.organisation,
        zone: worker.zone,
        node: worker.node,
        protocol: worker.protocol,
        version: worker.version,
        tags: worker.tags,
        segmented: worker.segmented,
        hostname: worker.host.hostname,
        first_seen: new Date(firstSeenMs).toISOString(),
        last_seen: new Date(lastSeenMs).toISOString(),
        last_error: lastNacks.get(JSON.stringify([worker.organisation, worker.zone, worker.node])) ?? null,
      })),
    ),
    analytics: {
      kept_in: join(parsed.configuration.causeway.dataPath, 'analytics.duckdb'),
      stored_records: stored ?? null,
      spooled_batches: spool.batches,
      spooled_bytes: spool.bytes,
      trouble: drain.trouble() ?? null,
      quarantine: {
        records: quarantine.records,
        bytes: quarantine.bytes,
        by_reason: quarantine.byReason,
        newest: newestRefused.map(({ organisation, position, index, reason, detail, atMs, bytes, text }) => ({
          organisation,
          position,
          index,
          reason,
          detail: detail ?? null,
          at: new Date(atMs).toISOString(),
          bytes,
          text: text.toString('utf8', 0, shownTextBytesMax),
        })),
      },
    },
    stalled_loops: graph.loops
      .stalled()
      .map(({ name, forMs }) => ({ name, seconds: Math.round(forMs / 1_000) })),
  };
}
