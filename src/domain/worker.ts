import type { NodeId, OrganisationId, ZoneId } from './identifiers.js';
import type { User } from './organisation.js';

/** Who a connection has proved to be. */
export interface WorkerIdentity {
  readonly organisation: OrganisationId;
  readonly user: Pick<User, 'id' | 'groups'>;
}

export type WorkerProtocol = 'grpc' | 'gorpc';

/**
 * What a worker tells about itself, in the shape both wires can fill. Source of the fields: the node JSON of
 * a gateway's group login.
 */
export interface WorkerNode {
  readonly protocol: WorkerProtocol;
  readonly organisation: OrganisationId;
  readonly zone: ZoneId;
  readonly node: NodeId;
  readonly version: string;
  readonly tags: readonly string[];
  readonly segmented: boolean;
  /** Already obfuscated. */
  readonly apiKeyShown: string;
  /** Seconds after the last sign of life when the node is no longer shown. */
  readonly ttlSeconds: number;
  /** Where its connection comes from, as the hub sees it. */
  readonly peer?: string | undefined;
  readonly host: { readonly hostname: string; readonly pid: number; readonly address: string };
  readonly health: Readonly<Record<string, NodeHealth>>;
  readonly stats: NodeStats;
}

export interface NodeHealth {
  /** `pass`, `warn` or `fail`. */
  readonly status: string;
  readonly componentType: string;
  /** RFC 3339, as the worker sent it. */
  readonly time: string;
}

export interface NodeStats {
  readonly apisCount: number;
  readonly policiesCount: number;
  /** Newer gateways only. */
  readonly loadedApis?: readonly string[];
  readonly loadedPolicies?: readonly string[];
}
