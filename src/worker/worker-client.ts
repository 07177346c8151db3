import type { DefinitionKind } from '../domain/definition.js';
import type { ErrorCode } from '../errors/catalogue.js';
import { type CausewayError, describeError } from '../errors/causeway-error.js';
import type { Codec } from '../hub/fanout/frame-encoder.js';
import type { Clock, Timer } from '../ports/clock.js';
import { Backoff } from '../std/backoff.js';
import { steadyNowMs } from '../std/steady-time.js';
import type { BridgeConnection, BridgeCredentials } from '../transport/grpc/bridge-client.js';
import type { CompressionName, DefinitionKindName, HelloMessage } from '../transport/grpc/messages.js';
import { compressionNames } from '../transport/grpc/payload-compression.js';
import { AnalyticsReporter, type ReportOutcome } from './analytics-reporter.js';
import type { HeldDefinition, HeldKey, HeldName, LocalCopy } from './local-copy.js';
import { SyncSession, type SyncSessionEnd } from './sync-session.js';
import type { WorkerEvent } from './worker-event.js';

export interface WorkerOptions {
  readonly organisation: string;
  /** Secret. */
  readonly apiKey: string;
  /** Unique and stable for this worker. */
  readonly nodeId: string;
  /** The zone; empty: the worker is on its own. */
  readonly group: string;
  readonly tags: readonly string[];
  /** Receive only APIs with one of the tags. */
  readonly segmented: boolean;
  /** Readable codecs, best first; the first one is also used upwards. */
  readonly codecs: readonly Codec[];
  readonly version: string;
  readonly hostname: string;
  readonly pid: number;
  readonly address: string;
  readonly reconnectDelayMsFirst?: number;
  readonly reconnectDelayMsMax?: number;
}

export interface WorkerParts {
  readonly copy: LocalCopy;
  /** Makes a connection; called for every attempt. */
  readonly connect: (credentials: BridgeCredentials) => BridgeConnection;
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
  /** Told in order; must not throw. */
  readonly onEvent?: (event: WorkerEvent) => void;
}

/** How often the hub shows the worker without a sign of life. */
const nodeTtlSeconds = 30;
/** Somebody has to do something before these go away, so asking often helps nobody. */
const refusedDelayMs = 30_000;
const stopTimeoutMs = 1_000;

const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'API_KEY_REFUSED',
  'ORGANISATION_REFUSED',
  'LOGIN_RATE_LIMITED',
  'SESSION_REPLACED',
  'REQUEST_INVALID',
]);

const definitionKindNames = {
  api: 'DEFINITION_KIND_API',
  policy: 'DEFINITION_KIND_POLICY',
  'client-idp': 'DEFINITION_KIND_CLIENT_IDP',
} as const satisfies Record<DefinitionKind, DefinitionKindName>;

/**
 * A worker: stays connected for ever, keeps its local copy level with the hub and serves from it, whether
 * or not a hub answers.
 */
export class WorkerClient {
  readonly #options: WorkerOptions;
  readonly #parts: WorkerParts;
  readonly #backoff: Backoff;
  readonly #reporter: AnalyticsReporter;
  #apiKey: string;
  #connection: BridgeConnection | undefined;
  #session: SyncSession | undefined;
  #retry: Timer | undefined;
  #toldRefusal: string | undefined;
  #stopping: { readonly ended: () => void } | undefined;
  #welcomed = false;

  constructor(options: WorkerOptions, parts: WorkerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#apiKey = options.apiKey;
    // Asked now, so that it has not jumped yet.
    steadyNowMs(parts.clock);
    this.#backoff = new Backoff({
      firstDelayMs: options.reconnectDelayMsFirst ?? 500,
      delayMsMax: options.reconnectDelayMsMax ?? 30_000,
      random: parts.random,
    });
    this.#reporter = new AnalyticsReporter({
      nodeId: options.nodeId,
      batchIdPrefix: `${parts.clock.nowMs().toString(36)}-${Math.floor(parts.random() * 2 ** 32).toString(36)}`,
      codec: options.codecs[0] ?? 'lz4',
      clock: parts.clock,
      random: parts.random,
      onEvent: (event) => this.#tell(event),
    });
  }

  /** Returns at once; the connection comes and goes. */
  start(): void {
    if (this.#connection === undefined && this.#retry === undefined) this.#connect();
  }

  /** Resolves when the stream is closed; what was applied is confirmed. */
  async stop(): Promise<void> {
    this.#retry?.cancel();
    this.#retry = undefined;
    const session = this.#session;
    if (session !== undefined && this.#stopping === undefined) {
      const ended = new Promise<void>((resolve) => {
        this.#stopping = { ended: resolve };
      });
      const late = this.#parts.clock.after(stopTimeoutMs, () => session.abandon());
      session.close();
      await ended;
      late.cancel();
    }
    this.#reporter.stop();
    this.#connection?.close();
    this.#connection = undefined;
  }

  get isConnected(): boolean {
    return this.#welcomed;
  }

  /** Batches of analytics that the hub does not have yet. */
  get pendingReports(): number {
    return this.#reporter.pending;
  }

  /** What the worker serves. */
  definitions(): Iterable<HeldName> {
    return this.#parts.copy.definitions();
  }

  readDefinition(kind: DefinitionKind, id: string): Promise<HeldDefinition | undefined> {
    return this.#parts.copy.readDefinition(kind, id);
  }

  /**
   * A key by its raw name: from the local copy, else from the hub, and kept from then on. Undefined when
   * neither has it, when the hub is away, and when what it has is damaged.
   */
  async readKey(name: string): Promise<HeldKey | undefined> {
    const { copy, clock } = this.#parts;
    const held = await copy.readKey(name, steadyNowMs(clock));
    if (held !== undefined || this.#connection === undefined || !this.#welcomed) return held;
    const keysAsOf = copy.revision;
    try {
      const [answer] = await this.#connection.getKeys([name]);
      if (answer === undefined || !answer.found) return undefined;
      const ttlMs = answer.remainingTtlMs;
      const expiresAtMs = ttlMs == null ? undefined : steadyNowMs(clock) + Number(ttlMs);
      const key = { name, value: answer.value, expiresAtMs };
      const nothing = { put: [], remove: [], removeKeys: [], cursor: undefined };
      await copy.apply({ ...nothing, putKeys: [key], keysAsOf });
      return key;
    } catch {
      return undefined;
    }
  }

  /** See {@link AnalyticsReporter.report}. */
  report(records: readonly object[] | Buffer): Promise<ReportOutcome> {
    return this.#reporter.report(records);
  }

  #connect(): void {
    this.#retry = undefined;
    this.#welcomed = false;
    const connection = this.#parts.connect({
      organisation: this.#options.organisation,
      apiKey: this.#apiKey,
    });
    this.#connection = connection;
    this.#session = new SyncSession({
      connection,
      copy: this.#parts.copy,
      hello: this.#hello(),
      clock: this.#parts.clock,
      random: this.#parts.random,
      onEvent: (event) => {
        if (event.type === 'welcome') this.#onWelcome(connection);
        this.#tell(event);
      },
      onApiKeyReplaced: (oldKey, newKey) => {
        if (this.#apiKey === oldKey) this.#apiKey = newKey;
      },
      onEnded: (end) => this.#onEnded(connection, end),
    });
  }

  #onWelcome(connection: BridgeConnection): void {
    this.#welcomed = true;
    this.#toldRefusal = undefined;
    this.#reporter.connected(connection);
  }

  #onEnded(connection: BridgeConnection, end: SyncSessionEnd): void {
    this.#reporter.disconnected();
    connection.close();
    this.#connection = undefined;
    this.#session = undefined;
    this.#welcomed = false;
    if (this.#stopping !== undefined) {
      this.#stopping.ended();
      return;
    }
    const { error } = end;
    const refused = error !== undefined && refusals.has(error.code);
    if (end.confirmed && !refused) this.#backoff.reset();
    const retryInMs = this.#retryDelayMs(end, refused);
    if (refused) this.#tellRefusal(error);
    else {
      const message = error === undefined ? 'the hub closed the stream' : describeError(error);
      this.#tell({ type: 'disconnected', code: error?.code, message, retryInMs });
    }
    this.#retry = this.#parts.clock.after(retryInMs, () => this.#connect());
  }

  #retryDelayMs(end: SyncSessionEnd, refused: boolean): number {
    const { random } = this.#parts;
    if (refused) return refusedDelayMs * (1 + random() / 2);
    // All workers hear the goodbye at once; jitter keeps them from coming back at once.
    if (end.reconnectAfterMs !== undefined) return end.reconnectAfterMs + random() * 500;
    return this.#backoff.nextDelayMs();
  }

  #tellRefusal(error: CausewayError): void {
    const reason = `${error.code} ${error.message}`;
    if (reason === this.#toldRefusal) return;
    this.#toldRefusal = reason;
    this.#tell({ type: 'refused', code: error.code, message: error.message });
  }

  #tell(event: WorkerEvent): void {
    this.#parts.onEvent?.(event);
  }

  #hello(): HelloMessage {
    const { copy } = this.#parts;
    const { nodeId, version, hostname, pid, address, group, tags, segmented, codecs } = this.#options;
    return {
      node: { id: nodeId, version, hostname, pid, address, ttlSeconds: nodeTtlSeconds },
      groupId: group,
      tags: [...tags],
      segmented,
      compressions: codecs.map((codec): CompressionName => compressionNames[codec]),
      cursor: copy.cursor === undefined ? null : { ...copy.cursor },
      held: [...copy.definitions()].map(({ kind, id, hash }) => ({
        kind: definitionKindNames[kind],
        id,
        hash,
      })),
      forceSync: false,
    };
  }
}
