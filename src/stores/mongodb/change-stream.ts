import type { ChangeStream, Document } from 'mongodb';
import { describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { Backoff } from '../../std/backoff.js';
import { serverCodeOf } from './mongo-errors.js';
import type { Mongo } from './open-mongo.js';

const noReplicaSet = 'the server is no member of a replica set';

/** What a stream tells of: a document by its collection and id, or `everything`, when it cannot say. */
export type StreamedChange = { readonly collection: string; readonly id: unknown } | 'everything';

export interface ChangeFollowerOptions {
  readonly mongo: Mongo;
  /** Names of collections: the others of a control plane's database are busy with analytics. */
  readonly collections: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onChange: (change: StreamedChange) => void;
}

/**
 * What servers answer that have no change streams: not a replica set (40573), no such stage or command (40324, 59),
 * not implemented (238, 115), and clusters that have them switched off (303).
 */
const unsupported = new Set([40573, 40324, 59, 238, 115, 303]);

/**
 * Follows the database's change stream, where its server has one. Each time the stream is opened anew it says
 * `everything`: what happened in between went unseen.
 */
export class ChangeFollower {
  readonly #options: ChangeFollowerOptions;
  readonly #backoff: Backoff;
  #stream: ChangeStream | undefined;
  #live = false;
  #stopped = false;
  #timer: Timer | undefined;
  #endWait: (() => void) | undefined;

  constructor(options: ChangeFollowerOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ firstDelayMs: 1_000, delayMsMax: 60_000, random: options.random });
    void this.#follow();
  }

  /** The stream is open: every change is told. */
  get live(): boolean {
    return this.#live;
  }

  stop(): void {
    this.#stopped = true;
    this.#live = false;
    this.#timer?.cancel();
    this.#endWait?.();
    this.#stream?.close().catch(() => undefined);
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#followOnce();
      } catch (thrown) {
        this.#live = false;
        if (this.#stopped) return;
        if (isUnsupported(thrown)) {
          this.#options.log.info(
            'the MongoDB server has no change stream: its documents are compared in a period',
          );
          return;
        }
        this.#options.log.debug('change stream ended', { reason: describeError(thrown) });
      }
      this.#live = false;
      await this.#wait(this.#backoff.nextDelayMs());
    }
  }

  async #followOnce(): Promise<void> {
    const database = await this.#options.mongo.database();
    const hello = await database.admin().command({ hello: 1 });
    if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid') throw new Error(noReplicaSet);
    const ours = { $in: [...this.#options.collections] };
    const stream = database.watch([
      { $match: { $or: [{ 'ns.coll': ours }, { 'to.coll': ours }, { operationType: 'dropDatabase' }] } },
      { $project: { operationType: 1, ns: 1, documentKey: 1 } },
    ]);
    this.#stream = stream;
    try {
      // Opens it on the server: what is read from now on is told.
      const first = await stream.tryNext();
      this.#live = true;
      this.#backoff.reset();
      this.#options.onChange('everything');
      if (first !== null) this.#options.onChange(changeOf(first));
      for await (const event of stream) this.#options.onChange(changeOf(event));
    } finally {
      await stream.close().catch(() => undefined);
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#endWait = resolve;
      if (this.#stopped) resolve();
      else this.#timer = this.#options.clock.after(delayMs, resolve);
    });
  }
}

function changeOf(event: Document): StreamedChange {
  const collection: unknown = event['ns']?.coll;
  const id: unknown = event['documentKey']?._id;
  const isDocument = ['insert', 'update', 'replace', 'delete'].includes(String(event['operationType']));
  return isDocument && typeof collection === 'string' && id !== undefined ? { collection, id } : 'everything';
}

function isUnsupported(thrown: unknown): boolean {
  if (unsupported.has(serverCodeOf(thrown) ?? -1)) return true;
  return describeError(thrown) === noReplicaSet;
}
