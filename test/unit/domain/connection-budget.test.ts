import { expect, it } from 'vitest';
import { connectionBudgetOf } from '../../../src/domain/connection-budget.js';
import { limits } from '../../../src/domain/limits.js';

const sum = (descriptorsMax: number) => {
  const { workerConnectionsMax, refusedConnectionsMax, httpConnectionsMax } =
    connectionBudgetOf(descriptorsMax);
  return workerConnectionsMax + refusedConnectionsMax + httpConnectionsMax;
};

it('is the limits where descriptors are plenty or unknown', () => {
  for (const descriptorsMax of [undefined, 65_536, 1_048_576]) {
    expect(connectionBudgetOf(descriptorsMax)).toEqual({
      workerConnectionsMax: limits.connectionsMax,
      refusedConnectionsMax: limits.refusedConnectionsMax,
      httpConnectionsMax: limits.httpConnectionsMax,
    });
  }
});

it('leaves the reserve where they are few', () => {
  for (const descriptorsMax of [1_024, 4_096, 20_000]) {
    expect(descriptorsMax - sum(descriptorsMax)).toBeGreaterThanOrEqual(limits.descriptorsReserved);
  }
  expect(512 - sum(512)).toBeGreaterThanOrEqual(128);
  expect(connectionBudgetOf(1_024).workerConnectionsMax).toBe(576);
});
