import { describe, expect, it } from 'vitest';
import { Simulation } from './simulation.js';

/** `SIMULATION_SEED=n` runs one seed and prints what happens, `SIMULATION_SEEDS=n` that many. */
const only = process.env['SIMULATION_SEED'];
const count = Number(process.env['SIMULATION_SEEDS'] ?? 200);
const firstSeed = 1;
const linesShown = 150;

describe('hub and zones', () => {
  it('keep every promise, whatever fails', { timeout: 3_600_000 }, async () => {
    const seeds =
      only === undefined ? Array.from({ length: count }, (_, index) => firstSeed + index) : [Number(only)];
    for (const seed of seeds) {
      const simulation = new Simulation(seed);
      try {
        await simulation.run();
      } catch (thrown) {
        const lines = only === undefined ? simulation.lines.slice(-linesShown) : simulation.lines;
        console.error(`seed ${seed}\n${lines.join('\n')}`);
        throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`, {
          cause: thrown,
        });
      }
    }
    expect(seeds.length).toBeGreaterThan(0);
  });
});
