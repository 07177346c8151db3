import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Definition, type DefinitionKey, definitionKey } from '../../domain/definition.js';
import { limits } from '../../domain/limits.js';
import type { Metrics } from '../../ports/metrics.js';
import type { View } from '../distribution/view-registry.js';
import type { Codec, DefinitionName, FrameEncoder } from './frame-encoder.js';

/** A view in chunks, ready to be written to any stream with that codec. */
export interface EncodedSnapshot {
  readonly chunks: readonly Buffer[];
}

/**
 * Encodes and compresses each distinct view once; a thousand workers that connect at the same moment wait
 * for the same promise. A worker that holds versions gets the differences only, and workers that hold the
 * same versions share that encoding, too.
 */
export class SnapshotCache {
  readonly #encoder: FrameEncoder;
  readonly #metrics: Metrics;
  readonly #encoded = new LRUCache<string, Promise<EncodedSnapshot>>({ max: limits.encodedViewsMax });

  constructor(encoder: FrameEncoder, metrics: Metrics) {
    this.#encoder = encoder;
    this.#metrics = metrics;
  }

  encode(view: View, held: ReadonlyMap<DefinitionKey, string>, codec: Codec): Promise<EncodedSnapshot> {
    const unchanged: DefinitionName[] = [];
    const wanted: Definition[] = [];
    for (const definition of view.definitions) {
      const same = held.get(definitionKey(definition.kind, definition.id)) === definition.hash;
      if (same) unchanged.push({ kind: definition.kind, id: definition.id });
      else wanted.push(definition);
    }
    const name = `${codec} ${view.contentHash} ${unchanged.length === 0 ? 'all' : digest(unchanged)}`;
    const known = this.#encoded.get(name);
    if (known !== undefined) return known;
    const encoding = this.#encode(wanted, unchanged, codec);
    this.#encoded.set(name, encoding);
    encoding.catch(() => this.#encoded.delete(name));
    return encoding;
  }

  async #encode(
    wanted: readonly Definition[],
    unchanged: readonly DefinitionName[],
    codec: Codec,
  ): Promise<EncodedSnapshot> {
    this.#metrics.add('causeway_encodes_total', { what: 'snapshot' });
    const groups = inChunks(wanted);
    const chunks: Buffer[] = [];
    for (const [index, group] of groups.entries()) {
      const names = index === 0 ? unchanged : [];
      chunks.push(await this.#encoder.snapshotChunk(index, index === groups.length - 1, group, names, codec));
    }
    return { chunks };
  }
}

/** Groups of at most `limits.chunkBytesMax`, never empty as a whole; one large definition makes its own. */
function inChunks(definitions: readonly Definition[]): readonly (readonly Definition[])[] {
  const groups: Definition[][] = [[]];
  let bytes = 0;
  for (const definition of definitions) {
    const size = definition.body.length + (definition.oas?.length ?? 0);
    const current = groups[groups.length - 1];
    if (current === undefined || (current.length > 0 && bytes + size > limits.chunkBytesMax)) {
      groups.push([definition]);
      bytes = size;
    } else {
      current.push(definition);
      bytes += size;
    }
  }
  return groups;
}

function digest(names: readonly DefinitionName[]): string {
  const hash = createHash('sha256');
  for (const line of names.map(({ kind, id }) => `${kind}/${id}\n`).sort()) hash.update(line);
  return hash.digest('hex');
}
