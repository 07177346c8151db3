import {
  type NodeId,
  nodeId,
  type OrganisationId,
  ungrouped,
  type ZoneId,
} from '../../domain/identifiers.js';
import { describeError } from '../../errors/causeway-error.js';
import type { ChangeLog, Cursor, CursorOwner } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { LoopProgress } from '../../ports/progress.js';
import { ageMs, steadyNowMs } from '../../std/steady-time.js';
import { type ClusterTraits, clusterCursorPrefix } from './cluster-signature.js';
import type { BatchEvent } from './key-event-batch.js';
import { SharedZones, type ZoneConflict } from './shared-zones.js';
import { type Carrier, type FeedStart, onceSuffix, ZoneFeed } from './zone-feed.js';

/** A worker that polls for key events. */
export interface FeedMember {
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  /** Names the process over all its connections. */
  readonly member: string;
  readonly cluster: ClusterTraits;
  /** As the worker says it; empty: it does not. */
  readonly hostname: string;
}

export interface ZoneFeedsParts {
  readonly changeLog: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Undefined: nobody watches how it gets on. */
  readonly progress?: LoopProgress | undefined;
  /** Events were trimmed before this zone got them: only a full push can make up for it. */
  readonly onMissed: (organisation: OrganisationId, zone: ZoneId) => void;
}

interface OpenFeed {
  readonly feed: ZoneFeed;
  /** For a worker of its own: notes how far its host is, for the process that comes after it. */
  readonly hostOwner: CursorOwner | undefined;
  /** Monotonic. */
  lastUsedMs: number;
}

const sweepIntervalMs = 60_000;
/** A feed nobody asked for in this time is let go; its cursor stays. */
const feedIdleMs = 3_600_000;
/** Cursors of one zone that moved within this time of each other belong to clusters of the same days. */
const sameTimesMs = 3_600_000;
/** After an upgrade the cursor of the old release is of no more use. */
const upgradedCursorLifeMs = 3_600_000;
/** A worker without a zone that did not come back: its host's cursor says the same. */
const memberCursorLifeMs = 900_000;
/** A cluster that has gone while another one of its zone goes on. */
const leftClusterCursorLifeMs = 24 * 3_600_000;

const memberCursorPrefix = 'member:';
const hostCursorPrefix = 'host:';

/** True for cursors that only say where another one is to begin: no worker is behind by them. */
export function isHostCursor(owner: Pick<CursorOwner, 'node'>): boolean {
  return owner.node.startsWith(hostCursorPrefix);
}

/**
 * Who is fed from which cursor. Workers of one zone share a local store, so one of them gets each batch for
 * all: one feed for each cluster of a zone, which is normally one. Workers without a zone may each have a
 * store of their own: one feed for each.
 *
 * The cursor of a worker without a zone is named by its process, which is new after a restart; a second one,
 * named by the host, tells the next process where to begin.
 */
export class ZoneFeeds implements Component {
  readonly name = 'zone feeds';
  readonly #parts: ZoneFeedsParts;
  readonly #feeds = new Map<string, OpenFeed>();
  readonly #shared: SharedZones;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: ZoneFeedsParts) {
    this.#parts = parts;
    this.#shared = new SharedZones(parts);
    // Asked now, so that it has not jumped yet.
    steadyNowMs(parts.clock);
  }

  async start(): Promise<void> {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  notReady(): string | undefined {
    return undefined;
  }

  /** From now on nothing is missed. Cheap when it was done before. */
  open(member: FeedMember): Promise<void> {
    return this.#feedOf(member).feed.open(() => this.#startOf(member));
  }

  /** The next batch for a member; see ZoneFeed. */
  async poll(member: FeedMember, carrier: Carrier, receivedAtMs: number): Promise<readonly BatchEvent[]> {
    if (member.zone !== ungrouped) this.#shared.polled(member);
    const open = this.#feedOf(member);
    const { feed, hostOwner } = open;
    await feed.open(() => this.#startOf(member));
    const events = await feed.poll({ member: member.member, carrier, receivedAtMs });
    if (hostOwner !== undefined) {
      const atMs = this.#parts.clock.nowMs();
      await this.#parts.changeLog.moveCursor({ ...hostOwner, sequence: feed.confirmed, atMs });
    }
    return events;
  }

  /** Zones in which more than one cluster seems to be, at this time. */
  conflicts(): readonly ZoneConflict[] {
    return this.#shared.conflicts();
  }

  #feedOf(member: FeedMember): OpenFeed {
    const { organisation, zone } = member;
    const node = cursorNodeOf(member);
    const key = JSON.stringify([organisation, zone, node]);
    let open = this.#feeds.get(key);
    if (open === undefined) {
      const { changeLog, clock, log, metrics, onMissed } = this.#parts;
      const feed = new ZoneFeed(
        { organisation, zone, node },
        { changeLog, clock, log, metrics, onMissed: () => onMissed(organisation, zone) },
      );
      open = { feed, hostOwner: hostOwnerOf(member), lastUsedMs: 0 };
      this.#feeds.set(key, open);
    }
    open.lastUsedMs = this.#parts.clock.monotonicMs();
    return open;
  }

  /** Where a feed begins that has no cursor yet. */
  async #startOf(member: FeedMember): Promise<FeedStart> {
    const { changeLog } = this.#parts;
    const hostOwner = hostOwnerOf(member);
    if (member.zone === ungrouped) {
      const cursor = hostOwner === undefined ? undefined : await changeLog.readCursor(hostOwner);
      return { after: cursor?.sequence, takenOver: cursor !== undefined };
    }
    const others = (await changeLog.cursors()).filter(
      (cursor) => isClusterCursor(cursor) && isOfZone(cursor, member),
    );
    const age = ({ atMs }: Cursor) => ageMs(this.#parts.clock, atMs);
    const leastMs = Math.min(...others.map(age));
    const after = Math.min(
      ...others.filter((cursor) => age(cursor) - leastMs <= sameTimesMs).map(({ sequence }) => sequence),
    );
    return others.length === 0 ? { after: undefined, takenOver: false } : { after, takenOver: true };
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.after(sweepIntervalMs, () => {
      this.#shared.expire();
      this.#parts.progress?.hasWork();
      this.#sweep()
        .then(() => this.#parts.progress?.madeProgress())
        .catch((thrown: unknown) => {
          this.#parts.log.debug('cursors not tidied', { reason: describeError(thrown) });
        })
        .finally(() => this.#schedule());
    });
  }

  async #sweep(): Promise<void> {
    const { changeLog, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const [key, { lastUsedMs }] of this.#feeds) {
      if (nowMs - lastUsedMs > feedIdleMs) this.#feeds.delete(key);
    }
    const cursors = await changeLog.cursors();
    for (const cursor of cursors) {
      if (cursor.node.endsWith(onceSuffix) || !this.#isLeft(cursor)) continue;
      await changeLog.removeCursor(cursor);
      await changeLog.removeCursor({ ...cursor, node: nodeId(cursor.node + onceSuffix) });
    }
  }

  /** A cursor that nobody will come back for, and that would look like a zone lagging behind. */
  #isLeft(cursor: Cursor): boolean {
    const silentMs = ageMs(this.#parts.clock, cursor.atMs);
    if (this.#feeds.has(JSON.stringify([cursor.organisation, cursor.zone, cursor.node]))) return false;
    if (cursor.node.startsWith(memberCursorPrefix)) return silentMs > memberCursorLifeMs;
    if (!isClusterCursor(cursor) || silentMs <= upgradedCursorLifeMs) return false;
    const living = [...this.#feeds.values()].filter(({ feed }) => isOfZone(feed.owner, cursor));
    if (living.length === 0) return false;
    if (silentMs > leftClusterCursorLifeMs) return true;
    const stem = stemOf(cursor.node);
    return living.some(({ feed }) => stemOf(feed.owner.node) === stem);
  }
}

function cursorNodeOf({ zone, member, cluster }: FeedMember): NodeId {
  return zone === ungrouped ? nodeId(memberCursorPrefix + member) : cluster.cursorName;
}

function hostOwnerOf({ organisation, zone, hostname }: FeedMember): CursorOwner | undefined {
  if (zone !== ungrouped || hostname === '') return undefined;
  return { organisation, zone, node: nodeId(hostCursorPrefix + hostname.slice(0, 255)) };
}

function isClusterCursor({ node }: CursorOwner): boolean {
  return node.startsWith(clusterCursorPrefix) && !node.endsWith(onceSuffix);
}

function isOfZone(
  a: Pick<CursorOwner, 'organisation' | 'zone'>,
  b: Pick<CursorOwner, 'organisation' | 'zone'>,
) {
  return a.organisation === b.organisation && a.zone === b.zone;
}

function stemOf(node: NodeId): string {
  return node.slice(0, node.indexOf('@'));
}
