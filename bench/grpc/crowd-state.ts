import { until } from '../harness/pause.js';
import type { Child } from '../harness/start-child.js';

export interface CrowdState {
  readonly connected: number;
  readonly level: number;
  /** Position of the slowest. */
  readonly position: number;
  /** Of the lean ones. */
  readonly frames: number;
  readonly bytes: number;
  /** From the first connection attempt until the last lean worker had everything. */
  readonly levelMs: number;
  readonly failures: readonly string[];
}

export function stateOf(crowd: Child): Promise<CrowdState> {
  return crowd.call<CrowdState>('state');
}

/** Rejects with what the workers complain about. */
export async function untilLevel(crowd: Child, workers: number): Promise<void> {
  await until(`${workers} workers are level`, async () => {
    const { level, failures } = await stateOf(crowd);
    if (failures.length > 0) throw new Error(failures.join('\n'));
    return level === workers;
  });
}
