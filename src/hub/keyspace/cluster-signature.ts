import { createHash } from 'node:crypto';
import { type NodeId, nodeId } from '../../domain/identifiers.js';
import type { WorkerNode } from '../../domain/worker.js';

/**
 * What the members of one cluster have in common. Workers of one zone should share one local store; nothing on
 * the wire says that they do. Members that differ here probably do not, and are fed separately: an event that
 * arrives twice costs a look-up, one that does not arrive leaves a revoked key in use.
 */
export interface ClusterTraits {
  /** Names the cluster's cursor: readable, of bounded length, equal for equal traits. */
  readonly cursorName: NodeId;
  /** The host name without what numbers or replaces its instances; empty: not known. */
  readonly hostStem: string;
  readonly version: string;
  readonly segmented: boolean;
  /** Sorted. */
  readonly tags: readonly string[];
}

export const clusterCursorPrefix = 'cluster:';

/** Gateways that do not describe themselves. */
export const unknownCluster: ClusterTraits = named({ hostStem: '', version: '', segmented: false, tags: [] });

export function clusterTraitsOf(
  node: Pick<WorkerNode, 'host' | 'version' | 'segmented' | 'tags'>,
): ClusterTraits {
  return named({
    hostStem: hostStem(node.host.hostname),
    version: node.version,
    segmented: node.segmented,
    tags: [...new Set(node.tags)].sort(),
  });
}

function named(traits: Omit<ClusterTraits, 'cursorName'>): ClusterTraits {
  const { hostStem: stem, version, segmented, tags } = traits;
  const digest = createHash('sha256')
    .update(JSON.stringify([stem, version, segmented, tags]))
    .digest('hex');
  const readable = `${stem.slice(0, 40)}@${version.slice(0, 20)}`;
  return { ...traits, cursorName: nodeId(`${clusterCursorPrefix}${readable}#${digest.slice(0, 12)}`) };
}

/** The same but for the release: what an upgrade of one cluster looks like while it is under way. */
export function differInVersionOnly(a: ClusterTraits, b: ClusterTraits): boolean {
  return a.hostStem === b.hostStem && a.segmented === b.segmented && a.tags.join('\n') === b.tags.join('\n');
}

/** Letters and digits of names that Kubernetes makes up. */
const made = '[bcdfghjklmnpqrstvwxz2456789]';
const podOfDeployment = new RegExp(`-(?:${made}{4,10}|[0-9a-f]{8,10})-${made}{5}$`);
const podOfDaemonSet = new RegExp(`-${made}{5}$`);
const opaqueName = /^[0-9a-f]{12,64}$|^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const instanceOfGroup = /-(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{4}$/;

/**
 * `gateway-7d9f8b6c5d-x2x7p`, `gateway-3`, `ip-10-0-1-23.eu.internal` and a container's id differ from their
 * neighbours by what is cut off here.
 */
export function hostStem(hostname: string): string {
  const [first = '', ...domain] = hostname.toLowerCase().split('.');
  if (opaqueName.test(first)) return domain.join('.');
  const named = first
    .replace(podOfDeployment, '')
    .replace(podOfDaemonSet, '')
    .replace(instanceOfGroup, '')
    .replace(/(?:[-_]?\d+)+$/, '');
  return [named, ...domain].join('.');
}
