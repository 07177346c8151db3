import type { OrganisationId } from '../../src/domain/identifiers.js';
import type { WorkerIdentity } from '../../src/domain/worker.js';
import { describeError } from '../../src/errors/causeway-error.js';
import { Distributor } from '../../src/hub/distribution/distributor.js';
import { Fanout } from '../../src/hub/fanout/fanout.js';
import type { SessionHello } from '../../src/hub/fanout/session-hello.js';
import { IntendedWrites } from '../../src/hub/keyspace/intended-writes.js';
import { KeyWriter } from '../../src/hub/keyspace/key-writer.js';
import { Authenticator } from '../../src/hub/zones/authenticator.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';
import { JsonFrameEncoder } from './json-frame-encoder.js';
import type { SimulatedLink } from './simulated-link.js';
import { type Disks, Process } from './simulated-stores.js';
import type { World } from './world.js';

export const heartbeatIntervalMs = 2_000;

/** One life of the hub: what the composition root builds, over one process's way to the stores. */
export class SimulatedHub {
  readonly process: Process;
  readonly encoder: JsonFrameEncoder;
  readonly distributor: Distributor;
  readonly fanout: Fanout;
  readonly keyWriter: KeyWriter;
  readonly metrics = recordingMetrics();
  readonly #writes: IntendedWrites;
  readonly #authenticator: Authenticator;
  readonly #links = new Set<SimulatedLink>();
  /** Streams that came to an end: each may have been the last one of its view. */
  closedLinks = 0;
  #up = false;

  constructor(world: World, disks: Disks) {
    this.process = new Process(world, disks);
    const { changeLog, catalogCopy, catalog, keyStore, clock } = this.process;
    const { metrics } = this;
    const log = silentLog;
    this.encoder = new JsonFrameEncoder(
      () =>
        new Promise((resolve) => {
          if (world.random.chance(0.5)) resolve();
          else clock.after(world.random.between(0, 10), resolve);
        }),
    );
    this.#authenticator = new Authenticator({ clock, metrics }, { hmacKey: new Uint8Array(32) });
    this.distributor = new Distributor({
      catalog,
      catalogCopy,
      changeLog,
      clock,
      log,
      metrics,
      holdRemovals: true,
      onPeople: (organisations, users) => {
        this.#authenticator.setPeople(organisations, users);
        this.fanout.endRefused((identity) => this.#authenticator.isStillAllowed(identity));
      },
    });
    this.fanout = new Fanout({
      changeLog,
      encoder: this.encoder,
      snapshotOf: (organisation) => this.distributor.snapshotOf(organisation),
      clock,
      log,
      metrics,
      heartbeatIntervalMs,
      random: () => world.random.next(),
    });
    this.#writes = new IntendedWrites({
      ...{ store: keyStore, intentions: changeLog, clock, log, metrics },
      random: () => world.random.next(),
    });
    const ports = { store: keyStore, writes: this.#writes, clock, log, metrics };
    this.keyWriter = new KeyWriter(ports, { hashKeys: true });
  }

  /** Undefined: it is up; else why not. */
  async start(): Promise<string | undefined> {
    try {
      await this.distributor.start();
      await this.fanout.start();
      await this.#writes.start();
      this.#up = true;
      return undefined;
    } catch (thrown) {
      return describeError(thrown);
    }
  }

  get up(): boolean {
    return this.#up && this.process.alive;
  }

  /** Throws as a transport would answer. */
  open(
    apiKey: string,
    organisation: OrganisationId,
    helloOf: (identity: WorkerIdentity) => SessionHello,
    link: SimulatedLink,
  ): void {
    const identity = this.#authenticator.login({ protocol: 'grpc', apiKey, organisation, address: '' });
    this.#links.add(link);
    link.onHubSideClosed(() => {
      this.#links.delete(link);
      this.closedLinks += 1;
    });
    link.session = this.fanout.open(helloOf(identity), link);
  }

  async stop(): Promise<void> {
    await this.#writes.stop();
    await this.fanout.stop();
    await this.distributor.stop();
    this.kill();
  }

  kill(): void {
    this.#up = false;
    this.process.kill();
    for (const link of [...this.#links]) link.hubDied();
  }
}
