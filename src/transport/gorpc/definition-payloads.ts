import { LRUCache } from 'lru-cache';
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

/**
 * The definitions of a view as the JSON list that a worker gets, deflated. Made once for equal content,
 * however many workers ask, at the same time or later: all of them are sent the same bytes.
 */
export class DefinitionPayloads {
  readonly #metrics: Metrics;
  /** By content and form. */
  readonly #made = new LRUCache<string, Promise<SharedBytes>>({ maxSize: limits.gorpcPayloadBytesMax });
  readonly #making = new Map<string, Promise<SharedBytes>>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  payload(view: View, kind: DefinitionKind, form: PayloadForm): Promise<SharedBytes> {
    const key = `${kind} ${form} ${kindHashesOf(view)[kind]}`;
    return this.#made.get(key) ?? this.#making.get(key) ?? this.#begin(key, view, kind, form);
  }

  #begin(key: string, view: View, kind: DefinitionKind, form: PayloadForm): Promise<SharedBytes> {
    const definitions = view.definitions.filter((definition) => definition.kind === kind);
    const payload = this.#encode(definitions, form);
    this.#making.set(key, payload);
    payload.then(
      ({ bytes, deflated }) => {
        this.#making.delete(key);
        this.#made.set(key, payload, { size: bytes.length + (deflated?.length ?? 0) });
      },
      () => this.#making.delete(key),
    );
    return payload;
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
}

const listStart = Buffer.from('[');
const comma = Buffer.from(',');
const listEnd = Buffer.from(']');
