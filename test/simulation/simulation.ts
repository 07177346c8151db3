import './small-limits.js';

import { type Definition, type DefinitionKey, definitionKey } from '../../src/domain/definition.js';
import { nodeId, type OrganisationId, zoneId } from '../../src/domain/identifiers.js';
import { isAtMostOnce } from '../../src/domain/key-event.js';
import { sees, viewKeyOf } from '../../src/domain/view.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import { readUnsettledNote } from '../../src/hub/distribution/unsettled-changes.js';
import { FakeClock, settle } from '../memory/fake-clock.js';
import { MemoryCatalog } from '../memory/memory-catalog.js';
import { checkEncodings } from './check-encodings.js';
import { checkNothingLost } from './check-nothing-lost.js';
import { ControlPlane, organisations, segmentTags, userOf } from './control-plane.js';
import { sentDefinition } from './json-frame-encoder.js';
import { Random } from './random.js';
import { SimulatedHub } from './simulated-hub.js';
import { Disks, type StoreName } from './simulated-stores.js';
import { logOf, SimulatedWorker } from './simulated-worker.js';
import { FullHistory, Versions, Violation, type World } from './world.js';

const stepsMax = 90;
const restSecondsMax = 400;

/** What happens in one step, and how often. */
const operations = {
  edit: 26,
  keyWrite: 10,
  keyEvent: 12,
  burst: 4,
  removeMany: 2,
  accept: 3,
  cutLink: 6,
  workerCrash: 4,
  workerMoves: 2,
  workerLosesDisk: 1,
  hubCrash: 3,
  hubStop: 1,
  logLost: 0.2,
  outage: 4,
  outageEnds: 5,
  clockJump: 1,
  user: 2,
  slowZone: 2,
} as const;

/**
 * One run: a control plane, a hub over stores that fail, and workers of three organisations in zones far
 * away, for some tens of random steps; then peace, until everybody is level. The rules are checked by the
 * workers as frames arrive, by {@link Simulation.check} after each step, and once more at the end.
 */
export class Simulation {
  readonly lines: string[] = [];
  readonly #random: Random;
  readonly #clock = new FakeClock();
  readonly #world: World;
  readonly #controlPlane: ControlPlane;
  readonly #disks: Disks;
  readonly #workers: SimulatedWorker[] = [];
  readonly #slow = new Set<string>();
  #hub: SimulatedHub;
  /** Thrown inside a timer or a promise of the hub, where nobody would hear of it. */
  #violation: Violation | undefined;
  #owed = new Set<string>();

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#world = {
      random: this.#random,
      clock: this.#clock,
      catalog: new MemoryCatalog(),
      history: new FullHistory(),
      versions: new Versions(),
      chaos: true,
      cursorFlushDelayMs: this.#random.pick([0, 0, 100]),
      trace: (line) => this.lines.push(`${String(this.#clock.monotonicMs()).padStart(7)} ${line}`),
      violation: (message) => {
        this.#violation ??= new Violation(message);
        throw this.#violation;
      },
      isOwed: (organisation, key) => this.#owed.has(`${organisation} ${key}`),
    };
    this.#disks = new Disks(this.#world, this.#random.pick([8, 30, 1_000]));
    this.#controlPlane = new ControlPlane(this.#world);
    this.#controlPlane.fill();
    this.#hub = new SimulatedHub(this.#world, this.#disks);
    this.#makeWorkers();
  }

  async run(): Promise<void> {
    this.#startHub();
    for (const worker of this.#workers) worker.start();
    for (let step = 0; step < stepsMax; step += 1) {
      this.#operate(this.#random.weighted(operations));
      await this.#advance(this.#pauseMs());
      await this.#check();
    }
    await this.#comeToRest();
  }

  #makeWorkers(): void {
    for (const organisation of organisations) {
      for (let number = 1; number <= 4; number += 1) {
        const zone = this.#random.pick(['z1', 'z2']);
        const user = userOf(organisation, this.#random.between(1, 2));
        const settings = {
          organisation,
          apiKey: `key of ${user}`,
          user,
          zone: zoneId(zone),
          node: nodeId(`${organisation}-${number}`),
          codec: this.#random.pick(['none', 'none', 'gzip'] as const),
          ownership: organisation === 'core',
          frameMs: () => (this.#slow.has(zone) ? this.#random.between(100, 700) : this.#random.between(0, 2)),
          lazy: this.#random.chance(0.3),
          writesChunks: this.#random.chance(0.5),
        };
        this.#workers.push(new SimulatedWorker(this.#world, settings, this.#tags(), () => this.#hub));
      }
    }
  }

  #tags(): readonly string[] | undefined {
    return this.#random.chance(0.4) ? undefined : this.#random.some(segmentTags, 0.5);
  }

  #pauseMs(): number {
    const length = this.#random.weighted({ none: 3, short: 6, long: 3, veryLong: 0.5 });
    if (length === 'none') return 0;
    if (length === 'short') return this.#random.between(1, 40);
    return length === 'long' ? this.#random.between(40, 2_000) : this.#random.between(2_000, 15_000);
  }

  async #advance(ms: number): Promise<void> {
    try {
      await this.#clock.advanceAsync(ms);
      await settle();
    } catch (thrown) {
      throw this.#violation ?? thrown;
    }
    if (this.#violation !== undefined) throw this.#violation;
  }

  // -------------------------------------------------------------------------------- what happens

  #operate(operation: keyof typeof operations): void {
    const { random } = this.#world;
    switch (operation) {
      case 'edit':
        this.#controlPlane.edit();
        break;
      case 'removeMany':
        this.#controlPlane.removeMany();
        break;
      case 'user':
        this.#controlPlane.toggleUser();
        break;
      case 'keyWrite':
        this.#writeKey(random.pick(organisations), `key-${random.between(1, 5)}`);
        break;
      case 'keyEvent':
        this.#append(random.pick(organisations), 1);
        break;
      case 'burst':
        this.#burst(random.pick(organisations));
        break;
      case 'accept':
        this.#trace('accept');
        void this.#hub.distributor.accept(random.chance(0.5) ? undefined : random.pick(organisations));
        break;
      case 'cutLink':
        random.pick(this.#workers).link?.cut();
        break;
      case 'workerCrash':
        this.#restartWorker(random.pick(this.#workers), () => {});
        break;
      case 'workerMoves':
        this.#restartWorker(random.pick(this.#workers), (worker) => worker.setTags(this.#tags()));
        break;
      case 'workerLosesDisk':
        this.#restartWorker(random.pick(this.#workers), (worker) => worker.loseDisk());
        break;
      case 'hubCrash':
        this.#restartHub(() => this.#hub.kill());
        break;
      case 'hubStop':
        this.#trace('hub stops');
        void this.#stopHub(this.#hub);
        break;
      case 'logLost':
        this.#restartHub(() => {
          this.#hub.kill();
          this.#disks.loseLog();
        });
        break;
      case 'outage':
        this.#outage();
        break;
      case 'outageEnds':
        this.#hub.process.outages.clear();
        break;
      case 'clockJump':
        this.#clock.jumpWallClock(random.pick([-86_400_000, -5_000, 5_000, 86_400_000]));
        break;
      case 'slowZone': {
        const zone = random.pick(['z1', 'z2']);
        if (!this.#slow.delete(zone)) this.#slow.add(zone);
        this.#trace(`${zone} is ${this.#slow.has(zone) ? 'slow' : 'fast'}`);
        break;
      }
    }
  }

  #writeKey(organisation: OrganisationId, key: string): void {
    const { keyWriter } = this.#hub;
    const session = Buffer.from(JSON.stringify({ org_id: organisation }));
    const write = this.#random.chance(0.6)
      ? keyWriter.put(organisation, { key: `${organisation}-${key}` }, session, undefined)
      : keyWriter.remove(organisation, { key: `${organisation}-${key}` });
    this.#trace(`a key of ${organisation}`);
    write.catch(ignoreExpected);
  }

  #append(organisation: OrganisationId, count: number): void {
    const changes = Array.from({ length: count }, () => ({
      organisation,
      atMs: this.#clock.nowMs(),
      body: { type: 'key' as const, event: this.#controlPlane.keyEvent() },
    }));
    this.#trace(`${count} key events of ${organisation}`);
    this.#hub.process.changeLog.append(changes).catch(ignoreExpected);
  }

  /** Many at once, or many one by one. */
  #burst(organisation: OrganisationId): void {
    const count = this.#random.between(5, 40);
    if (this.#random.chance(0.5)) this.#append(organisation, count);
    else for (let number = 0; number < count; number += 1) this.#append(organisation, 1);
  }

  #outage(): void {
    const store = this.#random.pick<StoreName>(['log', 'copy', 'catalog', 'keys']);
    this.#trace(`outage: ${store}`);
    this.#hub.process.outages.add(store);
  }

  #restartWorker(worker: SimulatedWorker, meanwhile: (worker: SimulatedWorker) => void): void {
    if (!worker.running) return;
    this.#trace(`${worker.settings.node} crashes`);
    worker.crash();
    meanwhile(worker);
    this.#clock.after(this.#random.between(0, 5_000), () => {
      if (!worker.running) worker.start();
    });
  }

  #restartHub(kill: () => void): void {
    if (!this.#hub.process.alive) return;
    this.#trace('hub dies');
    kill();
    checkEncodings(this.#world, this.#hub.encoder, this.#viewCount());
    this.#disks.crash();
    this.#clock.after(this.#random.between(0, 5_000), () => this.#newHub());
  }

  async #stopHub(hub: SimulatedHub): Promise<void> {
    if (!hub.up) return;
    await hub.stop();
    if (hub !== this.#hub) return;
    await this.#disks.changeLog.close();
    this.#disks.crash();
    this.#clock.after(this.#random.between(0, 5_000), () => this.#newHub());
  }

  #newHub(): void {
    if (this.#hub.process.alive) return;
    this.#hub = new SimulatedHub(this.#world, this.#disks);
    this.#startHub();
  }

  #startHub(): void {
    const hub = this.#hub;
    this.#trace('hub starts');
    void hub.start().then((reason) => {
      this.#trace(`hub is ${reason ?? 'up'}`);
      if (reason !== undefined) this.#restartHub(() => hub.kill());
    });
  }

  // ------------------------------------------------------------------------------ what must hold

  async #check(): Promise<void> {
    this.#owed = await this.#readOwed();
    const { changeLog } = this.#disks;
    const cursors = await changeLog.cursors();
    for (const worker of this.#workers) {
      checkNothingLost(this.#world, changeLog.epoch, worker);
      const { cursor } = worker.durable;
      const { organisation, node } = worker.settings;
      const confirmed = cursors.find((one) => one.organisation === organisation && one.node === node);
      if (cursor === undefined || confirmed === undefined || logOf(cursor.epoch) !== changeLog.epoch)
        continue;
      const { history } = this.#world;
      for (const { sequence, body } of history.between(
        changeLog.epoch,
        organisation,
        cursor.sequence,
        confirmed.sequence,
      )) {
        // What was handed out once is passed over when it was refused.
        if (body.type !== 'key' || isAtMostOnce(body.event)) continue;
        this.#world.violation(`the cursor of ${node} is past key event ${sequence}, the worker is not`);
      }
    }
  }

  async #readOwed(): Promise<Set<string>> {
    const owed = new Set<string>();
    for (const saved of (await this.#disks.catalogCopy.read())?.definitions ?? []) {
      for (const { kind, id } of readUnsettledNote(saved) ?? []) {
        owed.add(`${saved.organisation} ${definitionKey(kind, id)}`);
      }
    }
    return owed;
  }

  /** Peace: whatever was broken works again, and nothing new happens. */
  async #comeToRest(): Promise<void> {
    this.#trace('peace');
    this.#world.chaos = false;
    this.#slow.clear();
    this.#controlPlane.switchAllUsersOn();
    let unrest = '';
    for (let second = 0; second < restSecondsMax; second += 1) {
      for (const worker of this.#workers) if (!worker.running) worker.start();
      if (!this.#hub.process.alive) this.#newHub();
      if (this.#hub.distributor.held().length > 0) void this.#hub.distributor.accept();
      await this.#advance(1_000);
      await this.#check();
      unrest = this.#unrest();
      if (unrest === '') break;
    }
    if (unrest !== '') this.#world.violation(`no rest: ${unrest}`);
    for (const worker of this.#workers) this.#checkView(worker);
    checkEncodings(this.#world, this.#hub.encoder, this.#viewCount());
  }

  /** What is not at its end yet. */
  #unrest(): string {
    if (!this.#hub.up) return 'the hub is not up';
    if (this.#owed.size > 0) return `${this.#owed.size} changes are under way`;
    for (const organisation of organisations) {
      const inForce = this.#hub.distributor.snapshotOf(organisation)?.definitions;
      const wanted = this.#controlPlane.definitions(organisation);
      const same = wanted.every((one) => inForce?.get(definitionKey(one.kind, one.id))?.hash === one.hash);
      if (!same || inForce?.size !== wanted.length) return `the catalog of ${organisation} is not in force`;
    }
    const { epoch } = this.#disks.changeLog;
    for (const { settled, durable, settings } of this.#workers) {
      const newest = this.#world.history.of(epoch, settings.organisation).length;
      if (!settled) return `${settings.node} is not settled`;
      if (durable.cursor === undefined || logOf(durable.cursor.epoch) !== epoch) {
        return `${settings.node} has no cursor`;
      }
      if (durable.cursor.sequence !== newest) {
        return `${settings.node} is at ${durable.cursor.sequence} of ${newest}`;
      }
    }
    return '';
  }

  #checkView(worker: SimulatedWorker): void {
    const { organisation, node } = worker.settings;
    const describe = (definitions: readonly [DefinitionKey, unknown][]) =>
      definitions.map(([key, one]) => `${key} ${JSON.stringify(one)}`).sort();
    const wanted = this.#controlPlane
      .definitions(organisation)
      .filter((definition: Definition) => sees(worker.scope, definition))
      .map((one): [DefinitionKey, unknown] => [definitionKey(one.kind, one.id), sentDefinition(one)]);
    const expected = describe(wanted);
    const actual = describe([...worker.durable.definitions]);
    if (expected.join('\n') === actual.join('\n')) return;
    const without = (lines: readonly string[], others: readonly string[]) =>
      lines.filter((line) => !others.includes(line)).map((line) => `\n  ${line.slice(0, 150)}`);
    this.#world.violation(
      `${node} ends without${without(expected, actual)}\n and with${without(actual, expected)}`,
    );
  }

  #viewCount(): number {
    return new Set(this.#workers.map(({ scope }) => viewKeyOf(scope))).size;
  }

  #trace(line: string): void {
    this.#world.trace(line);
  }
}

function ignoreExpected(thrown: unknown): void {
  if (!(thrown instanceof CausewayError)) throw thrown;
}
