import type { Definition, DefinitionKind } from '../../domain/definition.js';
import type { DeliveredChange } from '../../domain/delivered-change.js';
import { formatKeyEvent, type KeyEvent } from '../../domain/key-event.js';
import type {
  Codec,
  DefinitionName,
  FrameEncoder,
  SnapshotReason,
  WelcomeFrame,
} from '../../hub/fanout/frame-encoder.js';
import type { Metrics } from '../../ports/metrics.js';
import { messageCodec } from './contract.js';
import type {
  ChangeMessage,
  DefinitionKindName,
  DefinitionMessage,
  DefinitionNameMessage,
  KeyEventMessage,
  SyncResponseMessage,
} from './messages.js';
import { compressionNames, compressPayload } from './payload-compression.js';

export const definitionKindNames = {
  api: 'DEFINITION_KIND_API',
  policy: 'DEFINITION_KIND_POLICY',
  'client-idp': 'DEFINITION_KIND_CLIENT_IDP',
} as const satisfies Record<DefinitionKind, DefinitionKindName>;

const snapshotReasonNames = {
  'first-sync': 'SNAPSHOT_REASON_FIRST_SYNC',
  'fell-behind': 'SNAPSHOT_REASON_FELL_BEHIND',
  'epoch-changed': 'SNAPSHOT_REASON_EPOCH_CHANGED',
  'view-changed': 'SNAPSHOT_REASON_VIEW_CHANGED',
} as const satisfies Record<SnapshotReason, string>;

export interface HubDescription {
  readonly id: string;
  readonly version: string;
  readonly heartbeatIntervalMs: number;
}

/** Writes `SyncResponse` messages. */
export class ProtoFrameEncoder implements FrameEncoder {
  readonly #hub: HubDescription;
  readonly #metrics: Metrics;
  readonly #response = messageCodec('SyncResponse');
  readonly #definitionSet = messageCodec('DefinitionSet');
  readonly #changeSet = messageCodec('ChangeSet');

  constructor(hub: HubDescription, metrics: Metrics) {
    this.#hub = hub;
    this.#metrics = metrics;
  }

  welcome(frame: WelcomeFrame): Buffer {
    return this.#write({
      welcome: {
        compression: compressionNames[frame.codec],
        start: { epoch: frame.epoch, sequence: frame.sequence },
        mode: frame.mode === 'resume' ? 'SYNC_MODE_RESUME' : 'SYNC_MODE_SNAPSHOT',
        reason:
          frame.reason === undefined ? 'SNAPSHOT_REASON_UNSPECIFIED' : snapshotReasonNames[frame.reason],
        viewDefinitions: frame.viewDefinitions,
        heartbeatIntervalMs: this.#hub.heartbeatIntervalMs,
        hubId: this.#hub.id,
        hubVersion: this.#hub.version,
      },
    });
  }

  async snapshotChunk(
    index: number,
    last: boolean,
    definitions: readonly Definition[],
    unchanged: readonly DefinitionName[],
    codec: Codec,
  ): Promise<Buffer> {
    const plain = this.#definitionSet.write({
      definitions: definitions.map(definitionMessage),
      unchanged: unchanged.map(nameMessage),
    });
    const payload = await this.#compress(plain, codec);
    return this.#write({ snapshotChunk: { index, last, payload, uncompressedBytes: plain.length } });
  }

  async delta(
    afterSequence: number,
    sequence: number,
    changes: readonly DeliveredChange[],
    codec: Codec,
  ): Promise<Buffer> {
    const plain = this.#changeSet.write({ changes: changes.map(changeMessage) });
    const payload = await this.#compress(plain, codec);
    return this.#write({ delta: { afterSequence, sequence, payload, uncompressedBytes: plain.length } });
  }

  heartbeat(sequence: number, atMs: number): Buffer {
    return this.#write({ heartbeat: { sequence, atMs } });
  }

  revocation(events: readonly KeyEvent[]): Buffer {
    return this.#write({ revocation: { keyEvents: events.map(keyEventMessage) } });
  }

  goodbye(reason: string, reconnectAfterMs: number): Buffer {
    return this.#write({ goodbye: { reason, reconnectAfterMs } });
  }

  async #compress(plain: Buffer, codec: Codec): Promise<Buffer> {
    const payload = await compressPayload(plain, codec);
    this.#metrics.add('causeway_payload_uncompressed_bytes_total', { direction: 'down' }, plain.length);
    this.#metrics.add('causeway_payload_compressed_bytes_total', { direction: 'down' }, payload.length);
    return payload;
  }

  #write(message: SyncResponseMessage): Buffer {
    return this.#response.write(message);
  }
}

function definitionMessage(definition: Definition): DefinitionMessage {
  return {
    kind: definitionKindNames[definition.kind],
    id: definition.id,
    hash: definition.hash,
    body: definition.body,
    oas: definition.oas ?? Buffer.alloc(0),
    form: definition.form === 'plain' ? 'DEFINITION_FORM_PLAIN' : 'DEFINITION_FORM_DATABASE',
  };
}

function nameMessage({ kind, id }: DefinitionName): DefinitionNameMessage {
  return { kind: definitionKindNames[kind], id };
}

function changeMessage({ sequence, atMs, body }: DeliveredChange): ChangeMessage {
  switch (body.type) {
    case 'put':
      return { sequence, atMs, put: definitionMessage(body.definition) };
    case 'removed':
      return { sequence, atMs, removed: nameMessage(body) };
    case 'key':
      return { sequence, atMs, keyEvent: keyEventMessage(body.event) };
  }
}

function keyEventMessage(event: KeyEvent): KeyEventMessage {
  return {
    kind: `KEY_EVENT_KIND_${event.kind.toUpperCase().replaceAll('-', '_')}`,
    event: formatKeyEvent(event),
    key: 'key' in event ? event.key : 'certificate' in event ? event.certificate : '',
    hashed: 'hashed' in event && event.hashed,
    ...('api' in event && { api: event.api }),
    ...('client' in event && { client: event.client }),
    ...('token' in event && {
      token: event.token,
      tokenScope: `OAUTH_TOKEN_SCOPE_${event.scope.toUpperCase()}`,
    }),
    ...('oldKey' in event && { oldKey: event.oldKey, newKey: event.newKey }),
  };
}
