import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mutate } from './fuzz/mutate.js';
import { fuzzTargets } from './fuzz/targets.js';
import { seededRandom } from './seeded-random.js';

const mutationsPerTarget = 6_000;
const inputBytesMax = 4_096;

/** The short form of fuzz/run.mjs: the kept inputs, and mutations of them that a seed repeats. */
describe.each(Object.entries(fuzzTargets))('hostile input, %s', (name, fuzz) => {
  const folder = new URL(`../../fixtures/gob-corpus/${name}/`, import.meta.url).pathname;
  const corpus = readdirSync(folder).map((file) => readFileSync(`${folder}${file}`));

  test('the kept inputs', () => {
    expect(corpus.length).toBeGreaterThan(3);
    for (const input of corpus) fuzz(input);
  });

  test('mutations of them, in bounded time and memory', () => {
    const random = seededRandom(2026);
    const heapBefore = process.memoryUsage().heapUsed;
    let slowestMs = 0;
    for (let round = 0; round < mutationsPerTarget; round++) {
      const input = corpus[Math.floor(random() * corpus.length)] as Buffer;
      const other = corpus[Math.floor(random() * corpus.length)] as Buffer;
      const mutated = mutate(input, other, random, inputBytesMax);
      const before = process.cpuUsage();
      try {
        fuzz(mutated);
      } catch (thrown) {
        throw new Error(`round ${round}: ${mutated.toString('hex')}`, { cause: thrown });
      }
      slowestMs = Math.max(slowestMs, process.cpuUsage(before).user / 1_000);
    }
    expect(slowestMs).toBeLessThan(1_000);
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(256 * 2 ** 20);
  });
});
