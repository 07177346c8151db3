import type { NodeId, OrganisationId, ZoneId } from '../../domain/identifiers.js';
import type { ViewScope } from '../../domain/view.js';
import type { WorkerIdentity, WorkerNode } from '../../domain/worker.js';
import type { ReloadSignals } from '../../hub/distribution/reload-signals.js';
import type { FoundKey } from '../../hub/keyspace/key-search.js';
import type { WorkerTokens } from '../../hub/keyspace/worker-tokens.js';
import type { ZoneFeeds } from '../../hub/keyspace/zone-feeds.js';
import type { GatewaySessions } from '../../hub/zones/gateway-sessions.js';
import type { AggregateKind } from '../../ports/analytics-spool.js';
import type { ReadOptions, StoredValue } from '../../ports/key-store.js';

/** The part of the hub that this transport maps to. */
export interface GorpcHub {
  readonly sessions: GatewaySessions;
  readonly feeds: ZoneFeeds;
  readonly reloads: ReloadSignals;
  readonly tokens: WorkerTokens;
  /** Ownership filter of a worker's view; undefined when `enable_ownership` is off. */
  ownerOf(identity: WorkerIdentity): ViewScope['owner'];
  /** As KeyReader.readOne. */
  readKey(identity: WorkerIdentity, name: string, options?: ReadOptions): Promise<StoredValue | undefined>;
  /** As KeySearch.search. */
  searchKeys(identity: WorkerIdentity, pattern: string): Promise<readonly FoundKey[]>;
  /** As Counters.increment. */
  incrementCounter(identity: WorkerIdentity, name: string, ttlMs: number | undefined): Promise<number>;
  /** As Counters.addToWindow. */
  addToWindow(identity: WorkerIdentity, name: string, windowMs: number): Promise<number>;
  /** `records`: a JSON array, UTF-8. Durable when the status is `accepted`. */
  acceptAnalytics(batch: {
    readonly identity: WorkerIdentity;
    readonly node: NodeId;
    readonly records: Buffer;
  }): Promise<AnalyticsAnswer>;
  /** `payload`: a JSON object, UTF-8. Durable when the status is `accepted`. */
  acceptAggregate(batch: {
    readonly identity: WorkerIdentity;
    readonly node: NodeId;
    readonly kind: AggregateKind;
    readonly payload: Buffer;
  }): Promise<AnalyticsAnswer>;
  obfuscate(key: string): string;
  nodeSeen(node: WorkerNode): void;
  nodeGone(organisation: OrganisationId, zone: ZoneId, node: NodeId): void;
  /** A zone says that its local store is new. */
  fullPushWanted(organisation: OrganisationId, zone: ZoneId): void;
  /** A right was taken away that cannot be told to the gateways of a zone. */
  revocationUnsaid(organisation: OrganisationId, zone: ZoneId): void;
}

export interface AnalyticsAnswer {
  readonly status: 'accepted' | 'rejected' | 'retry';
  readonly error: string | undefined;
}
