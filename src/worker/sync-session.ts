import { type DefinitionKey, definitionKey } from '../domain/definition.js';
import { limits } from '../domain/limits.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { Codec } from '../hub/fanout/frame-encoder.js';
import type { Clock, Timer } from '../ports/clock.js';
import { Backoff } from '../std/backoff.js';
import { steadyNowMs } from '../std/steady-time.js';
import type { BridgeConnection, BridgeStream } from '../transport/grpc/bridge-client.js';
import type { HelloMessage, SyncRequestMessage, SyncResponseMessage } from '../transport/grpc/messages.js';
import { codecOf } from '../transport/grpc/payload-compression.js';
import { ChangeBatch, namesWith } from './change-batch.js';
import { type KeyEffect, keyEffectOf } from './key-effect.js';
import type { HeldKey, LocalCopy, WorkerCursor } from './local-copy.js';
import { type ReceivedChange, readDelta, readSnapshotChunk } from './read-changes.js';
import type { WorkerEvent } from './worker-event.js';

/** From the connection attempt to the welcome. */
const welcomeTimeoutMs = 20_000;
const silentHeartbeatsMax = 3;
const heartbeatIntervalDefaultMs = 10_000;
/** Deltas applied in one go, bounded by their compressed size. */
const burstBytesMax = 8 * 1024 * 1024;
/** Received and not yet applied; beyond it the hub is held back. */
const queuedBytesMax = 64 * 1024 * 1024;
const statusIntervalMs = 10_000;

export interface SyncSessionParts {
  readonly connection: BridgeConnection;
  readonly copy: LocalCopy;
  readonly hello: HelloMessage;
  readonly clock: Clock;
  readonly random: () => number;
  onEvent(event: WorkerEvent): void;
  onApiKeyReplaced(oldKey: string, newKey: string): void;
  /** Called once. */
  onEnded(end: SyncSessionEnd): void;
}

export interface SyncSessionEnd {
  /** Something was received and confirmed: the connection was of use. */
  readonly confirmed: boolean;
  /** Undefined: the hub closed the stream in good order. */
  readonly error: CausewayError | undefined;
  /** What the hub asked for in its goodbye. */
  readonly reconnectAfterMs: number | undefined;
}

type Delta = NonNullable<SyncResponseMessage['delta']>;

interface SnapshotProgress {
  readonly start: WorkerCursor;
  readonly reason: string;
  readonly kept: Set<DefinitionKey>;
  nextIndex: number;
  received: number;
  unchanged: number;
}

/** One `Sync` stream, from hello to its end: applies what arrives, in order, and confirms it. */
export class SyncSession {
  readonly #parts: SyncSessionParts;
  readonly #stream: BridgeStream<SyncRequestMessage>;
  readonly #nackBackoff: Backoff;
  readonly #queue: SyncResponseMessage[] = [];
  #queuedBytes = 0;
  #paused = false;
  #applying = false;
  #closed = false;
  #ended = false;
  #welcomed = false;
  #codec: Codec = 'none';
  #epoch = '';
  #position = 0;
  #confirmed = -1;
  #snapshot: SnapshotProgress | undefined;
  /** Set after a nack, until the hub delivers again. */
  #redelivery: Timer | undefined;
  #toldLevel = false;
  #silenceMs = welcomeTimeoutMs;
  #silence: Timer | undefined;
  #status: Timer | undefined;
  #heartbeatIntervalMs = heartbeatIntervalDefaultMs;

  constructor(parts: SyncSessionParts) {
    this.#parts = parts;
    this.#nackBackoff = new Backoff({ firstDelayMs: 500, delayMsMax: 60_000, random: parts.random });
    this.#stream = parts.connection.openSync({
      message: (message) => this.#receive(message),
      ended: (error) => this.#streamEnded(error),
    });
    this.#listenForSilence();
    this.#stream.send({ hello: parts.hello });
  }

  /** Says that nothing more comes; the session ends when the hub has closed its side. */
  close(): void {
    this.#stream.end();
  }

  /** Ends at once. */
  abandon(): void {
    this.#end({ error: undefined, reconnectAfterMs: undefined });
  }

  #receive(message: SyncResponseMessage): void {
    if (this.#ended) return;
    this.#listenForSilence();
    if (message.revocation != null) {
      const effects = message.revocation.keyEvents.map(keyEffectOf);
      this.#revoke(effects).catch((thrown: unknown) => this.#fail(thrown));
      return;
    }
    this.#queue.push(message);
    this.#queuedBytes += payloadBytes(message);
    if (this.#queuedBytes > queuedBytesMax && !this.#paused) {
      this.#paused = true;
      this.#stream.pause();
    }
    this.#work();
  }

  #work(): void {
    if (this.#applying) return;
    this.#applying = true;
    this.#applyQueue()
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#applying = false;
        // A message may have come between the end of the queue and this moment.
        if (this.#queue.length > 0 && !this.#ended) this.#work();
        else if (this.#closed) this.abandon();
      });
  }

  /** What came before a good end is still applied: a goodbye may be among it. */
  #streamEnded(error: CausewayError | undefined): void {
    this.#closed = true;
    if (error !== undefined || !this.#applying) this.#end({ error, reconnectAfterMs: undefined });
  }

  async #applyQueue(): Promise<void> {
    for (let next = this.#takeNext(); next !== undefined && !this.#ended; next = this.#takeNext()) {
      if (next.welcome != null) this.#welcome(next.welcome);
      else if (next.snapshotChunk != null) await this.#applyChunk(next.snapshotChunk);
      else if (next.delta != null) await this.#applyBurst(this.#takeBurst(next.delta));
      else if (next.heartbeat != null) await this.#heartbeat(next.heartbeat.sequence);
      else if (next.goodbye != null) {
        const { reason, reconnectAfterMs } = next.goodbye;
        this.#parts.onEvent({ type: 'goodbye', reason, reconnectAfterMs });
        this.#stream.end();
        this.#end({ error: undefined, reconnectAfterMs });
      }
    }
  }

  #takeNext(): SyncResponseMessage | undefined {
    const next = this.#queue.shift();
    if (next !== undefined) this.#queuedBytes -= payloadBytes(next);
    if (this.#paused && this.#queuedBytes <= queuedBytesMax / 2) {
      this.#paused = false;
      this.#stream.resume();
    }
    return next;
  }

  /** All deltas that wait behind this one: they cost one write and one confirmation together. */
  #takeBurst(first: Delta): readonly Delta[] {
    const burst = [first];
    let bytes = first.payload.length;
    for (let next = this.#queue[0]; next?.delta != null; next = this.#queue[0]) {
      bytes += next.delta.payload.length;
      if (bytes > burstBytesMax) break;
      burst.push(next.delta);
      this.#takeNext();
    }
    return burst;
  }

  #welcome(welcome: NonNullable<SyncResponseMessage['welcome']>): void {
    const codec = codecOf(welcome.compression);
    const { start, mode } = welcome;
    if (codec === undefined || start == null || mode === 'SYNC_MODE_UNSPECIFIED') {
      throw new CausewayError('FRAME_INVALID', 'welcome: compression, start or mode is missing');
    }
    const { cursor } = this.#parts.copy;
    const resumes = mode === 'SYNC_MODE_RESUME';
    if (resumes && start.sequence > (cursor?.sequence ?? 0)) throw gap(start.sequence, cursor?.sequence ?? 0);
    this.#welcomed = true;
    this.#codec = codec;
    this.#epoch = start.epoch;
    this.#heartbeatIntervalMs = welcome.heartbeatIntervalMs || heartbeatIntervalDefaultMs;
    this.#silenceMs = silentHeartbeatsMax * this.#heartbeatIntervalMs;
    this.#listenForSilence();
    this.#position = resumes ? (cursor?.sequence ?? 0) : start.sequence;
    this.#toldLevel = false;
    const reason = resumes ? undefined : snapshotReason(welcome.reason);
    this.#snapshot = resumes
      ? undefined
      : { start, reason: reason ?? '', kept: new Set(), nextIndex: 0, received: 0, unchanged: 0 };
    this.#parts.onEvent({
      type: 'welcome',
      mode: resumes ? 'resume' : 'snapshot',
      reason,
      sequence: start.sequence,
      viewDefinitions: welcome.viewDefinitions,
      codec,
      hub: welcome.hubId,
      hubVersion: welcome.hubVersion,
    });
    if (this.#status === undefined) this.#sendStatus();
  }

  async #applyChunk(chunk: NonNullable<SyncResponseMessage['snapshotChunk']>): Promise<void> {
    const snapshot = this.#snapshot;
    if (snapshot === undefined || chunk.index !== snapshot.nextIndex) {
      throw new CausewayError('FRAME_INVALID', `snapshot_chunk.index: ${chunk.index} was not expected`);
    }
    const { copy, onEvent } = this.#parts;
    const { definitions, unchanged } = await readSnapshotChunk(chunk, this.#codec);
    for (const { kind, id } of [...definitions, ...unchanged]) snapshot.kept.add(definitionKey(kind, id));
    snapshot.nextIndex += 1;
    snapshot.received += definitions.length;
    snapshot.unchanged += unchanged.length;
    const gone = chunk.last
      ? [...copy.definitions()].filter(({ kind, id }) => !snapshot.kept.has(definitionKey(kind, id)))
      : [];
    try {
      const keysAsOf = copy.revision;
      const doubtful = chunk.last && snapshot.reason !== 'view-changed' ? [...copy.keyNames()] : [];
      const { keys: putKeys, unreadable } = await this.#fetchKeys(doubtful);
      const kept = new Set([...putKeys.map(({ name }) => name), ...unreadable]);
      const removeKeys = doubtful.filter((name) => !kept.has(name));
      const cursor = chunk.last ? snapshot.start : undefined;
      await copy.apply({ put: definitions, remove: gone, putKeys, removeKeys, keysAsOf, cursor });
    } catch (thrown) {
      if (!this.#ended) this.#nack(snapshot.start.sequence, thrown, 0);
      throw thrown;
    }
    for (const { kind, id, hash, body, oas } of definitions) {
      const bytes = body.length + (oas?.length ?? 0);
      onEvent({ type: 'put', kind, id, hash, sequence: undefined, atMs: undefined, bytes });
    }
    for (const { kind, id } of gone) {
      onEvent({ type: 'removed', kind, id, sequence: undefined, atMs: undefined });
    }
    if (!chunk.last) return;
    this.#snapshot = undefined;
    const { received, unchanged: kept, start } = snapshot;
    onEvent({
      type: 'snapshot-complete',
      sequence: start.sequence,
      received,
      unchanged: kept,
      removed: gone.length,
    });
    this.#acknowledge();
  }

  async #applyBurst(burst: readonly Delta[]): Promise<void> {
    if (this.#snapshot !== undefined) {
      throw new CausewayError('FRAME_INVALID', 'a delta arrived before the snapshot was complete');
    }
    const changes: ReceivedChange[] = [];
    let position = this.#position;
    for (const delta of burst) {
      if (delta.afterSequence > position) {
        // What the hub had sent before it heard of the nack; it comes again.
        if (this.#redelivery !== undefined) continue;
        throw gap(delta.afterSequence, position);
      }
      this.#redelivery?.cancel();
      this.#redelivery = undefined;
      changes.push(...(await readDelta(delta, this.#codec)));
      position = Math.max(position, delta.sequence);
    }
    if (this.#redelivery !== undefined) return;
    const { copy, onEvent } = this.#parts;
    const batch = new ChangeBatch(changes, () => copy.keyNames());
    try {
      const keysAsOf = copy.revision;
      const fetched = await this.#fetchAnew(batch.fetch);
      await copy.apply(
        batch.toLocalCopyChange(fetched, keysAsOf, { epoch: this.#epoch, sequence: position }),
      );
    } catch (thrown) {
      if (this.#ended) return;
      const first = batch.firstFetch ?? changes[0]?.sequence ?? position;
      const retryAfterMs = Math.ceil(this.#nackBackoff.nextDelayMs());
      this.#nack(first, thrown, retryAfterMs);
      this.#awaitRedelivery(retryAfterMs);
      return;
    }
    this.#nackBackoff.reset();
    this.#position = position;
    const held = new Set(copy.keyNames());
    for (const event of batch.events((name) => held.has(name))) onEvent(event);
    for (const { body } of changes) {
      if (body.type !== 'key' || body.effect.newApiKey === undefined) continue;
      this.#parts.onApiKeyReplaced(body.effect.newApiKey.oldKey, body.effect.newApiKey.newKey);
    }
    this.#acknowledge();
  }

  async #heartbeat(sequence: number): Promise<void> {
    // Between a nack and the redelivery the hub's position is ahead of what was applied.
    if (this.#redelivery !== undefined || this.#snapshot !== undefined || !this.#welcomed) return;
    const { copy, onEvent } = this.#parts;
    if (sequence > this.#position) {
      const cursor = { epoch: this.#epoch, sequence };
      const nothing = { put: [], remove: [], putKeys: [], removeKeys: [], keysAsOf: copy.revision };
      await copy.apply({ ...nothing, cursor });
      this.#position = sequence;
    }
    this.#acknowledge();
    if (this.#toldLevel) return;
    this.#toldLevel = true;
    const definitions = [...copy.definitions()].length;
    onEvent({ type: 'level', sequence: this.#position, definitions });
  }

  async #revoke(effects: readonly KeyEffect[]): Promise<void> {
    const { copy, onEvent } = this.#parts;
    const names = effects.flatMap(({ drop, dropPrefixes }) => [
      ...drop,
      ...namesWith(dropPrefixes, () => copy.keyNames()),
    ]);
    await copy.revoke(names);
    for (const { event, key, hashed } of effects) onEvent({ type: 'revocation', event, key, hashed });
  }

  /** The old values go first: they must not outlive the news that they are old. */
  async #fetchAnew(names: readonly string[]): Promise<readonly HeldKey[]> {
    const held = new Set(this.#parts.copy.keyNames());
    const stale = names.filter((name) => held.has(name));
    if (stale.length > 0) {
      const { revision: keysAsOf } = this.#parts.copy;
      const nothing = { put: [], remove: [], putKeys: [], keysAsOf, cursor: undefined };
      await this.#parts.copy.apply({ ...nothing, removeKeys: stale });
    }
    return (await this.#fetchKeys(names)).keys;
  }

  /** `unreadable`: damaged at the hub, which is not "gone". */
  async #fetchKeys(
    names: readonly string[],
  ): Promise<{ readonly keys: readonly HeldKey[]; readonly unreadable: readonly string[] }> {
    const fetched: HeldKey[] = [];
    const unreadable: string[] = [];
    for (let start = 0; start < names.length; start += limits.keysPerCallMax) {
      const part = names.slice(start, start + limits.keysPerCallMax);
      const answers = await this.#parts.connection.getKeys(part);
      fetched.push(...answers.flatMap((answer, index) => heldKey(part[index], answer, this.#parts.clock)));
      unreadable.push(...part.filter((_, index) => answers[index]?.unreadable === true));
    }
    return { keys: fetched, unreadable };
  }

  #acknowledge(): void {
    this.#stream.send({ ack: { sequence: this.#position } });
    if (this.#position === this.#confirmed) return;
    this.#confirmed = this.#position;
    this.#parts.onEvent({ type: 'acknowledged', sequence: this.#position });
  }

  #nack(sequence: number, thrown: unknown, retryAfterMs: number): void {
    const message = describeError(thrown);
    this.#stream.send({ nack: { sequence, error: message, retryAfterMs } });
    this.#parts.onEvent({ type: 'apply-failed', sequence, message });
  }

  /** The hub delivers again by itself; a new stream helps if it does not. */
  #awaitRedelivery(retryAfterMs: number): void {
    this.#redelivery?.cancel();
    this.#redelivery = this.#parts.clock.after(retryAfterMs + 2 * this.#heartbeatIntervalMs, () => {
      this.#fail(new CausewayError('FRAME_INVALID', 'what was refused was not delivered again'));
    });
  }

  #listenForSilence(): void {
    this.#silence?.cancel();
    this.#silence = this.#parts.clock.after(this.#silenceMs, () => {
      const seconds = Math.round(this.#silenceMs / 1000);
      this.#fail(new CausewayError('HUB_UNREACHABLE', `the hub said nothing for ${seconds} s`));
    });
  }

  #sendStatus(): void {
    const kinds = [...this.#parts.copy.definitions()].map(({ kind }) => kind);
    this.#stream.send({
      status: {
        apisCount: kinds.filter((kind) => kind === 'api').length,
        policiesCount: kinds.filter((kind) => kind === 'policy').length,
        health: [{ component: 'local-copy', status: this.#redelivery === undefined ? 'pass' : 'warn' }],
      },
    });
    this.#status = this.#parts.clock.after(statusIntervalMs, () => this.#sendStatus());
  }

  #fail(thrown: unknown): void {
    const error =
      thrown instanceof CausewayError
        ? thrown
        : new CausewayError('FRAME_INVALID', describeError(thrown), { cause: thrown });
    this.#end({ error, reconnectAfterMs: undefined });
  }

  #end(end: Omit<SyncSessionEnd, 'confirmed'>): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#silence?.cancel();
    this.#status?.cancel();
    this.#redelivery?.cancel();
    this.#parts.onEnded({ ...end, confirmed: this.#confirmed >= 0 });
  }
}

function heldKey(
  name: string | undefined,
  answer: { readonly found: boolean; readonly value: Buffer; readonly remainingTtlMs?: number | null },
  clock: Clock,
): HeldKey[] {
  if (!answer.found || name === undefined) return [];
  const { remainingTtlMs } = answer;
  const expiresAtMs = remainingTtlMs == null ? undefined : steadyNowMs(clock) + Number(remainingTtlMs);
  return [{ name, value: answer.value, expiresAtMs }];
}

function payloadBytes(message: SyncResponseMessage): number {
  return (message.delta ?? message.snapshotChunk)?.payload.length ?? 0;
}

function snapshotReason(name: string): string {
  return name.replace('SNAPSHOT_REASON_', '').toLowerCase().replaceAll('_', '-');
}

function gap(after: number, position: number): CausewayError {
  return new CausewayError(
    'FRAME_INVALID',
    `the hub went on after ${after}, but only ${position} was received: something was lost on the way`,
  );
}
