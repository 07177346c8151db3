import type { Definition, DefinitionKind } from '../../domain/definition.js';
import type { DeliveredChange } from '../../domain/delivered-change.js';
import type { KeyEvent } from '../../domain/key-event.js';

/** How payloads travel. Chosen once per stream. */
export type Codec = 'lz4' | 'gzip' | 'none';

export type SyncMode = 'resume' | 'snapshot';
export type SnapshotReason = 'first-sync' | 'fell-behind' | 'epoch-changed' | 'view-changed';

export interface WelcomeFrame {
  readonly codec: Codec;
  readonly epoch: string;
  readonly sequence: number;
  readonly mode: SyncMode;
  readonly reason: SnapshotReason | undefined;
  readonly viewDefinitions: number;
}

export interface DefinitionName {
  readonly kind: DefinitionKind;
  readonly id: string;
}

/**
 * Turns deliveries into the bytes of one wire. Implemented by a transport; the fan-out keeps and shares what
 * it returns, so the result must not depend on who receives it.
 */
export interface FrameEncoder {
  welcome(frame: WelcomeFrame): Buffer;
  snapshotChunk(
    index: number,
    last: boolean,
    definitions: readonly Definition[],
    unchanged: readonly DefinitionName[],
    codec: Codec,
  ): Promise<Buffer>;
  delta(
    afterSequence: number,
    sequence: number,
    changes: readonly DeliveredChange[],
    codec: Codec,
  ): Promise<Buffer>;
  heartbeat(sequence: number, atMs: number): Buffer;
  revocation(events: readonly KeyEvent[]): Buffer;
  goodbye(reason: string, reconnectAfterMs: number): Buffer;
}
