import { type NodeId, nodeId, type OrganisationId, type ZoneId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { NodeHealth, NodeStats, WorkerNode } from '../../domain/worker.js';
import type { Obfuscate } from '../../ports/log.js';
import { jsonExceeds } from '../../std/json-shape.js';

/** Ids of APIs and policies are most of it. */
const nodeBounds = { values: 50_000, depth: 64 };
const textLengthMax = 256;
const defaultTtlSeconds = 10;
const nanosecondsPerSecond = 1e9;

/** What is known of the worker without its own words. */
export interface NodeContext {
  readonly organisation: OrganisationId;
  /** Of the login call: it, not the `group_id` inside the JSON, names the zone. */
  readonly zone: ZoneId;
  /** For a worker that does not say who it is. */
  readonly fallbackNode: NodeId;
  readonly obfuscate: Obfuscate;
}

/**
 * A gateway's own description, from its group login. Gateways send null when they fail to build it, and a
 * login must never fail by it: whatever is missing or malformed gets a default, field by field.
 * Source of the fields: worker-rpc reference, 4.4.
 */
export function readNodeJson(bytes: Uint8Array | undefined, context: NodeContext): WorkerNode {
  const node = members(parse(bytes));
  const host = members(node['host_details']);
  const key = text(node['api_key']);
  return {
    protocol: 'gorpc',
    organisation: context.organisation,
    zone: context.zone,
    node: text(node['node_id']) === '' ? context.fallbackNode : nodeId(text(node['node_id'])),
    version: text(node['node_version']),
    tags: texts(node['tags']),
    segmented: node['node_is_segmented'] === true,
    apiKeyShown: key === '' ? '' : context.obfuscate(key),
    ttlSeconds: ttlSeconds(node['ttl']),
    host: {
      hostname: text(host['Hostname']),
      pid: count(host['PID']),
      address: text(host['Address']),
    },
    health: health(node['health']),
    stats: stats(node['stats']),
  };
}

function parse(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined || bytes.length === 0 || bytes.length > limits.nodeDetailsBytesMax)
    return undefined;
  const json = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (jsonExceeds(json, nodeBounds)) return undefined;
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Gateways v5.2 and v5.3 send nanoseconds. */
function ttlSeconds(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0)) return defaultTtlSeconds;
  const seconds = value > 1_000_000 ? value / nanosecondsPerSecond : value;
  return Math.min(limits.nodeTtlSecondsMax, Math.max(1, Math.round(seconds)));
}

function health(value: unknown): Readonly<Record<string, NodeHealth>> {
  return Object.fromEntries(
    Object.entries(members(value)).map(([component, report]) => {
      const fields = members(report);
      return [
        text(component),
        {
          status: text(fields['status']),
          componentType: text(fields['componentType']),
          time: text(fields['time']),
        },
      ];
    }),
  );
}

function stats(value: unknown): NodeStats {
  const fields = members(value);
  const loadedApis = ids(fields['loaded_apis'], 'api_id');
  const loadedPolicies = ids(fields['loaded_policies'], 'policy_id');
  return {
    apisCount: count(fields['apis_count']),
    policiesCount: count(fields['policies_count']),
    ...(loadedApis === undefined ? {} : { loadedApis }),
    ...(loadedPolicies === undefined ? {} : { loadedPolicies }),
  };
}

function ids(value: unknown, member: string): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return texts(value.map((item: unknown) => members(item)[member]));
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text).filter((item) => item !== '') : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, textLengthMax) : '';
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
