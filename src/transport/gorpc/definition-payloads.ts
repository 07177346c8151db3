import type { Definition, DefinitionKind } from '../../domain/definition.js';
import { mergedApiJson } from '../../domain/definition-form.js';
import { limits } from '../../domain/limits.js';
import { kindHashesOf } from '../../hub/distribution/kind-hashes.js';
import type { View } from '../../hub/distribution/view-registry.js';
import type { Metrics } from '../../ports/metrics.js';
import { yieldTurn } from '../../std/yield-turn.js';
import { deflateShared, type SharedBytes } from './deflate/shared-bytes.js';

/** How a list of definitions is written: `nested` and `flat` are for APIs of newer and older gateways. */
export type PayloadForm = 'nested' | 'flat' | 'as-stored';

/** Less than this is copied into the batch as it is. */
const deflatedBytesMin = 16_384;
/** Work between two turns of the event loop: some milliseconds. */
const turnBytes = 256 * 1024;

interface Entry {
  readonly payload: Promise<SharedBytes>;
  /** 0 while it is being made. */
  bytes: number;
}

/**
 * The definitions of a view as the JSON list that a worker gets, deflated. Made once for equal content,
 * however many workers ask, at the same time or later: all of them are sent the same bytes.
 */
export class DefinitionPayloads {
  readonly #metrics: Metrics;
  /** By content and form, the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  payload(view: View, kind: DefinitionKind, form: PayloadForm): Promise<SharedBytes> {
    const key = `${kind} ${form} ${kindHashesOf(view)[kind]}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) entry = this.#begin(key, view, kind, form);
    else {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry.payload;
  }

  #begin(key: string, view: View, kind: DefinitionKind, form: PayloadForm): Entry {
    const definitions = view.definitions.filter((definition) => definition.kind === kind);
    const entry: Entry = { payload: this.#encode(definitions, form), bytes: 0 };
    this.#entries.set(key, entry);
    entry.payload.then(
      ({ bytes, deflated }) => {
        entry.bytes = bytes.length + (deflated?.length ?? 0);
        this.#bytes += entry.bytes;
        this.#trim();
      },
      () => this.#entries.delete(key),
    );
    return entry;
  }

  async #encode(definitions: readonly Definition[], form: PayloadForm): Promise<SharedBytes> {
    const parts: Buffer[] = [];
    let turnLeft = turnBytes;
    for (const definition of definitions) {
      const part = form === 'as-stored' ? definition.body : mergedApiJson(definition, form);
      parts.push(parts.length === 0 ? listStart : comma, part);
      turnLeft -= part.length;
      if (turnLeft > 0) continue;
      turnLeft = turnBytes;
      await yieldTurn();
    }
    if (parts.length === 0) parts.push(listStart);
    parts.push(listEnd);
    const bytes = Buffer.concat(parts);
    this.#metrics.add('causeway_encodes_total', { what: 'gorpc-definitions' });
    const shared = bytes.length < deflatedBytesMin ? { bytes } : await deflateShared(bytes);
    const { deflated = bytes } = shared;
    this.#metrics.add('causeway_payload_uncompressed_bytes_total', { direction: 'down' }, bytes.length);
    this.#metrics.add('causeway_payload_compressed_bytes_total', { direction: 'down' }, deflated.length);
    return shared;
  }

  #trim(): void {
    for (const [key, { bytes }] of this.#entries) {
      if (this.#bytes <= limits.gorpcPayloadBytesMax || this.#entries.size === 1) return;
      // Still being made.
      if (bytes === 0) continue;
      this.#entries.delete(key);
      this.#bytes -= bytes;
    }
  }
}

const listStart = Buffer.from('[');
const comma = Buffer.from(',');
const listEnd = Buffer.from(']');
