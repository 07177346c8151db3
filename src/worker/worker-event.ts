import type { DefinitionKind } from '../domain/definition.js';
import type { ErrorCode } from '../errors/catalogue.js';
import type { Codec } from '../hub/fanout/frame-encoder.js';

/** What the worker did about a key event: `noted` when there is nothing to keep or drop. */
export type KeyOutcome = 'stored' | 'dropped' | 'noted';

export type ReportStatus = 'accepted' | 'rejected' | 'abandoned';

/** What happens to a worker, in order. Changes are told after they are durable in the local copy. */
export type WorkerEvent =
  | {
      readonly type: 'welcome';
      readonly mode: 'resume' | 'snapshot';
      /** Why a snapshot, in the words of the contract: `first-sync`, `fell-behind`... */
      readonly reason: string | undefined;
      readonly sequence: number;
      /** Definitions in the worker's view. */
      readonly viewDefinitions: number;
      readonly codec: Codec;
      readonly hub: string;
      readonly hubVersion: string;
    }
  | {
      readonly type: 'put';
      readonly kind: DefinitionKind;
      readonly id: string;
      readonly hash: string;
      /** Undefined: part of a snapshot. */
      readonly sequence: number | undefined;
      readonly atMs: number | undefined;
      readonly bytes: number;
    }
  | {
      readonly type: 'removed';
      readonly kind: DefinitionKind;
      readonly id: string;
      /** Undefined: gone since, found out by a snapshot. */
      readonly sequence: number | undefined;
      readonly atMs: number | undefined;
    }
  | {
      readonly type: 'key';
      /** As in the contract, without prefix: `key-changed`, `key-removed`... */
      readonly event: string;
      readonly key: string;
      readonly hashed: boolean;
      readonly outcome: KeyOutcome;
      readonly sequence: number;
      readonly atMs: number;
    }
  /** Advance notice, applied at once; the same event comes again with its sequence. */
  | { readonly type: 'revocation'; readonly event: string; readonly key: string; readonly hashed: boolean }
  /** A snapshot is complete. `unchanged`: held already and kept. */
  | {
      readonly type: 'snapshot-complete';
      readonly sequence: number;
      readonly received: number;
      readonly unchanged: number;
      readonly removed: number;
    }
  /** Everything up to here is applied, and the hub has no more. Once per connection. */
  | { readonly type: 'level'; readonly sequence: number; readonly definitions: number }
  | { readonly type: 'acknowledged'; readonly sequence: number }
  | { readonly type: 'apply-failed'; readonly sequence: number; readonly message: string }
  | { readonly type: 'goodbye'; readonly reason: string; readonly reconnectAfterMs: number }
  /** The worker goes on with its local copy. */
  | {
      readonly type: 'disconnected';
      readonly code: ErrorCode | undefined;
      readonly message: string;
      readonly retryInMs: number;
    }
  /** Told once per reason: trying again goes on, slowly. */
  | { readonly type: 'refused'; readonly code: ErrorCode; readonly message: string }
  | {
      readonly type: 'report';
      readonly batchId: string;
      readonly status: ReportStatus | 'retry';
      readonly accepted: number;
      readonly dropped: number;
      readonly message: string;
    };
