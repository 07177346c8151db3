import { createHash, randomBytes } from 'node:crypto';
import { buildHubGraph, type HubGraph, type HubStores } from '../../src/app/hub-graph.js';
import { type ConfigurationInput, parseConfiguration } from '../../src/config/parse-configuration.js';
import type { Definition, DefinitionKind } from '../../src/domain/definition.js';
import { organisationId } from '../../src/domain/identifiers.js';
import type { KeyEvent } from '../../src/domain/key-event.js';
import type { User } from '../../src/domain/organisation.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import type { GorpcTransportOptions } from '../../src/transport/gorpc/gorpc-transport.js';
import type { ListenerBounds } from '../../src/transport/listener/worker-listener.js';
import { MemoryAnalyticsQuarantine } from '../memory/memory-analytics-quarantine.js';
import { MemoryAnalyticsSink } from '../memory/memory-analytics-sink.js';
import { MemoryAnalyticsSpool } from '../memory/memory-analytics-spool.js';
import { MemoryCatalog } from '../memory/memory-catalog.js';
import { MemoryCatalogCopy } from '../memory/memory-catalog-copy.js';
import { MemoryChangeLog } from '../memory/memory-change-log.js';
import { MemoryKeyStore } from '../memory/memory-key-store.js';
import { type RecordingMetrics, recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';
import { GorpcClient, type GorpcClientOptions, type Outcome, type StructArgument } from './gorpc-client.js';

export const acme = organisationId('5e9d9544a1dcd60001d0ed20');
export const other = organisationId('5e9d9544a1dcd60001d0ed99');
export const apiKey = 'good-key';
export const otherApiKey = 'key-of-the-other';

export function worker(id: string, accessKey: string, organisation = acme): User {
  return { id, organisation, emailAddress: `${id}@example.com`, accessKey, active: true, groups: [] };
}

export function apiDefinition(
  id: string,
  content: Record<string, unknown> = {},
  tags: readonly string[] = [],
  oas?: Record<string, unknown>,
): Definition {
  return definitionOf('api', id, { api_id: id, org_id: acme, name: id, ...content }, tags, oas);
}

/** `exact`: text that stands in the place of the value "exact", for numbers that JavaScript would round. */
export function policy(id: string, content: Record<string, unknown> = {}, exact = ''): Definition {
  const made = definitionOf('policy', id, {
    _id: '5f0000000000000000000001',
    id,
    org_id: acme,
    ...content,
  });
  return { ...made, body: Buffer.from(made.body.toString().replace('"exact"', exact)) };
}

export function provider(id: string, tags: readonly string[] = []): Definition {
  return definitionOf('client-idp', id, { client_idp_id: id, org_id: acme }, tags);
}

function definitionOf(
  kind: DefinitionKind,
  id: string,
  content: Record<string, unknown>,
  tags: readonly string[] = [],
  oas?: Record<string, unknown>,
): Definition {
  const body = Buffer.from(JSON.stringify(content));
  const document = oas === undefined ? undefined : Buffer.from(JSON.stringify(oas));
  const hash = createHash('sha256')
    .update(body)
    .update(document ?? '')
    .digest('hex');
  return {
    kind,
    id,
    organisation: acme,
    name: id,
    hash,
    visibility: { tags, tagsDisabled: false, ownerUsers: [], ownerGroups: [] },
    form: 'plain',
    body,
    oas: document,
    source: `${kind}/${id}`,
  };
}

/** Everything durable of a hub, in memory: what a restart finds. */
export class HubDisk {
  readonly clock = new SystemClock();
  catalog = new MemoryCatalog();
  changeLog = new MemoryChangeLog({ clock: this.clock });
  keyStore = new MemoryKeyStore(this.clock);
  spool = new MemoryAnalyticsSpool();
  quarantine = new MemoryAnalyticsQuarantine();
  sink = new MemoryAnalyticsSink();
  catalogCopy = new MemoryCatalogCopy();

  constructor() {
    this.catalog.organisations.push(
      { id: acme, name: 'Acme', hybridEnabled: true },
      { id: other, name: 'Other', hybridEnabled: true },
    );
    this.catalog.users.push(worker('user-1', apiKey), worker('user-2', otherApiKey, other));
  }

  /** A crash: what was durable is there. */
  crash(): void {
    this.changeLog = this.changeLog.restart();
    this.keyStore = this.keyStore.restart();
    this.spool = this.spool.restart();
    this.quarantine = this.quarantine.restart();
    this.catalogCopy = this.catalogCopy.restart();
  }

  stores(): HubStores {
    const { changeLog, keyStore, spool, quarantine, catalogCopy, catalog, sink } = this;
    const component = {
      name: 'sink',
      start: async () => {},
      stop: async () => {},
      notReady: () => undefined,
      store: (...given: Parameters<typeof sink.store>) => sink.store(...given),
      check: () => sink.check(),
      count: () => sink.count(),
    };
    return { changeLog, keyStore, spool, quarantine, catalogCopy, catalog, sink: component };
  }
}

export interface GorpcHubOptions {
  readonly disk?: HubDisk;
  readonly port?: number;
  readonly gorpc?: Partial<GorpcTransportOptions>;
  readonly listenerBounds?: Partial<ListenerBounds>;
  readonly descriptorsMax?: number;
  /** Options of the configuration file. */
  readonly configuration?: ConfigurationInput['overrides'];
}

/** A whole hub over in-memory stores, on a real port. */
export class GorpcTestHub {
  readonly disk: HubDisk;
  readonly graph: HubGraph;
  readonly metrics: RecordingMetrics;
  readonly log: RecordingLog;
  readonly clock: SystemClock;
  readonly #clients: GorpcClient[] = [];
  #stopped: Promise<void> | undefined;

  private constructor(options: GorpcHubOptions) {
    this.disk = options.disk ?? new HubDisk();
    this.clock = this.disk.clock;
    this.metrics = recordingMetrics();
    this.log = new RecordingLog();
    const { configuration, problems } = parseConfiguration({
      env: {},
      overrides: {
        listen_port: options.port ?? 0,
        hash_keys: true,
        'causeway.listen_address': '127.0.0.1',
        'causeway.removal_hold': false,
        ...options.configuration,
      },
    });
    if (problems.length > 0) throw new Error(JSON.stringify(problems));
    this.graph = buildHubGraph(this.disk.stores(), {
      configuration,
      clock: this.clock,
      log: this.log,
      metrics: this.metrics,
      obfuscate: (key) => `****${key.slice(-4)}`,
      hub: { id: 'hub-1', version: 'test' },
      listenerBounds: options.listenerBounds,
      descriptorsMax: options.descriptorsMax,
      gorpc: { loginWaitMs: 600, pollHoldMs: 400, refusalDelayMs: 50, ...options.gorpc },
    });
  }

  static async start(options: GorpcHubOptions = {}): Promise<GorpcTestHub> {
    const hub = new GorpcTestHub(options);
    for (const component of hub.graph.components) await component.start();
    return hub;
  }

  get port(): number {
    return this.graph.listener.address().port;
  }

  async client(options: Partial<GorpcClientOptions> = {}): Promise<GorpcClient> {
    const client = await GorpcClient.open({ port: this.port, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A client whose process is logged in. */
  async loggedIn(
    options: Partial<GorpcClientOptions> & { readonly group?: string; readonly node?: object } = {},
  ): Promise<GorpcClient> {
    const client = await this.client(options);
    const outcome = await client.call('LoginWithGroup', groupLogin(options.group ?? 'zone-a', options.node));
    if (!('value' in outcome) || outcome.value !== true)
      throw new Error(`no login: ${JSON.stringify(outcome)}`);
    return client;
  }

  /** Writes a session under its raw name. */
  async putSession(name: string, content: Record<string, unknown> = {}): Promise<void> {
    const session = Buffer.from(JSON.stringify({ org_id: acme, ...content }));
    await this.disk.keyStore.put(name, session, undefined);
  }

  async emit(...events: readonly KeyEvent[]): Promise<void> {
    await this.disk.changeLog.append(
      events.map((event) => ({ organisation: acme, atMs: this.clock.nowMs(), body: { type: 'key', event } })),
    );
  }

  /** Waits until the catalog as it stands is in force. */
  async settleCatalog(): Promise<void> {
    await this.graph.distributor.reload();
  }

  /** An orderly end, workers are let go. */
  stop(deadlineMs = 2_000): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + deadlineMs;
    for (const component of [...this.graph.components].reverse()) await component.stop(untilMs);
    for (const client of this.#clients) client.destroy();
  }
}

export function groupLogin(group: string, node: object = {}, userKey = apiKey): StructArgument {
  const described = {
    node_id: `solo-${randomBytes(4).toString('hex')}`,
    group_id: group,
    node_version: 'v5.14.0',
    ttl: 10,
    node_is_segmented: false,
    tags: null,
    health: {},
    stats: { apis_count: 0, policies_count: 0 },
    host_details: { Hostname: 'gateway-1', PID: 1, Address: '127.0.0.1' },
    ...node,
  };
  return {
    struct: 'GroupLoginRequest',
    UserKey: userKey,
    GroupID: group,
    Node: Buffer.from(JSON.stringify(described)),
  };
}

export function groupPoll(group = 'zone-a', organisation: string = acme): StructArgument {
  return { struct: 'GroupKeySpaceRequest', OrgID: organisation, GroupID: group };
}

export const keepalive: StructArgument = {
  struct: 'InboundData',
  KeyName: 'rpc.listener.0000',
  SessionState: '0000',
  Timeout: 10,
};

/** The value of a success; throws on an error answer. */
export function success(outcome: Outcome): unknown {
  if ('error' in outcome) throw new Error(`error answer: ${outcome.error}`);
  return outcome.value;
}

/** Waits for a state, with a deadline. */
export async function until(
  reached: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 5_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await reached())) {
    if (Date.now() > end) throw new Error(`not reached in ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
