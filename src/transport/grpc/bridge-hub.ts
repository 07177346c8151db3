import type { NodeId, OrganisationId, ZoneId } from '../../domain/identifiers.js';
import type { WorkerIdentity, WorkerNode, WorkerProtocol } from '../../domain/worker.js';
import type { Fanout } from '../../hub/fanout/fanout.js';
import type { StoredValue } from '../../ports/key-store.js';

/** The part of the hub that this transport maps to. */
export interface BridgeHub {
  readonly fanout: Fanout;
  /** Throws API_KEY_REFUSED, ORGANISATION_REFUSED, LOGIN_RATE_LIMITED or CATALOG_NOT_READY. */
  login(request: {
    readonly apiKey: string;
    readonly organisation: string | undefined;
    readonly address: string;
    /** Tells connections of one address apart. */
    readonly port: number;
    readonly protocol: WorkerProtocol;
  }): WorkerIdentity;
  /** Ownership filter of a worker's view; undefined when `enable_ownership` is off. */
  ownerOf(
    identity: WorkerIdentity,
  ): { readonly user: string; readonly groups: readonly string[] } | undefined;
  /** Of a value beyond `valueBytesMax` only its size is told, see `StoredValue.oversize`. */
  readKeys(
    identity: WorkerIdentity,
    names: readonly string[],
    valueBytesMax: number,
  ): Promise<readonly (StoredValue | undefined)[]>;
  acceptAnalytics(request: {
    readonly identity: WorkerIdentity;
    readonly node: NodeId;
    readonly batchId: string;
    readonly records: Buffer;
  }): Promise<{
    readonly status: 'accepted' | 'rejected' | 'retry';
    readonly accepted: number;
    readonly dropped: number;
    readonly error: string | undefined;
  }>;
  obfuscate(key: string): string;
  nodeSeen(node: WorkerNode): void;
  nodeGone(organisation: OrganisationId, zone: ZoneId, node: NodeId): void;
}
