import type { Change } from '../../src/domain/change.js';
import { type DefinitionKey, definitionKey } from '../../src/domain/definition.js';
import type { NodeId, OrganisationId, ZoneId } from '../../src/domain/identifiers.js';
import { isAtMostOnce } from '../../src/domain/key-event.js';
import { isVisible, type ViewScope } from '../../src/domain/view.js';
import { describeError } from '../../src/errors/causeway-error.js';
import type { Codec } from '../../src/hub/fanout/frame-encoder.js';
import { type Frame, readFrame, type SentChange, type SentDefinition } from './json-frame-encoder.js';
import type { SimulatedHub } from './simulated-hub.js';
import { SimulatedLink } from './simulated-link.js';
import type { World } from './world.js';

export interface WorkerSettings {
  readonly organisation: OrganisationId;
  readonly apiKey: string;
  readonly zone: ZoneId;
  readonly node: NodeId;
  readonly codec: Codec;
  /** Bound by the user behind the API key, when ownership is on. */
  readonly ownership: boolean;
  readonly user: string;
  /** How long the network takes for each frame. */
  readonly frameMs: () => number;
  /** Confirms only when a heartbeat asks for it. */
  readonly lazy: boolean;
  /** Writes a snapshot chunk by chunk instead of all at once. */
  readonly writesChunks: boolean;
}

/** What survives a crash of the worker. */
interface DurableState {
  cursor: { readonly epoch: string; readonly sequence: number } | undefined;
  /** The scope that the cursor was made with. */
  scope: ViewScope | undefined;
  readonly definitions: Map<DefinitionKey, SentDefinition>;
  /** Some chunks of a snapshot are written and its end is not: neither the old state nor the new one. */
  mixed: boolean;
}

interface Snapshot {
  readonly welcome: Extract<Frame, { type: 'welcome' }>;
  readonly scope: ViewScope;
  readonly definitions: Map<DefinitionKey, SentDefinition>;
  readonly unchanged: Set<DefinitionKey>;
  nextIndex: number;
}

/** Everything of one stream; gone with it. */
interface Stream {
  readonly link: SimulatedLink;
  readonly cursorInHello: DurableState['cursor'];
  readonly scope: ViewScope;
  readonly queue: Frame[];
  applying: boolean;
  epoch: string | undefined;
  position: number;
  acknowledged: number;
  snapshot: Snapshot | undefined;
  /** Set after a refusal until what was refused comes again. */
  refused: 'delta' | 'snapshot' | undefined;
  /** What comes after this may have been applied before: it was not confirmed when something was refused. */
  repeatsAfter: number | undefined;
}

function emptyState(): DurableState {
  return { cursor: undefined, scope: undefined, definitions: new Map(), mixed: false };
}

/**
 * A worker that follows the contract to the letter and believes nothing: whatever arrives is held against
 * everything that ever happened.
 */
export class SimulatedWorker {
  readonly settings: WorkerSettings;
  readonly #world: World;
  readonly #hub: () => SimulatedHub | undefined;
  #tags: readonly string[] | undefined;
  #durable: DurableState = emptyState();
  #stream: Stream | undefined;
  /** Counts starts: what a former life had planned does not happen. */
  #life = 0;
  #running = false;
  /** Log entries that may come once and came, over all lives. */
  readonly #cameOnce = new Set<string>();
  /** Key events that came, by epoch of the log and sequence. */
  readonly #keyEvents = new Set<string>();
  /** Where each log's key events begin for this worker: at its first sync, or where it was told of a loss. */
  readonly #keyEventsFrom = new Map<string, number>();

  constructor(
    world: World,
    settings: WorkerSettings,
    tags: readonly string[] | undefined,
    hub: () => SimulatedHub | undefined,
  ) {
    this.#world = world;
    this.settings = settings;
    this.#tags = tags;
    this.#hub = hub;
  }

  get durable(): Readonly<DurableState> {
    return this.#durable;
  }

  get scope(): ViewScope {
    const { organisation, ownership, user } = this.settings;
    return {
      organisation,
      segmented: this.#tags !== undefined,
      tags: this.#tags ?? [],
      owner: ownership ? { user, groups: [] } : undefined,
    };
  }

  get running(): boolean {
    return this.#running;
  }

  /** It has a stream, and everything that the stream began with is durable. */
  get settled(): boolean {
    const stream = this.#stream;
    if (stream?.epoch === undefined || stream.snapshot !== undefined || stream.refused !== undefined)
      return false;
    return stream.epoch === this.#durable.cursor?.epoch;
  }

  get link(): SimulatedLink | undefined {
    return this.#stream?.link;
  }

  // ------------------------------------------------------------------------------------ its life

  start(): void {
    this.#running = true;
    this.#life += 1;
    this.#connect();
  }

  /** Loses everything that is not durable. */
  crash(): void {
    this.#running = false;
    this.#life += 1;
    this.#stream?.link.hangUp();
    this.#stream = undefined;
  }

  /** Another machine under the same name: nothing is left. */
  loseDisk(): void {
    this.#durable = emptyState();
    this.#keyEvents.clear();
  }

  setTags(tags: readonly string[] | undefined): void {
    this.#tags = tags;
  }

  #connect(): void {
    const { random } = this.#world;
    const hub = this.#hub();
    if (hub === undefined || !hub.up) {
      this.#connectLater();
      return;
    }
    const { organisation, apiKey, zone, node, codec, frameMs } = this.settings;
    const { cursor, definitions } = this.#durable;
    const link = new SimulatedLink(
      this.#world,
      {
        received: (frame) => this.#received(stream, readFrame(frame)),
        closed: (why) => this.#closed(stream, why),
      },
      frameMs,
    );
    const { scope } = this;
    const stream: Stream = {
      link,
      cursorInHello: cursor,
      scope,
      queue: [],
      applying: false,
      epoch: undefined,
      position: cursor?.sequence ?? 0,
      acknowledged: cursor?.sequence ?? -1,
      snapshot: undefined,
      refused: undefined,
      repeatsAfter: undefined,
    };
    const held = random.chance(0.7)
      ? new Map([...definitions].map(([key, { hash }]) => [key, hash]))
      : new Map<DefinitionKey, string>();
    this.#stream = stream;
    try {
      hub.open(
        apiKey,
        organisation,
        (identity) => ({ identity, zone, node, scope, codec, cursor, held }),
        link,
      );
      this.#trace(`connects from ${cursor === undefined ? 'nothing' : `${cursor.epoch} ${cursor.sequence}`}`);
    } catch (thrown) {
      this.#trace(`is refused: ${describeError(thrown)}`);
      this.#stream = undefined;
      this.#connectLater(5_000);
    }
  }

  #connectLater(delayMsMax = 1_000): void {
    this.#after(this.#world.random.between(50, delayMsMax), () => {
      if (this.#stream === undefined) this.#connect();
    });
  }

  #closed(stream: Stream, why: string): void {
    if (this.#stream !== stream) return;
    this.#trace(`has lost its stream: ${why}`);
    this.#stream = undefined;
    this.#connectLater();
  }

  // ------------------------------------------------------------------------------- what comes in

  #received(stream: Stream, frame: Frame): void {
    if (this.#stream !== stream) return;
    if (frame.type === 'revocation') {
      this.#checkRevocation(stream, frame);
      return;
    }
    if (frame.type === 'delta') this.#checkOnce(stream, frame);
    stream.queue.push(frame);
    this.#applyNext(stream);
  }

  #applyNext(stream: Stream): void {
    if (stream.applying || this.#stream !== stream) return;
    const frame = stream.queue.shift();
    if (frame === undefined) return;
    stream.applying = true;
    const { random } = this.#world;
    this.#after(random.chance(0.5) ? 0 : random.between(0, 60), () => {
      stream.applying = false;
      if (this.#stream !== stream) return;
      this.#apply(stream, frame);
      this.#applyNext(stream);
    });
  }

  #apply(stream: Stream, frame: Frame): void {
    const mayBeFirst = frame.type === 'welcome' || frame.type === 'goodbye';
    if (stream.epoch === undefined && !mayBeFirst) this.#fail(`${frame.type} before the welcome`);
    switch (frame.type) {
      case 'welcome':
        this.#welcome(stream, frame);
        break;
      case 'chunk':
        this.#applyChunk(stream, frame);
        break;
      case 'delta':
        this.#applyDelta(stream, frame);
        break;
      case 'heartbeat':
        this.#heartbeat(stream, frame.sequence);
        break;
      case 'goodbye':
        stream.link.hangUp();
        this.#stream = undefined;
        this.#connectLater();
        break;
      case 'revocation':
        break;
    }
  }

  #welcome(stream: Stream, welcome: Extract<Frame, { type: 'welcome' }>): void {
    const { mode, reason, epoch, sequence } = welcome;
    this.#trace(`is welcomed: ${mode} ${reason ?? ''} ${epoch} ${sequence}`);
    const cursor = stream.cursorInHello;
    const first = stream.epoch === undefined;
    stream.epoch = epoch;
    stream.refused = undefined;
    if (mode === 'resume') {
      if (!first) this.#fail('a stream resumes in its middle');
      if (cursor === undefined || cursor.epoch !== epoch || cursor.sequence !== sequence) {
        this.#fail(`resumes at ${sequence}, not where the worker is`);
      }
      stream.position = sequence;
      stream.acknowledged = sequence;
      return;
    }
    if (first && reason === 'first-sync' && cursor !== undefined) this.#fail('a first sync with a cursor');
    if (reason !== 'view-changed') stream.acknowledged = -1;
    else {
      if (cursor?.epoch.split(viewMark)[0] !== epoch.split(viewMark)[0] || cursor?.sequence !== sequence) {
        this.#fail(`a changed view leads from ${cursor?.sequence} to ${sequence}`);
      }
    }
    const { scope } = stream;
    stream.snapshot = { welcome, scope, definitions: new Map(), unchanged: new Set(), nextIndex: 0 };
  }

  #applyChunk(stream: Stream, chunk: Extract<Frame, { type: 'chunk' }>): void {
    if (stream.refused === 'snapshot') return;
    const { snapshot } = stream;
    if (snapshot === undefined) this.#fail('a chunk without a snapshot');
    if (chunk.index !== snapshot.nextIndex)
      this.#fail(`chunk ${chunk.index} instead of ${snapshot.nextIndex}`);
    snapshot.nextIndex += 1;
    for (const { kind, id } of chunk.unchanged) {
      const key = definitionKey(kind, id);
      const held = this.#durable.definitions.get(key);
      if (held === undefined) this.#fail(`${key} is unchanged but not held`);
      this.#checkPut(held, snapshot.scope);
      snapshot.unchanged.add(key);
    }
    for (const definition of chunk.definitions) {
      this.#checkPut(definition, snapshot.scope);
      const key = definitionKey(definition.kind, definition.id);
      snapshot.definitions.set(key, definition);
      if (!this.settings.writesChunks) continue;
      this.#durable.definitions.set(key, definition);
      this.#durable.mixed = true;
    }
    const { welcome } = snapshot;
    if (this.#world.chaos && this.#world.random.chance(0.02)) {
      this.#trace('refuses a snapshot');
      stream.refused = 'snapshot';
      stream.snapshot = undefined;
      this.#sendNack(stream, welcome.sequence);
      return;
    }
    if (!chunk.last) return;
    const { definitions } = this.#durable;
    for (const key of [...definitions.keys()]) {
      if (!snapshot.unchanged.has(key) && !snapshot.definitions.has(key)) definitions.delete(key);
    }
    for (const [key, definition] of snapshot.definitions) definitions.set(key, definition);
    this.#durable.mixed = false;
    this.#durable.scope = snapshot.scope;
    if (welcome.reason !== 'view-changed') {
      this.#keyEventsFrom.set(logOf(welcome.epoch), welcome.sequence);
    }
    stream.snapshot = undefined;
    this.#commit(stream, welcome.sequence);
    this.#acknowledge(stream);
  }

  #applyDelta(stream: Stream, delta: Extract<Frame, { type: 'delta' }>): void {
    if (stream.refused === 'snapshot') return;
    if (stream.snapshot !== undefined) this.#fail('a delta inside a snapshot');
    if (delta.after > stream.position) {
      if (stream.refused !== undefined) return;
      this.#fail(`a delta after ${delta.after}, the worker is at ${stream.position}: something was lost`);
    }
    if (delta.changes.length === 0 && stream.refused === undefined) this.#fail('an empty delta');
    stream.refused = undefined;
    // After a refusal what was applied and not confirmed comes again, too; else nothing does.
    const known = stream.repeatsAfter ?? stream.position;
    if (delta.sequence <= known) this.#fail(`a delta to ${delta.sequence} after ${known}`);
    const epoch = logOf(stream.epoch ?? '');
    let last = delta.after;
    for (const change of delta.changes) {
      if (change.sequence <= last || change.sequence > delta.sequence) {
        this.#fail(`change ${change.sequence} after ${last} in a delta to ${delta.sequence}`);
      }
      if (change.sequence <= known) this.#fail(`change ${change.sequence} comes twice`);
      last = change.sequence;
      this.#checkChange(epoch, change, stream.scope);
    }
    if (delta.sequence <= stream.position) return;
    if (this.#world.chaos && this.#world.random.chance(0.03)) {
      this.#trace(`refuses ${delta.after}..${delta.sequence}`);
      stream.refused = 'delta';
      stream.repeatsAfter ??= stream.acknowledged;
      this.#sendNack(stream, delta.changes[0]?.sequence ?? delta.sequence);
      return;
    }
    stream.repeatsAfter = undefined;
    for (const { sequence, put, removed, event } of delta.changes) {
      if (sequence <= stream.position) continue;
      if (put !== undefined) this.#durable.definitions.set(definitionKey(put.kind, put.id), put);
      if (removed !== undefined) this.#durable.definitions.delete(definitionKey(removed.kind, removed.id));
      if (event !== undefined) this.#keyEvents.add(`${epoch} ${sequence}`);
    }
    this.#commit(stream, delta.sequence);
    if (!this.settings.lazy) this.#acknowledge(stream);
  }

  #heartbeat(stream: Stream, sequence: number): void {
    if (stream.refused !== undefined || stream.snapshot !== undefined) return;
    if (sequence > stream.position) this.#commit(stream, sequence);
    this.#acknowledge(stream);
  }

  /** From here on it is durable: everything that the position says must be there. */
  #commit(stream: Stream, sequence: number): void {
    const { epoch } = stream;
    if (epoch === undefined) this.#fail('nothing was welcomed');
    const { organisation } = this.settings;
    const log = logOf(epoch);
    const from = this.#keyEventsFrom.get(log) ?? 0;
    const before = this.#durable.cursor?.epoch === epoch ? this.#durable.cursor.sequence : from;
    for (const entry of this.#world.history.between(log, organisation, Math.max(from, before), sequence)) {
      if (entry.body.type !== 'key' || isAtMostOnce(entry.body.event)) continue;
      if (!this.#keyEvents.has(`${log} ${entry.sequence}`)) {
        this.#fail(`key event ${entry.sequence} never came, the worker is at ${sequence}`);
      }
    }
    this.#durable.cursor = { epoch, sequence };
    stream.position = sequence;
  }

  // -------------------------------------------------------------------------- what is held against it

  #checkOnce(stream: Stream, delta: Extract<Frame, { type: 'delta' }>): void {
    for (const { sequence, event } of delta.changes) {
      if (event === undefined || !isAtMostOnce(event)) continue;
      const name = `${logOf(stream.epoch ?? this.#epochAhead(stream))} ${sequence}`;
      if (this.#cameOnce.has(name)) this.#fail(`event ${name} may come once and came twice`);
      this.#cameOnce.add(name);
    }
  }

  /** The epoch of a welcome that was received and not looked at yet. */
  #epochAhead(stream: Stream): string {
    const welcome = stream.queue.find((frame) => frame.type === 'welcome');
    return welcome?.type === 'welcome' ? welcome.epoch : '';
  }

  #checkRevocation(stream: Stream, { events }: Extract<Frame, { type: 'revocation' }>): void {
    if (stream.epoch === undefined && this.#epochAhead(stream) === '' && !stream.applying) {
      this.#fail('a revocation before the welcome');
    }
    const epoch = stream.epoch ?? this.#epochAhead(stream);
    if (epoch === '') return;
    const known = this.#world.history
      .of(logOf(epoch), this.settings.organisation)
      .map(({ body }) => (body.type === 'key' ? JSON.stringify(body.event) : ''));
    for (const event of events) {
      if (!known.includes(JSON.stringify(event)))
        this.#fail('a revocation that is none of this organisation');
    }
  }

  #checkChange(epoch: string, change: SentChange, scope: ViewScope): void {
    const [entry] = this.#world.history.between(
      epoch,
      this.settings.organisation,
      change.sequence - 1,
      change.sequence,
    );
    if (entry === undefined) this.#fail(`change ${change.sequence} is not in the log`);
    const { put, removed } = change;
    if (!matches(entry, change)) this.#fail(`change ${change.sequence} is not what the log says`);
    if (put !== undefined) this.#checkPut(put, scope);
    const { body } = entry;
    if (removed !== undefined && body.type === 'definition') {
      const saw = body.before !== undefined && isVisible(body.kind, body.before, scope);
      if (!saw) this.#fail(`is told of ${removed.id}, which it never saw`);
    }
  }

  /** It is, byte for byte, a version that workers of this scope could once see. */
  #checkPut(sent: SentDefinition, scope: ViewScope): void {
    const { organisation } = this.settings;
    const version = this.#world.versions
      .of({ organisation, kind: sent.kind, id: sent.id })
      .find(
        ({ hash, body, oas, form, visibility }) =>
          hash === sent.hash &&
          form === sent.form &&
          body.toString('base64') === sent.body &&
          (oas?.toString('base64') ?? null) === sent.oas &&
          isVisible(sent.kind, visibility, scope),
      );
    if (version === undefined || sent.organisation !== organisation) {
      this.#fail(`receives ${sent.kind}/${sent.id}, which it must never see`);
    }
  }

  // ------------------------------------------------------------------------------- what goes out

  #acknowledge(stream: Stream): void {
    const sequence = this.#durable.cursor?.sequence ?? 0;
    stream.acknowledged = sequence;
    stream.link.sendUp((session) => session.acknowledge(sequence));
  }

  #sendNack(stream: Stream, sequence: number): void {
    const retryAfterMs = this.#world.random.pick([0, 10, 500]);
    stream.link.sendUp((session) => session.refuse(sequence, 'cannot', retryAfterMs));
  }

  #after(delayMs: number, run: () => void): void {
    const life = this.#life;
    this.#world.clock.after(delayMs, () => {
      if (this.#life === life && this.#running) run();
    });
  }

  #trace(line: string): void {
    this.#world.trace(`${this.settings.node} ${line}`);
  }

  #fail(message: string): never {
    return this.#world.violation(`${this.settings.node} (${this.settings.organisation}): ${message}`);
  }
}

const viewMark = /\.(?=[^.]*$)/;

/** The log's part of an epoch. */
export function logOf(epoch: string): string {
  return epoch.split(viewMark)[0] ?? '';
}

function matches({ body }: Change, { put, removed, event }: SentChange): boolean {
  if (body.type === 'key') return JSON.stringify(body.event) === JSON.stringify(event);
  const named = put ?? removed;
  if (named === undefined || named.kind !== body.kind || named.id !== body.id) return false;
  return put === undefined || put.hash === body.hash;
}
