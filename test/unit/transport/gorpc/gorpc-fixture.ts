import { Duplex } from 'node:stream';
import { organisationId } from '../../../../src/domain/identifiers.js';
import { DefinitionCursors } from '../../../../src/hub/distribution/definition-cursors.js';
import { emptySnapshot } from '../../../../src/hub/distribution/organisation-snapshot.js';
import { ReloadSignals } from '../../../../src/hub/distribution/reload-signals.js';
import { ViewRegistry } from '../../../../src/hub/distribution/view-registry.js';
import { KeyReader } from '../../../../src/hub/keyspace/key-reader.js';
import { KeySearch } from '../../../../src/hub/keyspace/key-search.js';
import { WorkerTokens } from '../../../../src/hub/keyspace/worker-tokens.js';
import { ZoneFeeds } from '../../../../src/hub/keyspace/zone-feeds.js';
import { Authenticator } from '../../../../src/hub/zones/authenticator.js';
import { GatewaySessions } from '../../../../src/hub/zones/gateway-sessions.js';
import type { ConnectionStanding } from '../../../../src/ports/connection-standing.js';
import { GobDecoder } from '../../../../src/transport/gorpc/gob/decoder.js';
import { GobInterface, type GobStruct } from '../../../../src/transport/gorpc/gob/values.js';
import type { GorpcHub } from '../../../../src/transport/gorpc/gorpc-hub.js';
import { GorpcTransport } from '../../../../src/transport/gorpc/gorpc-transport.js';
import { FakeClock, settle } from '../../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../../memory/memory-change-log.js';
import { MemoryKeyStore } from '../../../memory/memory-key-store.js';
import { memoryWrites } from '../../../memory/memory-writes.js';
import { recordingMetrics } from '../../../memory/recording-metrics.js';
import { RecordingLog } from '../../../memory/silent-log.js';

export const acme = organisationId('5e9d9544a1dcd60001d0ed20');
export const apiKey = 'good-key';

/** The hub's end of a connection: what comes in is pushed, what goes out is kept. */
export class TestStream extends Duplex {
  readonly written: Buffer[] = [];
  /** The peer takes nothing: writes do not finish. */
  blocked = false;
  readonly #unfinished: (() => void)[] = [];

  /** The peer sends something. */
  receive(bytes: Buffer): void {
    this.push(bytes);
  }

  unblock(): void {
    this.blocked = false;
    for (const finish of this.#unfinished.splice(0)) finish();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    if (this.blocked) this.#unfinished.push(done);
    else done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    for (const finish of this.#unfinished.splice(0)) finish();
    done(error);
  }
}

export interface Answer {
  readonly id: number;
  readonly error: string | undefined;
  readonly value: unknown;
}

/** Reads what a hub wrote without compression. */
export function answersIn(written: readonly Buffer[]): readonly Answer[] {
  const answers: Answer[] = [];
  const decoder = new GobDecoder((value) => {
    const response = value as GobStruct;
    const inner = (response.get('Response') as GobInterface).value as GobStruct;
    const error = inner.get('Error');
    const result = inner.get('Response');
    answers.push({
      id: Number(response.get('ID')),
      error: typeof error === 'string' ? error : undefined,
      value: result instanceof GobInterface ? result.value : undefined,
    });
  });
  for (const part of written) decoder.push(part);
  return answers;
}

/** The transport over a hub in memory, on a fake clock. */
export class TransportFixture {
  readonly clock = new FakeClock();
  readonly metrics = recordingMetrics();
  readonly log = new RecordingLog();
  readonly store = new MemoryKeyStore(this.clock);
  readonly transport: GorpcTransport;
  readonly sessions: GatewaySessions;
  #ports = 1_000;

  constructor() {
    const { clock, log, metrics, store } = this;
    const changeLog = new MemoryChangeLog({ clock });
    const hmacKey = new Uint8Array(32);
    const authenticator = new Authenticator({ clock, metrics }, { hmacKey });
    authenticator.setPeople(
      [{ id: acme, name: 'Acme', hybridEnabled: true }],
      [{ id: 'u', organisation: acme, emailAddress: '', accessKey: apiKey, active: true, groups: [] }],
    );
    this.sessions = new GatewaySessions(
      { authenticator, clock, metrics },
      { sessionTimeoutMs: 86_400_000, refusedKeyHoldMs: 180_000, hmacKey },
    );
    const apiOwners = () => [];
    const reader = new KeyReader(
      { store, clock, log, metrics, obfuscate: () => '****', apiOwners },
      { hashKeys: true },
    );
    const search = new KeySearch({ store, reader, metrics });
    const views = new ViewRegistry();
    const hub: GorpcHub = {
      sessions: this.sessions,
      feeds: new ZoneFeeds({ changeLog, clock, log, metrics, onMissed: () => {} }),
      reloads: new ReloadSignals({
        clock,
        log,
        viewOf: (scope) => views.viewOf(emptySnapshot(acme), scope),
        cursors: new DefinitionCursors({ changeLog, clock }),
      }),
      tokens: new WorkerTokens(
        { store, writes: memoryWrites(store, clock, changeLog), clock, reader, apiOwners },
        { hashKeys: true },
      ),
      ownerOf: () => undefined,
      readKey: async (identity, name) => (await reader.read(identity, [name]))[0],
      searchKeys: (identity, pattern) => search.search(identity, pattern),
      incrementCounter: async () => 1,
      addToWindow: async () => 0,
      acceptAnalytics: async () => ({ status: 'accepted', error: undefined }),
      acceptAggregate: async () => ({ status: 'accepted', error: undefined }),
      obfuscate: () => '****',
      nodeSeen: () => {},
      nodeGone: () => {},
      fullPushWanted: () => {},
      revocationUnsaid: () => {},
    };
    this.transport = new GorpcTransport({ hub, clock, log, metrics });
  }

  async start(): Promise<this> {
    await this.transport.start();
    await this.sessions.start();
    return this;
  }

  /** A connection from `address` that has sent `bytes` so far. */
  connect(bytes: Buffer = Buffer.alloc(0), address = '10.0.0.1', standing?: ConnectionStanding): TestStream {
    const stream = new TestStream();
    this.#ports += 1;
    const peer = { remoteAddress: address, remotePort: this.#ports };
    this.transport.accept(stream, { ...peer, ...(standing && { standing }) });
    if (bytes.length > 0) stream.receive(bytes);
    return stream;
  }

  /** Lets what is under way go on without time passing. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await settle();
  }

  limitHits(limit: string): number {
    return this.metrics.value('causeway_limit_hits_total', { limit });
  }
}
