import { limits } from './limits.js';

/** How the descriptors of a process are shared out. */
export interface ConnectionBudget {
  /** Connections on the worker port. */
  readonly workerConnectionsMax: number;
  /** Refused connections that wait for their close. */
  readonly refusedConnectionsMax: number;
  /** Connections on the HTTP port. */
  readonly httpConnectionsMax: number;
}

/**
 * Of `descriptorsMax` (the soft RLIMIT_NOFILE; undefined: unknown) a reserve stays with the stores, the catalog and the
 * log: a hub that cannot open a file serves nobody, however many are connected. The rest goes to the two ports, the
 * HTTP port first, because probes decide whether the hub lives.
 */
export function connectionBudgetOf(descriptorsMax: number | undefined): ConnectionBudget {
  const available = descriptorsMax ?? Number.POSITIVE_INFINITY;
  const reserve = Math.min(limits.descriptorsReserved, available / 4);
  const free = Math.max(0, available - reserve);
  const httpConnectionsMax = Math.max(8, Math.floor(Math.min(limits.httpConnectionsMax, free / 8)));
  const refusedConnectionsMax = Math.max(8, Math.floor(Math.min(limits.refusedConnectionsMax, free / 8)));
  const rest = Math.max(8, Math.floor(free) - httpConnectionsMax - refusedConnectionsMax);
  return {
    workerConnectionsMax: Math.min(limits.connectionsMax, rest),
    refusedConnectionsMax,
    httpConnectionsMax,
  };
}
