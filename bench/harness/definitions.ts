import type { Definition } from '../../src/domain/definition.js';
import { hashDefinition } from '../../src/domain/definition-hash.js';
import { organisationId } from '../../src/domain/identifiers.js';

/** The one organisation of the benchmarks, and the key of its one user. */
export const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
export const apiKey = 'bench-key-of-the-gateways';

const words =
  'orders items customers basket checkout search catalogue prices stock returns shipping invoices'.split(' ');

/**
 * A classic API definition of about `bytes` bytes of JSON: a proxy and a list of endpoints, some of it alike and
 * some of it not, as in real ones, so that it compresses like them (LZ4 makes 40 % of 20 KB). Equal arguments
 * give equal bytes.
 */
export function apiJson(
  index: number,
  revision: number,
  bytes: number,
  tags: readonly string[] = [],
): string {
  const random = seeded(index * 7_919 + revision);
  const id = apiId(index);
  const head = {
    id: `5e9d9544a1dcd60001${index.toString(16).padStart(6, '0')}`,
    api_id: id,
    org_id: organisation,
    name: `API ${index} of the benchmark`,
    slug: id,
    active: true,
    use_keyless: true,
    tags,
    proxy: {
      listen_path: `/${id}/`,
      target_url: `http://upstream-${revision}.example:8080/`,
      strip_listen_path: true,
    },
    version_data: { not_versioned: true, versions: { Default: { name: 'Default' } } },
    config_data: { revision, endpoints: [] as object[] },
  };
  let length = JSON.stringify(head).length;
  while (length < bytes) {
    const path = `/${pick(random)}/{id}/${pick(random)}/${hex(random)}`;
    const endpoint = { path, method: random() < 0.5 ? 'GET' : 'POST', upstream: hex(random) + hex(random) };
    head.config_data.endpoints.push(endpoint);
    length += JSON.stringify(endpoint).length + 1;
  }
  return JSON.stringify(head);
}

export function apiId(index: number): string {
  return `bench-api-${index}`;
}

/** The same as the catalog would read it. */
export function apiDefinition(
  index: number,
  revision: number,
  bytes: number,
  tags: readonly string[] = [],
): Definition {
  const body = Buffer.from(apiJson(index, revision, bytes, tags));
  return {
    kind: 'api',
    id: apiId(index),
    organisation,
    name: `API ${index} of the benchmark`,
    hash: hashDefinition('plain', body, undefined),
    visibility: { tags, tagsDisabled: false, ownerUsers: [], ownerGroups: [] },
    form: 'plain',
    body,
    oas: undefined,
    source: `apis/${apiId(index)}.json`,
  };
}

/** mulberry32: small and good enough to look like content. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick(random: () => number): string {
  return words[Math.floor(random() * words.length)] ?? '';
}

function hex(random: () => number): string {
  return Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
}
