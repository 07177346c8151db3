import { createHash } from 'node:crypto';
import { type Client, credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import type { Definition, DefinitionKind } from '../../src/domain/definition.js';
import { organisationId } from '../../src/domain/identifiers.js';
import type { WorkerNode } from '../../src/domain/worker.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import { Distributor } from '../../src/hub/distribution/distributor.js';
import { Fanout } from '../../src/hub/fanout/fanout.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import type { BridgeHub } from '../../src/transport/grpc/bridge-hub.js';
import { messageCodec, packageDefinition } from '../../src/transport/grpc/contract.js';
import { GrpcTransport } from '../../src/transport/grpc/grpc-transport.js';
import type {
  ChangeMessage,
  DefinitionMessage,
  SyncResponseMessage,
} from '../../src/transport/grpc/messages.js';
import { codecOf, decompressPayload } from '../../src/transport/grpc/payload-compression.js';
import { ProtoFrameEncoder } from '../../src/transport/grpc/proto-frame-encoder.js';
import { WorkerListener } from '../../src/transport/listener/worker-listener.js';
import { MemoryCatalog } from '../memory/memory-catalog.js';
import { MemoryCatalogCopy } from '../memory/memory-catalog-copy.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { MemoryKeyStore } from '../memory/memory-key-store.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';

export const acme = organisationId('5e9d9544a1dcd60001d0ed20');
export const apiKey = 'worker-key-of-acme';

export function definition(
  kind: DefinitionKind,
  id: string,
  content: Record<string, unknown> = {},
  tags: readonly string[] = [],
): Definition {
  const body = Buffer.from(JSON.stringify({ id, org_id: acme, ...content }));
  const hash = createHash('sha256').update(body).digest('hex');
  return {
    kind,
    id,
    organisation: acme,
    name: id,
    hash,
    visibility: { tags, tagsDisabled: false, ownerUsers: [], ownerGroups: [] },
    form: 'plain',
    body,
    oas: undefined,
    source: `${kind}/${id}`,
  };
}

/** The gRPC side of a hub over in-memory stores, on a real port. */
export async function startGrpcHub(entriesMax = 1_000) {
  const clock = new SystemClock();
  const metrics = recordingMetrics();
  const log = silentLog;
  const catalog = new MemoryCatalog();
  catalog.organisations.push({ id: acme, name: 'Acme', hybridEnabled: true });
  const changeLog = new MemoryChangeLog({ clock, entriesMax });
  const keyStore = new MemoryKeyStore(clock);
  const distributor = new Distributor({
    catalog,
    catalogCopy: new MemoryCatalogCopy(),
    changeLog,
    clock,
    log,
    metrics,
    holdRemovals: false,
    onPeople: () => {},
  });
  const encoder = new ProtoFrameEncoder({ id: 'hub-1', version: 'test', heartbeatIntervalMs: 200 }, metrics);
  const fanout = new Fanout({
    changeLog,
    encoder,
    snapshotOf: (organisation) => distributor.snapshotOf(organisation),
    clock,
    log,
    metrics,
    heartbeatIntervalMs: 200,
    random: () => 0.5,
  });
  const nodes = new Map<string, WorkerNode>();
  const hub: BridgeHub = {
    fanout,
    login: ({ apiKey: given, organisation }) => {
      if (given !== apiKey) throw new CausewayError('API_KEY_REFUSED', 'the API key is not accepted');
      if (organisation !== acme) throw new CausewayError('ORGANISATION_REFUSED', 'another organisation');
      return { organisation: acme, user: { id: 'user-1', groups: [] } };
    },
    ownerOf: () => undefined,
    readKeys: (_identity, names) => keyStore.getMany(names),
    acceptAnalytics: async ({ records }) => ({
      status: 'accepted',
      accepted: JSON.parse(records.toString()).length,
      dropped: 0,
      error: undefined,
    }),
    obfuscate: () => '****',
    nodeSeen: (node) => void nodes.set(node.node, node),
    nodeGone: (_organisation, _zone, node) => void nodes.delete(node),
  };
  const transport = new GrpcTransport({ hub, clock, log, metrics });
  const listener = new WorkerListener(
    { port: 0, host: '127.0.0.1', handlers: { grpc: transport } },
    { log, clock, metrics },
  );
  await distributor.start();
  await fanout.start();
  await transport.start();
  await listener.start();
  return {
    catalog,
    changeLog,
    keyStore,
    distributor,
    fanout,
    bridge: hub,
    metrics,
    nodes,
    address: `127.0.0.1:${listener.address().port}`,
    stop: async () => {
      const deadlineMs = clock.monotonicMs() + 2_000;
      await fanout.stop();
      await transport.stop(deadlineMs);
      await listener.stop(deadlineMs);
      await distributor.stop();
    },
  };
}

export function callMetadata(key = apiKey, organisation: string = acme): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  metadata.set('x-causeway-organisation', organisation);
  return metadata;
}

interface DuplexCall {
  write(message: object): boolean;
  end(): void;
  cancel(): void;
  on(event: string, listener: (value: never) => void): void;
}

export interface BridgeStub extends Client {
  Sync(metadata: Metadata): DuplexCall;
  ReportAnalytics(metadata: Metadata): DuplexCall;
  GetKeys(
    request: object,
    metadata: Metadata,
    callback: (error: Error | null, answer: { keys: { found: boolean; value: Buffer }[] }) => void,
  ): void;
}

export function connect(address: string): BridgeStub {
  const root = loadPackageDefinition(packageDefinition) as unknown as {
    causeway: { v1: { Bridge: new (address: string, credentials: unknown) => BridgeStub } };
  };
  return new root.causeway.v1.Bridge(address, credentials.createInsecure());
}

const definitionSet = messageCodec('DefinitionSet');
const changeSet = messageCodec('ChangeSet');

/** The plainest possible worker: remembers what it was sent, acknowledges when told to. */
export class PlainWorker {
  readonly messages: SyncResponseMessage[] = [];
  readonly definitions: DefinitionMessage[] = [];
  readonly unchanged: string[] = [];
  readonly changes: ChangeMessage[] = [];
  error: { code: number; details: string } | undefined;
  ended = false;
  autoAck = true;
  #codec: 'lz4' | 'gzip' | 'none' = 'none';
  #work: Promise<void> = Promise.resolve();
  readonly #client: BridgeStub;
  readonly #call: DuplexCall;

  constructor(address: string, hello: object, metadata = callMetadata()) {
    this.#client = connect(address);
    this.#call = this.#client.Sync(metadata);
    this.#call.on('data', (message: never) => {
      this.#work = this.#work.then(() => this.#receive(message));
    });
    this.#call.on('error', (error: never) => {
      this.error = error;
    });
    this.#call.on('end', () => {
      this.ended = true;
    });
    this.#call.write({ hello });
  }

  get welcome(): NonNullable<SyncResponseMessage['welcome']> | undefined {
    return this.messages.find(({ welcome }) => welcome != null)?.welcome;
  }

  send(message: object): void {
    this.#call.write(message);
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  async #receive(message: SyncResponseMessage): Promise<void> {
    if (message.welcome != null) this.#codec = codecOf(message.welcome.compression) ?? 'none';
    if (message.snapshotChunk != null) {
      const { payload, uncompressedBytes } = message.snapshotChunk;
      const plain = await decompressPayload(payload, this.#codec, uncompressedBytes, 1 << 28);
      const set = definitionSet.read(plain) as {
        definitions: DefinitionMessage[];
        unchanged: { id: string }[];
      };
      this.definitions.push(...set.definitions);
      this.unchanged.push(...set.unchanged.map(({ id }) => id));
    }
    if (message.delta != null) {
      const { payload, uncompressedBytes, sequence } = message.delta;
      const plain = await decompressPayload(payload, this.#codec, uncompressedBytes, 1 << 28);
      this.changes.push(...(changeSet.read(plain) as { changes: ChangeMessage[] }).changes);
      if (this.autoAck) this.send({ ack: { sequence } });
    }
    this.messages.push(message);
  }
}

/** Waits for a state, with a deadline. */
export async function until(reached: () => boolean, what: string, deadlineMs = 5_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!reached()) {
    if (Date.now() > end) throw new Error(`not reached in ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
