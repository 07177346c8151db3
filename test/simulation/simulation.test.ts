import { describe, expect, it } from 'vitest';
import { Simulation } from './simulation.js';

/** `SIMULATION_SEEDS=n` runs that many, `SIMULATION_SEED=n` only this one, both together so many from there on. */
const first = process.env['SIMULATION_SEED'];
const many = process.env['SIMULATION_SEEDS'];
const firstSeed = Number(first ?? 1);
const count = Number(many ?? (first === undefined ? 200 : 1));
const linesShown = 150;

describe('hub and zones', () => {
  it('keep every promise, whatever fails', { timeout: 3_600_000 }, async () => {
    const seeds = Array.from({ length: count }, (_, index) => firstSeed + index);
    for (const seed of seeds) {
      const simulation = new Simulation(seed);
      try {
        await simulation.run();
      } catch (thrown) {
        const lines = count > 1 ? simulation.lines.slice(-linesShown) : simulation.lines;
        console.error(`seed ${seed}\n${lines.join('\n')}`);
        throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`, {
          cause: thrown,
        });
      }
    }
    expect(seeds.length).toBeGreaterThan(0);
  });
});
