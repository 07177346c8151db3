import type { OrganisationId, ZoneId } from '../../domain/identifiers.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { type ClusterTraits, differInVersionOnly } from './cluster-signature.js';

/** One zone whose workers look like more than one cluster. */
export interface ZoneConflict {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  readonly clusters: readonly {
    readonly hostnames: readonly string[];
    readonly version: string;
    readonly tags: readonly string[];
  }[];
}

interface ClusterSeen {
  readonly traits: ClusterTraits;
  readonly hostnames: Set<string>;
  /** Monotonic. */
  lastPollMs: number;
}

interface ZoneSeen {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  readonly clusters: Map<string, ClusterSeen>;
  last: string;
  /** How often a poll came from another cluster than the one before. */
  changes: number;
  conflict: boolean;
  /** Monotonic. */
  reportedMs: number;
}

/** Changes that make a conflict: at a poll every ten seconds half a minute. */
const changesMin = 6;
/** The same when only the release differs, which an upgrade explains as well: some minutes. */
const changesOfUpgradeMin = 40;
/** A cluster that has not polled for this long is not there. */
const presentMs = 180_000;
const reportIntervalMs = 600_000;
const hostnamesMax = 5;

/**
 * Notices when one group id serves two clusters by mistake: their workers poll in turns, and differ in host,
 * release or tags. Each cluster has a cursor of its own and so misses nothing; but workers that share a zone
 * are taken to share a store, and everything else that relies on it is wrong.
 */
export class SharedZones {
  readonly #ports: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics };
  readonly #zones = new Map<string, ZoneSeen>();

  constructor(ports: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics }) {
    this.#ports = ports;
  }

  polled(member: {
    readonly organisation: OrganisationId;
    readonly zone: ZoneId;
    readonly cluster: ClusterTraits;
    readonly hostname: string;
  }): void {
    const { organisation, zone, cluster, hostname } = member;
    const nowMs = this.#ports.clock.monotonicMs();
    const name = cluster.cursorName;
    const zoneKey = JSON.stringify([organisation, zone]);
    let seen = this.#zones.get(zoneKey);
    if (seen === undefined) {
      const reportedMs = Number.NEGATIVE_INFINITY;
      seen = { organisation, zone, clusters: new Map(), last: name, changes: 0, conflict: false, reportedMs };
      this.#zones.set(zoneKey, seen);
    }
    let own = seen.clusters.get(name);
    if (own === undefined) {
      own = { traits: cluster, hostnames: new Set(), lastPollMs: nowMs };
      seen.clusters.set(name, own);
    }
    own.lastPollMs = nowMs;
    if (own.hostnames.size < hostnamesMax) own.hostnames.add(hostname);
    if (seen.last === name) return;
    seen.last = name;
    seen.changes += 1;
    this.#judge(seen, nowMs);
  }

  conflicts(): readonly ZoneConflict[] {
    this.expire();
    return [...this.#zones.values()].filter(({ conflict }) => conflict).map(conflictOf);
  }

  /** Forgets clusters that are gone, and conflicts that are over. */
  expire(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    for (const [key, seen] of this.#zones) {
      if (removeAbsent(seen, nowMs)) this.#judge(seen, nowMs);
      if (seen.clusters.size === 0) this.#zones.delete(key);
    }
  }

  #judge(seen: ZoneSeen, nowMs: number): void {
    removeAbsent(seen, nowMs);
    const [first, ...others] = [...seen.clusters.values()];
    if (first === undefined || others.length === 0) {
      seen.changes = 0;
      this.#set(seen, false);
      return;
    }
    const upgrade = others.every(({ traits }) => differInVersionOnly(traits, first.traits));
    if (seen.changes < (upgrade ? changesOfUpgradeMin : changesMin)) return;
    this.#set(seen, true);
    if (nowMs - seen.reportedMs < reportIntervalMs) return;
    seen.reportedMs = nowMs;
    this.#ports.log.warn(
      'workers of one zone look like several clusters: unless they share one Redis, give each cluster a group_id of its own',
      { ...conflictOf(seen) },
    );
  }

  #set(seen: ZoneSeen, conflict: boolean): void {
    if (seen.conflict === conflict && !conflict) return;
    const { organisation, zone } = seen;
    seen.conflict = conflict;
    const clusters = conflict ? seen.clusters.size : 0;
    this.#ports.metrics.set('causeway_zone_clusters', { organisation, zone }, clusters);
  }
}

function removeAbsent(seen: ZoneSeen, nowMs: number): boolean {
  let removed = false;
  for (const [name, { lastPollMs }] of seen.clusters) {
    if (nowMs - lastPollMs <= presentMs) continue;
    seen.clusters.delete(name);
    removed = true;
  }
  return removed;
}

function conflictOf({ organisation, zone, clusters }: ZoneSeen): ZoneConflict {
  return {
    organisation,
    zone,
    clusters: [...clusters.values()].map(({ hostnames, traits: { version, tags } }) => ({
      hostnames: [...hostnames],
      version,
      tags,
    })),
  };
}
