import { createHash } from 'node:crypto';
import { type GatewayEra, unknownEra } from '../../domain/gateway-era.js';
import { type NodeId, nodeId, type ZoneId } from '../../domain/identifiers.js';
import type { ViewScope } from '../../domain/view.js';
import type { WorkerIdentity, WorkerNode } from '../../domain/worker.js';
import { type ClusterTraits, unknownCluster } from '../keyspace/cluster-signature.js';
import type { FeedMember } from '../keyspace/zone-feeds.js';

/** What a login has proved. */
export interface GatewayLogin {
  readonly identity: WorkerIdentity;
  readonly zone: ZoneId;
  /** Of the API key, under a secret of this process. */
  readonly keyDigest: Buffer;
  /** Monotonic; from then on a new login is needed. */
  readonly untilMs: number;
}

/**
 * One worker process, as its connections show it: they are several, carry one id, and share one login that
 * arrives on any of them. It outlives its connections by some minutes, so that a blip costs no login.
 */
export class GatewaySession {
  /** Chosen by the worker; whoever knows it shares its login. Never to be logged or stored. */
  readonly connectionId: string;
  /** Names the process for the rest of the hub; says nothing about the connection id. */
  readonly member: string;
  /** Open ones. */
  connections = 0;
  /** Monotonic: when the last connection closed. */
  leftAtMs = 0;
  /** Monotonic: the last call, or the first connection. */
  lastCallMs = 0;
  era: GatewayEra = unknownEra;
  login: GatewayLogin | undefined;
  hasLoggedIn = false;
  /** Tags it named when it asked for definitions; undefined: it has not asked. */
  requestedTags: readonly string[] | undefined;
  /** It asked for a full push of keys. Kept over refused logins, because the worker asks only once. */
  forceSync = false;
  #node: WorkerNode | undefined;
  #cluster: ClusterTraits = unknownCluster;
  #feedMember: FeedMember | undefined;
  #fed: FeedMember | undefined;
  #scope: ViewScope | undefined;

  constructor(connectionId: string) {
    this.connectionId = connectionId;
    this.member = createHash('sha256').update(connectionId, 'latin1').digest('hex').slice(0, 24);
  }

  /** For a log. */
  get shown(): string {
    return this.member.slice(0, 8);
  }

  /** What it last told about itself. */
  get node(): WorkerNode | undefined {
    return this.#node;
  }

  /** The same for people to see. Older gateways name their tags only when they ask for definitions. */
  get shownNode(): WorkerNode | undefined {
    const node = this.#node;
    const tags = this.requestedTags ?? [];
    return node === undefined || node.segmented || tags.length === 0
      ? node
      : { ...node, segmented: true, tags };
  }

  /** For a worker that does not say who it is. */
  get fallbackNode(): NodeId {
    return nodeId(`gateway-${this.shown}`);
  }

  setLogin(login: GatewayLogin | undefined): void {
    this.login = login;
    this.#feedMember = undefined;
    this.#scope = undefined;
    if (login !== undefined) this.hasLoggedIn = true;
  }

  describe(node: WorkerNode, cluster: ClusterTraits): void {
    this.#node = node;
    this.#cluster = cluster;
    this.#feedMember = undefined;
    this.#scope = undefined;
  }

  requestTags(tags: readonly string[]): void {
    this.requestedTags = tags;
    this.#scope = undefined;
  }

  /** Who it is to the key-event feeds. */
  feedMember({ identity, zone }: GatewayLogin): FeedMember {
    this.#feedMember ??= {
      organisation: identity.organisation,
      zone,
      member: this.member,
      cluster: this.#cluster,
      hostname: this.#node?.host.hostname ?? '',
    };
    return this.#feedMember;
  }

  /** Key events are kept for it: nothing about what it is answered from now on is missed. */
  get isFed(): boolean {
    const { login } = this;
    const fed = this.#fed;
    if (login === undefined || fed === undefined) return false;
    if (fed === this.#feedMember) return true;
    const now = this.feedMember(login);
    const same =
      fed.organisation === now.organisation &&
      fed.zone === now.zone &&
      fed.cluster.cursorName === now.cluster.cursorName;
    if (same) this.#fed = now;
    return same;
  }

  fedAs(member: FeedMember): void {
    this.#fed = member;
  }

  /**
   * What it may see. A worker that is segmented but has no tags cannot be told from one that is not
   * segmented when it asks, and filters for itself what it gets: it is sent everything.
   */
  scope({ identity }: GatewayLogin, owner: ViewScope['owner']): ViewScope {
    if (this.#scope !== undefined) return this.#scope;
    const told = this.#node?.segmented === true ? this.#node.tags : [];
    const tags = this.requestedTags ?? told;
    this.#scope = { organisation: identity.organisation, segmented: tags.length > 0, tags, owner };
    return this.#scope;
  }
}
