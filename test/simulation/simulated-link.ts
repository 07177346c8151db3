import type { SessionEnd, SessionLink } from '../../src/hub/fanout/session-hello.js';
import type { WorkerSession } from '../../src/hub/fanout/worker-session.js';
import type { World } from './world.js';

/** What the worker's side of a link calls. */
export interface LinkReceiver {
  received(frame: Buffer): void;
  closed(why: string): void;
}

/** Bytes that wait for the network before the hub is told to hold on, as a stream's high-water mark. */
const highWaterBytes = 2_000;

/**
 * A connection between one worker and the hub. Each direction keeps its order and takes its time. A cut
 * loses what is under way, and either side learns of it when it pleases; a slow link sends a frame at a time.
 */
export class SimulatedLink implements SessionLink {
  readonly #world: World;
  readonly #receiver: LinkReceiver;
  readonly #frameMs: () => number;
  readonly #waiting: Buffer[] = [];
  #bufferedBytes = 0;
  #needsDrain = false;
  #sending = false;
  /** No frame or message passes any more. */
  #broken = false;
  #hubClosed = false;
  #workerClosed = false;
  #endAfterLast: SessionEnd | undefined;
  #downArrivesMs = 0;
  #upArrivesMs = 0;
  #onHubSideClosed: (() => void) | undefined;
  session: WorkerSession | undefined;

  constructor(world: World, receiver: LinkReceiver, frameMs: () => number) {
    this.#world = world;
    this.#receiver = receiver;
    this.#frameMs = frameMs;
  }

  onHubSideClosed(listener: () => void): void {
    this.#onHubSideClosed = listener;
  }

  // -------------------------------------------------------------------------------- the hub's side

  send(frame: Buffer): boolean {
    if (this.#hubClosed) this.#world.violation('a frame was sent on a closed link');
    this.#waiting.push(frame);
    this.#bufferedBytes += frame.length;
    this.#sendNext();
    if (this.#bufferedBytes < highWaterBytes) return true;
    this.#needsDrain = true;
    return false;
  }

  close(end: SessionEnd): void {
    if (this.#hubClosed) this.#world.violation('a link was closed twice');
    if (end.reason === 'protocol-error') this.#world.violation(`protocol error: ${end.message}`);
    this.#hubSideClosed();
    if (this.#world.random.chance(0.3)) this.cut();
    else {
      this.#endAfterLast = end;
      this.#sendNext();
    }
  }

  // ----------------------------------------------------------------------------- the worker's side

  sendUp(deliver: (session: WorkerSession) => void): void {
    if (this.#broken || this.#workerClosed) return;
    const { clock, random } = this.#world;
    const nowMs = clock.monotonicMs();
    this.#upArrivesMs = Math.max(this.#upArrivesMs, nowMs + random.between(0, 20));
    clock.after(this.#upArrivesMs - nowMs, () => {
      if (!this.#broken && !this.#hubClosed && this.session !== undefined) deliver(this.session);
    });
  }

  /** The worker hangs up; the hub hears of it, sooner or later. */
  hangUp(): void {
    this.#workerClosed = true;
    this.cut();
  }

  // -------------------------------------------------------------------------------- the network

  cut(): void {
    if (this.#broken) return;
    this.#broken = true;
    const { clock, random } = this.#world;
    if (!this.#workerClosed) {
      clock.after(random.between(0, 2_000), () => this.#tellWorker('connection lost'));
    }
    clock.after(random.chance(0.5) ? 0 : random.between(0, 20_000), () => {
      if (this.#hubClosed) return;
      this.#hubSideClosed();
      this.session?.detach();
    });
  }

  hubDied(): void {
    this.#hubClosed = true;
    this.cut();
  }

  #hubSideClosed(): void {
    this.#hubClosed = true;
    this.#onHubSideClosed?.();
  }

  #sendNext(): void {
    if (this.#sending || this.#broken) return;
    const frame = this.#waiting.shift();
    if (frame === undefined) {
      const end = this.#endAfterLast;
      if (end !== undefined) this.#arrive(() => this.#tellWorker(`${end.reason}: ${end.message}`));
      return;
    }
    this.#sending = true;
    this.#world.clock.after(this.#frameMs(), () => {
      this.#sending = false;
      if (this.#broken) return;
      this.#bufferedBytes -= frame.length;
      this.#arrive(() => {
        if (!this.#workerClosed) this.#receiver.received(frame);
      });
      this.#sendNext();
      if (this.#needsDrain && this.#bufferedBytes === 0) {
        this.#needsDrain = false;
        if (!this.#hubClosed) this.session?.drained();
      }
    });
  }

  #arrive(run: () => void): void {
    const { clock, random } = this.#world;
    const nowMs = clock.monotonicMs();
    this.#downArrivesMs = Math.max(this.#downArrivesMs, nowMs + random.between(0, 20));
    clock.after(this.#downArrivesMs - nowMs, () => {
      if (!this.#broken) run();
    });
  }

  #tellWorker(why: string): void {
    if (this.#workerClosed) return;
    this.#workerClosed = true;
    this.#broken = true;
    this.#receiver.closed(why);
  }
}
