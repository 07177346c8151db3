import type { WorkerNode } from '../../domain/worker.js';

/** The JSON of /dataplanes. Source of the spelling: the HTTP reference of the field. */
export function dataplanesJson(
  fleet: ReadonlyMap<string, readonly WorkerNode[]>,
): Record<string, readonly unknown[]> {
  return Object.fromEntries([...fleet].map(([group, nodes]) => [group, nodes.map(nodeJson)]));
}

function nodeJson(node: WorkerNode): unknown {
  const { loadedApis, loadedPolicies } = node.stats;
  return {
    node_id: node.node,
    api_key: node.apiKeyShown,
    group_id: node.zone,
    node_version: node.version,
    ttl: node.ttlSeconds,
    tags: node.tags,
    health: node.health,
    stats: {
      apis_count: node.stats.apisCount,
      policies_count: node.stats.policiesCount,
      ...(loadedApis === undefined ? {} : { loaded_apis: loadedApis.map((id) => ({ api_id: id })) }),
      ...(loadedPolicies === undefined
        ? {}
        : { loaded_policies: loadedPolicies.map((id) => ({ policy_id: id })) }),
    },
    host_details: { Hostname: node.host.hostname, PID: node.host.pid, Address: node.host.address },
  };
}
