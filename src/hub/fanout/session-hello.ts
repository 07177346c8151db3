import type { DefinitionKey } from '../../domain/definition.js';
import type { NodeId, ZoneId } from '../../domain/identifiers.js';
import type { ViewScope } from '../../domain/view.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import type { Codec } from './frame-encoder.js';

/** What a worker says when it opens its stream, after a transport has read and checked it. */
export interface SessionHello {
  readonly identity: WorkerIdentity;
  readonly zone: ZoneId;
  readonly node: NodeId;
  readonly scope: ViewScope;
  readonly codec: Codec;
  /** The position the worker has applied, by its own records. */
  readonly cursor: { readonly epoch: string; readonly sequence: number } | undefined;
  /** Definitions it holds and their hashes. */
  readonly held: ReadonlyMap<DefinitionKey, string>;
}

export type SessionEndReason = 'goodbye' | 'replaced' | 'refused' | 'protocol-error' | 'failed';

export interface SessionEnd {
  readonly reason: SessionEndReason;
  /** For the worker; no secret. */
  readonly message: string;
}

/** What a transport offers a session. */
export interface SessionLink {
  /** Hands bytes over, in order; false: hold further deliveries until `WorkerSession.drained`. */
  send(frame: Buffer): boolean;
  close(end: SessionEnd): void;
}
