import type { BenchOptions } from '../harness/bench-options.js';
import { compareServers } from './compare.js';

const seconds = 3;

/** The call that a gateway makes for a key it does not have. */
export function benchGetKey(options: BenchOptions): Promise<void> {
  const load = { method: 'GetKey', connections: 5, seconds } as const;
  return compareServers(
    { definitions: 20, definitionBytes: 1_024 },
    [
      {
        title: 'GetKey, 1 gateway × 5 connections, 50 in flight',
        load: { ...load, gateways: 1, inFlight: 50 },
      },
      {
        title: 'GetKey, 20 gateways × 5 connections, 5 in flight each',
        load: { ...load, gateways: 20, inFlight: 5 },
      },
    ],
    options,
  );
}
