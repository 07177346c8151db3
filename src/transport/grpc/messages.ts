/** Messages of the contract as the proto loader gives and takes them: camelCase, enums by name. */

export type CompressionName =
  | 'COMPRESSION_UNSPECIFIED'
  | 'COMPRESSION_NONE'
  | 'COMPRESSION_GZIP'
  | 'COMPRESSION_LZ4';

export type DefinitionKindName =
  | 'DEFINITION_KIND_UNSPECIFIED'
  | 'DEFINITION_KIND_API'
  | 'DEFINITION_KIND_POLICY'
  | 'DEFINITION_KIND_CLIENT_IDP';

export interface CursorMessage {
  epoch: string;
  sequence: number;
}

export interface NodeMessage {
  id: string;
  version: string;
  hostname: string;
  pid: number;
  address: string;
  ttlSeconds: number;
}

export interface HelloMessage {
  node: NodeMessage | null;
  groupId: string;
  tags: string[];
  segmented: boolean;
  compressions: CompressionName[];
  cursor: CursorMessage | null;
  held: { kind: DefinitionKindName; id: string; hash: string }[];
  forceSync: boolean;
}

export interface SyncRequestMessage {
  hello?: HelloMessage;
  ack?: { sequence: number };
  nack?: { sequence: number; error: string; retryAfterMs: number };
  status?: { apisCount: number; policiesCount: number; health: { component: string; status: string }[] };
}

export interface DefinitionMessage {
  kind: DefinitionKindName;
  id: string;
  hash: string;
  body: Buffer;
  oas: Buffer;
  form: 'DEFINITION_FORM_UNSPECIFIED' | 'DEFINITION_FORM_PLAIN' | 'DEFINITION_FORM_DATABASE';
}

export interface DefinitionNameMessage {
  kind: DefinitionKindName;
  id: string;
}

export interface KeyEventMessage {
  kind: string;
  event: string;
  key: string;
  hashed: boolean;
  /** From here on: absent from a hub that is older than these fields. */
  api?: string;
  client?: string;
  token?: string;
  tokenScope?: string;
  oldKey?: string;
  newKey?: string;
}

export interface ChangeMessage {
  sequence: number;
  atMs: number;
  put?: DefinitionMessage;
  removed?: DefinitionNameMessage;
  keyEvent?: KeyEventMessage;
}

export interface SyncResponseMessage {
  welcome?: {
    compression: CompressionName;
    start: CursorMessage | null;
    mode: 'SYNC_MODE_UNSPECIFIED' | 'SYNC_MODE_RESUME' | 'SYNC_MODE_SNAPSHOT';
    reason: string;
    viewDefinitions: number;
    heartbeatIntervalMs: number;
    hubId: string;
    hubVersion: string;
  };
  snapshotChunk?: { index: number; last: boolean; payload: Buffer; uncompressedBytes: number };
  delta?: { afterSequence: number; sequence: number; payload: Buffer; uncompressedBytes: number };
  heartbeat?: { sequence: number; atMs: number };
  revocation?: { keyEvents: KeyEventMessage[] };
  goodbye?: { reason: string; reconnectAfterMs: number };
}

export interface StoredKeyMessage {
  name: string;
  found: boolean;
  value: Buffer;
  remainingTtlMs?: number;
  deferred?: boolean;
  unreadable?: boolean;
}

export interface ReportAnalyticsRequestMessage {
  batchId: string;
  nodeId: string;
  records: Buffer;
  compression: CompressionName;
  uncompressedBytes: number;
}

export interface ReportAnalyticsResponseMessage {
  batchId: string;
  status:
    | 'ANALYTICS_STATUS_UNSPECIFIED'
    | 'ANALYTICS_STATUS_ACCEPTED'
    | 'ANALYTICS_STATUS_REJECTED'
    | 'ANALYTICS_STATUS_RETRY';
  error: string;
  acceptedRecords: number;
  droppedRecords: number;
}
