import { LRUCache } from 'lru-cache';
import type { NodeId, OrganisationId, ZoneId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { WorkerNode } from '../../domain/worker.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { WorkerLog } from './worker-log.js';

export interface FleetNode {
  readonly worker: WorkerNode;
  /** Wall clock. */
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface FleetGroup {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  /** By node id. */
  readonly nodes: readonly FleetNode[];
}

interface Entry extends FleetNode {
  /** Who told of itself under this name before; undefined: always the same process. */
  readonly before: WorkerNode['host'] | undefined;
  readonly expiresAtMs: number;
}

const sweepIntervalMs = 1_000;
/** Gateways renew themselves every ttl exactly; without a margin they would flicker. */
const graceMsMax = 5_000;

/**
 * Which workers there are. Every sign of life moves a node to the end of the map, so the front is always
 * who was silent for longest: that one goes when the bound is reached. The metric is moved by one per
 * arrival and departure, never set: label values may be folded together behind the port.
 */
export class Fleet {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #nodesMax: number;
  readonly #workers: WorkerLog;
  readonly #entries: LRUCache<string, Entry>;
  #sweep: Timer | undefined;
  #full = false;

  constructor(
    ports: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
    options: { readonly nodesMax?: number } = {},
  ) {
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#metrics = ports.metrics;
    this.#workers = new WorkerLog(ports);
    this.#nodesMax = options.nodesMax ?? limits.fleetNodesMax;
    this.#entries = new LRUCache({
      max: this.#nodesMax,
      dispose: ({ worker }, _key, reason) => {
        if (reason === 'evict') this.#tellFull(worker);
      },
    });
  }

  get size(): number {
    this.#expire();
    return this.#entries.size;
  }

  /** A worker logged in or told about itself. */
  seen(worker: WorkerNode): void {
    const key = entryKey(worker.organisation, worker.zone, worker.node);
    const known = this.#entries.peek(key);
    const lastSeenMs = this.#clock.nowMs();
    const replaces = known !== undefined && !isSameProcess(known.worker.host, worker.host);
    this.#entries.set(key, {
      worker,
      before: replaces ? known.worker.host : known?.before,
      firstSeenMs: known?.firstSeenMs ?? lastSeenMs,
      lastSeenMs,
      expiresAtMs: this.#expiry(worker),
    });
    if (known === undefined) {
      this.#count(worker, 1);
      this.#workers.joined(worker);
    } else if (replaces) {
      // Once it is a restart. The one from before again: both are there.
      const isBack = known.before !== undefined && isSameProcess(known.before, worker.host);
      if (isBack) this.#workers.sharesItsName(worker, known.worker.host);
      else this.#workers.joined(worker);
    }
    this.#sweep ??= this.#clock.after(sweepIntervalMs, () => this.#onSweep());
  }

  /** A sign of life without news. Nothing happens for a node that is not known. */
  renew(organisation: OrganisationId, zone: ZoneId, node: NodeId): void {
    const known = this.#entries.peek(entryKey(organisation, zone, node));
    if (known !== undefined) this.seen(known.worker);
  }

  /** A worker said goodbye. */
  gone(organisation: OrganisationId, zone: ZoneId, node: NodeId): void {
    this.#remove(entryKey(organisation, zone, node), 'goodbye');
  }

  /** In a stable order: by organisation, zone and node. */
  byGroup(): readonly FleetGroup[] {
    this.#expire();
    const groups = new Map<string, FleetNode[]>();
    for (const { worker, firstSeenMs, lastSeenMs } of this.#entries.values()) {
      const key = JSON.stringify([worker.organisation, worker.zone]);
      const nodes = groups.get(key) ?? [];
      nodes.push({ worker, firstSeenMs, lastSeenMs });
      groups.set(key, nodes);
    }
    return [...groups.values()]
      .flatMap((nodes) => {
        const [first] = nodes;
        if (first === undefined) return [];
        nodes.sort((a, b) => compare(a.worker.node, b.worker.node));
        return [{ organisation: first.worker.organisation, zone: first.worker.zone, nodes }];
      })
      .sort((a, b) => compare(a.organisation, b.organisation) || compare(a.zone, b.zone));
  }

  #onSweep(): void {
    this.#sweep = undefined;
    this.#expire();
    if (this.#entries.size > 0) this.#sweep = this.#clock.after(sweepIntervalMs, () => this.#onSweep());
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    const expired = [...this.#entries.entries()].filter(([, { expiresAtMs }]) => expiresAtMs <= nowMs);
    for (const [key] of expired) this.#remove(key, 'silent');
  }

  #expiry({ ttlSeconds }: WorkerNode): number {
    const ttlMs = Math.min(limits.nodeTtlSecondsMax, Math.max(1, ttlSeconds)) * 1_000;
    return this.#clock.monotonicMs() + ttlMs + Math.min(graceMsMax, ttlMs / 2);
  }

  #remove(key: string, reason: 'goodbye' | 'silent'): void {
    const entry = this.#entries.peek(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    if (this.#entries.size < this.#nodesMax * 0.9) this.#full = false;
    this.#count(entry.worker, -1);
    this.#workers.left(entry.worker, reason);
  }

  #tellFull(evicted: WorkerNode): void {
    this.#count(evicted, -1);
    this.#metrics.add('causeway_limit_hits_total', { limit: 'fleetNodesMax' });
    if (this.#full) return;
    this.#full = true;
    this.#log.warn('more workers than fleetNodesMax: those silent for longest are no longer shown', {
      limit: this.#nodesMax,
    });
  }

  #count({ organisation, zone }: WorkerNode, amount: number): void {
    this.#metrics.add('causeway_workers', { organisation, zone }, amount);
  }
}

function entryKey(organisation: OrganisationId, zone: ZoneId, node: NodeId): string {
  return JSON.stringify([organisation, zone, node]);
}

function isSameProcess(one: WorkerNode['host'], other: WorkerNode['host']): boolean {
  return one.hostname === other.hostname && one.pid === other.pid;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
