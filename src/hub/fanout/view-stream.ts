import { LRUCache } from 'lru-cache';
import type { Change } from '../../domain/change.js';
import type { Definition, DefinitionKey } from '../../domain/definition.js';
import { type AlreadyKnown, type DeliveredChange, selectChanges } from '../../domain/delivered-change.js';
import { isAtMostOnce } from '../../domain/key-event.js';
import { limits } from '../../domain/limits.js';
import type { ViewScope } from '../../domain/view.js';
import type { Metrics } from '../../ports/metrics.js';
import type { Codec, FrameEncoder } from './frame-encoder.js';
import type { OrganisationTail } from './organisation-tail.js';

/** Deltas kept encoded for sessions that are a little behind: at most about 1 MiB each. */
const keptDeltasMax = 16;
/** Positions remembered that were reached without telling anybody. */
const quietPositionsMax = 1_024;

/** What lies between two positions of the log, for one view. */
export interface Delta {
  /** Position before. */
  readonly from: number;
  /** Position after. */
  readonly to: number;
  /** Changes of this view among the entries; 0: nothing to send, the position just moves. */
  readonly changes: number;
  /** Some of them may be handed out only once. */
  readonly holdsOnce: boolean;
  /** The encoded frame; undefined when there is nothing to send and `evenEmpty` is not asked for. */
  bytes(codec: Codec, evenEmpty?: boolean): Promise<Buffer> | undefined;
}

/**
 * The change log as one view sees it. Sessions at the same position receive the same delta object, so each
 * delta is selected once and encoded once per codec, whoever asks first.
 */
export class ViewStream {
  readonly scope: ViewScope;
  readonly #tail: OrganisationTail;
  readonly #inForce: (key: DefinitionKey) => Definition | undefined;
  readonly #encoder: FrameEncoder;
  readonly #metrics: Metrics;
  readonly #deltas = new LRUCache<string, Promise<Delta | undefined>>({ max: keptDeltasMax });
  readonly #quiet = new LRUCache<number, number>({ max: quietPositionsMax });

  constructor(
    scope: ViewScope,
    tail: OrganisationTail,
    inForce: (key: DefinitionKey) => Definition | undefined,
    encoder: FrameEncoder,
    metrics: Metrics,
  ) {
    this.scope = scope;
    this.#tail = tail;
    this.#inForce = inForce;
    this.#encoder = encoder;
    this.#metrics = metrics;
  }

  /**
   * The delta after a position; undefined when there is none yet. Rejects as the change log does.
   * `standsAt`: where the worker itself is, at or before `from`: the delta says no higher `afterSequence`.
   */
  next(from: number, known: AlreadyKnown, standsAt = from): Promise<Delta | undefined> {
    // Asked before reading: a shared answer of "nothing yet" could outlive the arrival of something.
    if (from >= this.#tail.newest) return Promise.resolve(undefined);
    // What lies before the position cannot matter, so nearly everybody shares the plain delta.
    const effective: AlreadyKnown = {
      definitionsThrough: known.definitionsThrough > from ? known.definitionsThrough : 0,
      onceThrough: known.onceThrough > from ? known.onceThrough : 0,
    };
    const after = Math.min(standsAt, this.#quiet.get(from) ?? from);
    const name = `${from} ${after} ${effective.definitionsThrough} ${effective.onceThrough}`;
    const cached = this.#deltas.get(name);
    if (cached !== undefined) return cached;
    const building = this.#build(from, after, effective);
    this.#deltas.set(name, building);
    const forget = () => {
      if (this.#deltas.peek(name) === building) this.#deltas.delete(name);
    };
    // "Nothing yet" is not kept either: a log that is slow to show an entry would hide it for good.
    building.then((delta) => delta ?? forget(), forget);
    return building;
  }

  async #build(from: number, after: number, known: AlreadyKnown): Promise<Delta | undefined> {
    const entries = withoutHalves(await this.#tail.read(from));
    const last = entries[entries.length - 1];
    if (last === undefined) return undefined;
    const selected = selectChanges(entries, this.scope, this.#inForce, known);
    const changes = firstOf(selected, limits.chunkBytesMax);
    const cut = changes.length < selected.length ? changes[changes.length - 1] : undefined;
    const to = cut?.sequence ?? last.sequence;
    const isPlain = known.definitionsThrough === 0 && known.onceThrough === 0;
    if (changes.length === 0 && isPlain) this.#rememberQuiet(to, after);
    return new EncodedDelta(from, to, after, changes, this.#encoder, this.#metrics);
  }

  /**
   * Moving past entries that are not this view's business tells nobody, so a worker may stand at `after`
   * while the hub reads on at `position`. The next delta must name the lower one, else it looks like a gap.
   * Of several the lowest counts, so that all who read on there share one delta. What only one session need
   * not hear of does not count: to another, which was told of it and has refused it, the next delta would
   * look like the answer.
   */
  #rememberQuiet(position: number, after: number): void {
    this.#quiet.set(position, Math.min(after, this.#quiet.get(position) ?? after));
  }
}

/**
 * Entries that end where a delivery may. What a definition replaces is removed by the entries behind it, and the worker
 * is to get both in one: so the last definition of a full page waits for the page that has all of it.
 */
function withoutHalves(entries: readonly Change[]): readonly Change[] {
  const last = entries[entries.length - 1];
  const mayGoOn = entries.length >= limits.deltaChangesMax && entries.length > 1;
  return mayGoOn && last?.body.type === 'definition' && last.body.after !== undefined
    ? entries.slice(0, -1)
    : entries;
}

/** As many changes from the front as fit into `bytesMax`, at least one. Removals weigh nothing: they stay with it. */
function firstOf(changes: readonly DeliveredChange[], bytesMax: number): readonly DeliveredChange[] {
  let bytes = 0;
  for (const [index, { body }] of changes.entries()) {
    if (body.type === 'put') bytes += body.definition.body.length + (body.definition.oas?.length ?? 0);
    if (bytes > bytesMax && index > 0) return changes.slice(0, index);
  }
  return changes;
}

class EncodedDelta implements Delta {
  readonly from: number;
  readonly to: number;
  readonly holdsOnce: boolean;
  readonly #after: number;
  readonly #changes: readonly DeliveredChange[];
  readonly #encoder: FrameEncoder;
  readonly #metrics: Metrics;
  readonly #encoded = new Map<Codec, Promise<Buffer>>();

  constructor(
    from: number,
    to: number,
    after: number,
    changes: readonly DeliveredChange[],
    encoder: FrameEncoder,
    metrics: Metrics,
  ) {
    this.from = from;
    this.to = to;
    this.#after = after;
    this.#changes = changes;
    this.holdsOnce = changes.some(({ body }) => body.type === 'key' && isAtMostOnce(body.event));
    this.#encoder = encoder;
    this.#metrics = metrics;
  }

  get changes(): number {
    return this.#changes.length;
  }

  bytes(codec: Codec, evenEmpty = false): Promise<Buffer> | undefined {
    if (this.#changes.length === 0 && !evenEmpty) return undefined;
    let encoding = this.#encoded.get(codec);
    if (encoding === undefined) {
      this.#metrics.add('causeway_encodes_total', { what: 'delta' });
      encoding = this.#encoder.delta(this.#after, this.to, this.#changes, codec);
      this.#encoded.set(codec, encoding);
    }
    return encoding;
  }
}
