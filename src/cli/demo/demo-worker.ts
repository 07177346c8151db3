import { hostname } from 'node:os';
import { join } from 'node:path';
import { version } from '../../app/version.js';
import { type DefinitionKey, definitionKey } from '../../domain/definition.js';
import { SystemClock } from '../../telemetry/system-clock.js';
import { connectBridge } from '../../transport/grpc/bridge-client.js';
import { FolderLocalCopy } from '../../worker/folder-local-copy.js';
import { WorkerClient } from '../../worker/worker-client.js';
import type { WorkerEvent } from '../../worker/worker-event.js';
import type { ExpectedView } from './demo-catalog.js';

export interface DemoWorkerOptions {
  readonly name: string;
  readonly zone: string;
  readonly tags: readonly string[];
  readonly organisation: string;
  readonly apiKey: string;
  readonly hub: string;
  readonly folder: string;
}

export interface SeenEvent {
  readonly event: WorkerEvent;
  /** Milliseconds of the process clock. */
  readonly atMs: number;
}

/** A worker of the demo: a real one, over a real socket, that remembers what it was told. */
export class DemoWorker {
  readonly name: string;
  readonly zone: string;
  readonly tags: readonly string[];
  readonly organisation: string;
  /** Over all its lives. */
  readonly seen: SeenEvent[] = [];
  readonly #options: DemoWorkerOptions;
  #client: WorkerClient | undefined;

  constructor(options: DemoWorkerOptions) {
    this.name = options.name;
    this.zone = options.zone;
    this.tags = options.tags;
    this.organisation = options.organisation;
    this.#options = options;
  }

  get client(): WorkerClient {
    if (this.#client === undefined) throw new Error(`${this.name} was not started`);
    return this.#client;
  }

  async start(): Promise<void> {
    const { folder, hub, name, organisation, apiKey, zone, tags } = this.#options;
    const copy = await FolderLocalCopy.open(join(folder, name), { organisation, nodeId: name });
    this.#client = new WorkerClient(
      {
        organisation,
        apiKey,
        nodeId: copy.nodeId,
        group: zone,
        tags,
        segmented: true,
        codecs: ['lz4'],
        version,
        hostname: hostname(),
        pid: process.pid,
        address: '127.0.0.1',
      },
      {
        copy,
        connect: (credentials) => connectBridge({ target: hub, tls: undefined }, credentials),
        clock: new SystemClock(),
        random: Math.random,
        onEvent: (event) => this.seen.push({ event, atMs: performance.now() }),
      },
    );
    this.#client.start();
  }

  async stop(): Promise<void> {
    await this.#client?.stop();
  }

  ofType<Type extends WorkerEvent['type']>(type: Type): readonly Extract<WorkerEvent, { type: Type }>[] {
    return this.seen
      .map(({ event }) => event)
      .filter((event): event is Extract<WorkerEvent, { type: Type }> => event.type === type);
  }

  /** What was delivered as changes, in order: `put api/orders`, `key-removed k1`. */
  changes(): readonly { readonly sequence: number; readonly what: string; readonly atMs: number }[] {
    return this.seen.flatMap(({ event, atMs }) => {
      const what = changeOf(event);
      return what === undefined ? [] : [{ ...what, atMs }];
    });
  }

  /** Undefined: holds exactly that, byte for byte. Else what differs first. */
  async differsFrom(expected: ExpectedView): Promise<string | undefined> {
    const held = new Set<DefinitionKey>();
    for (const { kind, id } of this.client.definitions()) {
      const key = definitionKey(kind, id);
      const want = expected.get(key);
      if (want === undefined) return `${this.name} holds ${key}, which is not for it`;
      const have = await this.client.readDefinition(kind, id);
      const isSame =
        have?.body.equals(want.body) === true &&
        (have.oas?.equals(want.oas ?? empty) ?? want.oas === undefined);
      if (!isSame) return `${this.name} holds other bytes of ${key} than the catalog`;
      held.add(key);
    }
    const missing = [...expected.keys()].find((key) => !held.has(key));
    return missing === undefined ? undefined : `${this.name} lacks ${missing}`;
  }
}

const empty = Buffer.alloc(0);

function changeOf(event: WorkerEvent): { readonly sequence: number; readonly what: string } | undefined {
  if (event.type !== 'put' && event.type !== 'removed' && event.type !== 'key') return undefined;
  const { sequence } = event;
  if (sequence === undefined) return undefined;
  if (event.type === 'key') return { sequence, what: `${event.event} ${event.key}` };
  return { sequence, what: `${event.type} ${event.kind}/${event.id}` };
}
