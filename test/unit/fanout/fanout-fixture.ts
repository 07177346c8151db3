import type { NewChange } from '../../../src/domain/change.js';
import { type Definition, type DefinitionKind, definitionKey } from '../../../src/domain/definition.js';
import { hashDefinition } from '../../../src/domain/definition-hash.js';
import { nodeId, type OrganisationId, organisationId, zoneId } from '../../../src/domain/identifiers.js';
import type { KeyEvent } from '../../../src/domain/key-event.js';
import { viewKeyOf } from '../../../src/domain/view.js';
import {
  applyDifference,
  changesOf,
  emptySnapshot,
  type OrganisationSnapshot,
} from '../../../src/hub/distribution/organisation-snapshot.js';
import { Fanout } from '../../../src/hub/fanout/fanout.js';
import type { Codec } from '../../../src/hub/fanout/frame-encoder.js';
import type { SessionEnd, SessionHello, SessionLink } from '../../../src/hub/fanout/session-hello.js';
import { epochOf } from '../../../src/hub/fanout/start-position.js';
import type { WorkerSession } from '../../../src/hub/fanout/worker-session.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';
import { type Frame, JsonFrameEncoder, readFrame } from '../../simulation/json-frame-encoder.js';

export const acme = organisationId('acme');
export const heartbeatIntervalMs = 10_000;

export function definition(
  kind: DefinitionKind,
  id: string,
  { version = 1, tags = [] as readonly string[], organisation = acme, bytes = 0 } = {},
): Definition {
  const body = Buffer.from(JSON.stringify({ id, version, filler: 'x'.repeat(bytes) }));
  return {
    kind,
    id,
    organisation,
    name: id,
    hash: hashDefinition('plain', body, undefined),
    visibility: { tags, tagsDisabled: false, ownerUsers: [], ownerGroups: [] },
    form: 'plain',
    body,
    oas: undefined,
    source: `${id}.json`,
  };
}

export const keyChanged = (key: string): KeyEvent => ({ kind: 'key-changed', key, hashed: false });
export const keyRemoved = (key: string): KeyEvent => ({ kind: 'key-removed', key, hashed: false });
export const quotaReset = (key: string): KeyEvent => ({ kind: 'quota-reset', key, hashed: false });

/** A worker's end of a stream, as a test sees it. */
export class RecordingLink implements SessionLink {
  readonly frames: Frame[] = [];
  /** The very bytes, for tests on sharing. */
  readonly bytes: Buffer[] = [];
  ended: SessionEnd | undefined;
  session: WorkerSession | undefined;
  /** What `send` answers. */
  accepts = true;

  send(frame: Buffer): boolean {
    if (this.ended !== undefined) throw new Error('a frame was sent on a closed link');
    this.frames.push(readFrame(frame));
    this.bytes.push(frame);
    return this.accepts;
  }

  close(end: SessionEnd): void {
    if (this.ended !== undefined) throw new Error('the link was closed twice');
    this.ended = end;
  }

  of<Type extends Frame['type']>(type: Type): readonly Extract<Frame, { type: Type }>[] {
    return this.frames.filter((frame): frame is Extract<Frame, { type: Type }> => frame.type === type);
  }

  get last(): Frame | undefined {
    return this.frames[this.frames.length - 1];
  }

  drain(): void {
    this.accepts = true;
    this.session?.drained();
  }

  /** What was delivered, in short: `+id`, `-id` or the key of an event, per delta. */
  get delivered(): readonly string[] {
    return this.of('delta').map(({ changes }) =>
      changes
        .map(({ put, removed, event }) => {
          if (put !== undefined) return `+${put.id}`;
          if (removed !== undefined) return `-${removed.id}`;
          return event !== undefined && 'key' in event ? event.key : '?';
        })
        .join(' '),
    );
  }
}

export interface FanoutFixtureOptions {
  readonly entriesMax?: number;
}

/** A fan-out over an in-memory log and snapshots that a test edits. */
export class FanoutFixture {
  readonly clock = new FakeClock();
  readonly metrics = recordingMetrics();
  readonly log = new RecordingLog();
  readonly encoder = new JsonFrameEncoder();
  readonly snapshots = new Map<OrganisationId, OrganisationSnapshot>();
  changeLog: MemoryChangeLog;
  fanout: Fanout;

  private constructor(options: FanoutFixtureOptions) {
    this.changeLog = new MemoryChangeLog({ clock: this.clock, ...options });
    this.fanout = this.#makeFanout();
  }

  static async start(options: FanoutFixtureOptions = {}): Promise<FanoutFixture> {
    const fixture = new FanoutFixture(options);
    fixture.snapshots.set(acme, emptySnapshot(acme));
    await fixture.fanout.start();
    return fixture;
  }

  /** A crash of the hub: links are gone, the log is what was durable. */
  async restart(): Promise<void> {
    this.changeLog = this.changeLog.restart();
    this.fanout = this.#makeFanout();
    await this.fanout.start();
  }

  hello(over: Partial<SessionHello> & { readonly tags?: readonly string[] } = {}): SessionHello {
    const { tags, ...rest } = over;
    return {
      identity: { organisation: acme, user: { id: 'u', groups: [] } },
      zone: zoneId('eu'),
      node: nodeId('n1'),
      scope: { organisation: acme, segmented: tags !== undefined, tags: tags ?? [], owner: undefined },
      codec: 'none' as Codec,
      cursor: undefined,
      held: new Map(),
      ...rest,
    };
  }

  /** A hello with a cursor of the right epoch: the worker resumes. */
  resume(sequence: number, over: Parameters<FanoutFixture['hello']>[0] = {}): SessionHello {
    const hello = this.hello(over);
    const epoch = epochOf(this.changeLog.epoch, viewKeyOf(hello.scope));
    return { ...hello, cursor: { epoch, sequence } };
  }

  /** Opens a stream; the promise resolves when everything that can happen has happened. */
  async open(hello: SessionHello, link = new RecordingLink()): Promise<RecordingLink> {
    link.session = this.fanout.open(hello, link);
    await settle();
    return link;
  }

  session(link: RecordingLink): WorkerSession {
    if (link.session === undefined) throw new Error('the link has no session');
    return link.session;
  }

  /** Puts definitions in force and logs it, in the hub's order. */
  async put(...definitions: readonly Definition[]): Promise<void> {
    await this.#change({ put: definitions, removed: [] });
  }

  async remove(...definitions: readonly Definition[]): Promise<void> {
    await this.#change({ put: [], removed: definitions });
  }

  async events(...events: readonly KeyEvent[]): Promise<void> {
    await this.append(
      events.map((event) => ({
        organisation: acme,
        atMs: this.clock.nowMs(),
        body: { type: 'key', event },
      })),
    );
  }

  /** One append: the subscribers hear of all of it together. */
  async append(changes: readonly NewChange[]): Promise<void> {
    await this.changeLog.append(changes);
    await settle();
  }

  inForce(kind: DefinitionKind, id: string): Definition | undefined {
    return this.snapshots.get(acme)?.definitions.get(definitionKey(kind, id));
  }

  async #change(difference: Parameters<typeof applyDifference>[1]): Promise<void> {
    const current = this.snapshots.get(acme) ?? emptySnapshot(acme);
    this.snapshots.set(acme, applyDifference(current, difference));
    const atMs = this.clock.nowMs();
    await this.append(
      changesOf(current.definitions, difference).map((body) => ({ organisation: acme, atMs, body })),
    );
  }

  #makeFanout(): Fanout {
    return new Fanout({
      changeLog: this.changeLog,
      encoder: this.encoder,
      snapshotOf: (organisation) => this.snapshots.get(organisation),
      clock: this.clock,
      log: this.log,
      metrics: this.metrics,
      heartbeatIntervalMs,
      random: () => 0.5,
    });
  }
}
