import type { Definition, DefinitionKey } from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { isRevocation, type KeyEvent } from '../../domain/key-event.js';
import { limits } from '../../domain/limits.js';
import { type ViewKey, type ViewScope, viewKeyOf } from '../../domain/view.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { ChangeLog } from '../../ports/change-log.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { OrganisationSnapshot } from '../distribution/organisation-snapshot.js';
import { type View, ViewRegistry } from '../distribution/view-registry.js';
import type { FrameEncoder } from './frame-encoder.js';
import { OrganisationTail } from './organisation-tail.js';
import type { SessionHello, SessionLink } from './session-hello.js';
import { SnapshotCache } from './snapshot-cache.js';
import { ViewStream } from './view-stream.js';
import { WorkerSession } from './worker-session.js';

/** Workers reconnect spread over this long after a goodbye, so that the next hub is not stormed. */
const reconnectSpreadMs = 2_000;

export interface FanoutParts {
  readonly changeLog: ChangeLog;
  readonly encoder: FrameEncoder;
  readonly snapshotOf: (organisation: OrganisationId) => OrganisationSnapshot | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly heartbeatIntervalMs: number;
  /** 0 up to 1. */
  readonly random: () => number;
}

/**
 * Brings every change to every worker it concerns.
 *
 * Slow consumers: a session is a position, not a queue. Whoever is level shares one encoded delta per view;
 * whoever is slow reads older deltas at its own pace and costs nobody else anything; whoever is too slow
 * leaves the retained log and starts again with a snapshot.
 */
export class Fanout implements Component {
  readonly name = 'fan-out';
  readonly #parts: FanoutParts;
  readonly #views = new ViewRegistry();
  readonly #snapshots: SnapshotCache;
  readonly #tails = new Map<OrganisationId, OrganisationTail>();
  readonly #streams = new Map<ViewKey, { readonly stream: ViewStream; sessions: number }>();
  readonly #sessions = new Map<string, WorkerSession>();
  readonly #byOrganisation = new Map<OrganisationId, Set<WorkerSession>>();
  #unsubscribe: (() => void) | undefined;
  #heartbeat: Timer | undefined;
  #stopping = false;

  constructor(parts: FanoutParts) {
    this.#parts = parts;
    this.#snapshots = new SnapshotCache(parts.encoder, parts.metrics);
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#parts.changeLog.subscribe((organisation, newest) => {
      this.#onAppended(organisation, newest);
    });
    this.#beat();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#heartbeat?.cancel();
    this.#unsubscribe?.();
    for (const session of [...this.#sessions.values()]) {
      session.goodbye('the hub is shutting down', Math.round(this.#parts.random() * reconnectSpreadMs));
    }
  }

  notReady(): string | undefined {
    return this.#stopping ? 'shutting down' : undefined;
  }

  /** Takes a worker in. A second stream of the same node replaces the first. */
  open(hello: SessionHello, link: SessionLink): WorkerSession {
    if (this.#stopping) throw new CausewayError('SHUTTING_DOWN', 'the hub is shutting down');
    const { organisation } = hello.identity;
    this.#snapshotOf(organisation);
    const tail = this.#tailOf(organisation);
    const session = new WorkerSession({
      hello,
      link,
      tail,
      stream: this.#streamOf(hello.scope, tail),
      snapshots: this.#snapshots,
      currentView: () => this.viewOf(hello.scope),
      encoder: this.#parts.encoder,
      changeLog: this.#parts.changeLog,
      clock: this.#parts.clock,
      log: this.#parts.log,
      metrics: this.#parts.metrics,
      onEnd: (ended) => this.#forget(ended),
    });
    const name = nameOf(session);
    this.#sessions.get(name)?.end({
      reason: 'replaced',
      message: 'another stream of the same node has taken over',
    });
    this.#sessions.set(name, session);
    const own = this.#byOrganisation.get(organisation) ?? new Set();
    own.add(session);
    this.#byOrganisation.set(organisation, own);
    void session.start();
    return session;
  }

  sessions(): Iterable<WorkerSession> {
    return this.#sessions.values();
  }

  /** The view in force; CATALOG_NOT_READY when nothing was ever loaded. */
  viewOf(scope: ViewScope): View {
    return this.#views.viewOf(this.#snapshotOf(scope.organisation), scope);
  }

  /** Closes the streams of workers whose right to be here has ended. */
  endRefused(isStillAllowed: (identity: WorkerIdentity) => boolean): void {
    for (const session of [...this.#sessions.values()]) {
      if (isStillAllowed(session.hello.identity)) continue;
      session.end({ reason: 'refused', message: 'the API key or organisation is no longer allowed' });
    }
  }

  #onAppended(organisation: OrganisationId, newest: number): void {
    const tail = this.#tailOf(organisation);
    const before = tail.newest;
    tail.noteNewest(newest);
    const sessions = this.#byOrganisation.get(organisation);
    if (sessions === undefined || sessions.size === 0) return;
    const behind = [...sessions].filter((session) => session.isBehind(before));
    for (const session of [...sessions]) session.wake();
    if (behind.length > 0) {
      // A tail that has heard nothing yet does not know where the new entries begin.
      const after = before > 0 ? before : Math.max(0, newest - limits.deltaChangesMax);
      this.#overtake(tail, after, newest, behind).catch((thrown: unknown) => {
        this.#parts.log.warn('advance notice of revocations failed', { reason: describeError(thrown) });
      });
    }
  }

  /** Tells workers that are behind about rights taken away, past everything else that waits for them. */
  async #overtake(
    tail: OrganisationTail,
    after: number,
    newest: number,
    behind: readonly WorkerSession[],
  ): Promise<void> {
    for (let position = after; position < newest; ) {
      const entries = await tail.read(position);
      const last = entries[entries.length - 1];
      if (last === undefined) return;
      const revoked: KeyEvent[] = [];
      for (const { body } of entries) {
        if (body.type === 'key' && isRevocation(body.event)) revoked.push(body.event);
      }
      if (revoked.length > 0) {
        const frame = this.#parts.encoder.revocation(revoked);
        for (const session of behind) session.sendUrgent(frame, position);
      }
      position = last.sequence;
    }
  }

  #beat(): void {
    if (this.#stopping) return;
    this.#heartbeat = this.#parts.clock.after(this.#parts.heartbeatIntervalMs, () => {
      const nowMs = this.#parts.clock.nowMs();
      for (const session of this.#sessions.values()) session.heartbeat(nowMs);
      this.#beat();
    });
  }

  #snapshotOf(organisation: OrganisationId): OrganisationSnapshot {
    const snapshot = this.#parts.snapshotOf(organisation);
    if (snapshot === undefined) {
      throw new CausewayError('CATALOG_NOT_READY', 'the catalog is not loaded yet; try again');
    }
    return snapshot;
  }

  #tailOf(organisation: OrganisationId): OrganisationTail {
    const known = this.#tails.get(organisation);
    if (known !== undefined) return known;
    const tail = new OrganisationTail(organisation, this.#parts.changeLog);
    this.#tails.set(organisation, tail);
    return tail;
  }

  #streamOf(scope: ViewScope, tail: OrganisationTail): ViewStream {
    const key = viewKeyOf(scope);
    const known = this.#streams.get(key);
    if (known !== undefined) {
      known.sessions += 1;
      return known.stream;
    }
    const inForce = (definition: DefinitionKey): Definition | undefined =>
      this.#parts.snapshotOf(scope.organisation)?.definitions.get(definition);
    const stream = new ViewStream(scope, tail, inForce, this.#parts.encoder, this.#parts.metrics);
    this.#streams.set(key, { stream, sessions: 1 });
    return stream;
  }

  #forget(session: WorkerSession): void {
    const name = nameOf(session);
    if (this.#sessions.get(name) === session) this.#sessions.delete(name);
    this.#byOrganisation.get(session.owner.organisation)?.delete(session);
    const key = viewKeyOf(session.hello.scope);
    const entry = this.#streams.get(key);
    if (entry === undefined) return;
    entry.sessions -= 1;
    if (entry.sessions <= 0) this.#streams.delete(key);
  }
}

function nameOf(session: WorkerSession): string {
  const { organisation, zone, node } = session.owner;
  return JSON.stringify([organisation, zone, node]);
}
