import type { Definition, DefinitionKind } from '../../src/domain/definition.js';
import type { DeliveredChange } from '../../src/domain/delivered-change.js';
import type { KeyEvent } from '../../src/domain/key-event.js';
import type {
  Codec,
  DefinitionName,
  FrameEncoder,
  SnapshotReason,
  SyncMode,
  WelcomeFrame,
} from '../../src/hub/fanout/frame-encoder.js';

/** A definition as it crosses the wire. */
export interface SentDefinition {
  readonly kind: DefinitionKind;
  readonly id: string;
  readonly organisation: string;
  readonly hash: string;
  readonly form: string;
  readonly body: string;
  readonly oas: string | null;
}

export interface SentChange {
  readonly sequence: number;
  readonly atMs: number;
  readonly put?: SentDefinition;
  readonly removed?: DefinitionName;
  readonly event?: KeyEvent;
}

export type Frame =
  | {
      readonly type: 'welcome';
      readonly codec: Codec;
      readonly epoch: string;
      readonly sequence: number;
      readonly mode: SyncMode;
      readonly reason: SnapshotReason | null;
      readonly viewDefinitions: number;
    }
  | {
      readonly type: 'chunk';
      readonly index: number;
      readonly last: boolean;
      readonly definitions: readonly SentDefinition[];
      readonly unchanged: readonly DefinitionName[];
      readonly codec: Codec;
    }
  | {
      readonly type: 'delta';
      readonly after: number;
      readonly sequence: number;
      readonly changes: readonly SentChange[];
      readonly codec: Codec;
    }
  | { readonly type: 'heartbeat'; readonly sequence: number; readonly atMs: number }
  | { readonly type: 'revocation'; readonly events: readonly KeyEvent[] }
  | { readonly type: 'goodbye'; readonly reason: string; readonly reconnectAfterMs: number };

/** Frames as plain JSON, and a note of each payload that was encoded. */
export class JsonFrameEncoder implements FrameEncoder {
  /** Every delta and snapshot chunk that was encoded, as text; equal texts are equal payloads. */
  readonly encoded: string[] = [];
  /** How many times an encoding yields before it is done, as compression in another thread would. */
  readonly #pause: () => Promise<void>;

  constructor(pause: () => Promise<void> = async () => {}) {
    this.#pause = pause;
  }

  welcome(frame: WelcomeFrame): Buffer {
    return write({ type: 'welcome', ...frame, reason: frame.reason ?? null });
  }

  async snapshotChunk(
    index: number,
    last: boolean,
    definitions: readonly Definition[],
    unchanged: readonly DefinitionName[],
    codec: Codec,
  ): Promise<Buffer> {
    const frame = write({
      type: 'chunk',
      index,
      last,
      definitions: definitions.map(sentDefinition),
      unchanged,
      codec,
    });
    this.encoded.push(frame.toString());
    await this.#pause();
    return frame;
  }

  async delta(
    after: number,
    sequence: number,
    changes: readonly DeliveredChange[],
    codec: Codec,
  ): Promise<Buffer> {
    const frame = write({ type: 'delta', after, sequence, changes: changes.map(sentChange), codec });
    this.encoded.push(frame.toString());
    await this.#pause();
    return frame;
  }

  heartbeat(sequence: number, atMs: number): Buffer {
    return write({ type: 'heartbeat', sequence, atMs });
  }

  revocation(events: readonly KeyEvent[]): Buffer {
    return write({ type: 'revocation', events });
  }

  goodbye(reason: string, reconnectAfterMs: number): Buffer {
    return write({ type: 'goodbye', reason, reconnectAfterMs });
  }
}

export function readFrame(bytes: Buffer): Frame {
  return JSON.parse(bytes.toString('utf8')) as Frame;
}

export function sentDefinition(definition: Definition): SentDefinition {
  const { kind, id, organisation, hash, form, body, oas } = definition;
  return {
    kind,
    id,
    organisation,
    hash,
    form,
    body: body.toString('base64'),
    oas: oas === undefined ? null : oas.toString('base64'),
  };
}

function sentChange({ sequence, atMs, body }: DeliveredChange): SentChange {
  switch (body.type) {
    case 'put':
      return { sequence, atMs, put: sentDefinition(body.definition) };
    case 'removed':
      return { sequence, atMs, removed: { kind: body.kind, id: body.id } };
    case 'key':
      return { sequence, atMs, event: body.event };
  }
}

function write(frame: Frame): Buffer {
  return Buffer.from(JSON.stringify(frame), 'utf8');
}
