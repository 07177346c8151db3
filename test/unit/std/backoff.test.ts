import { describe, expect, it } from 'vitest';
import { Backoff } from '../../../src/std/backoff.js';

describe('Backoff', () => {
  it('doubles up to its bound', () => {
    const backoff = new Backoff({ firstDelayMs: 100, delayMsMax: 1_000, random: () => 0 });
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.nextDelayMs())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('is cut by at most half', () => {
    const backoff = new Backoff({ firstDelayMs: 100, delayMsMax: 1_000, random: () => 0.999999 });
    expect(backoff.nextDelayMs()).toBeGreaterThanOrEqual(50);
  });

  it('starts over after a reset and never leaves its bound', () => {
    const backoff = new Backoff({ firstDelayMs: 100, delayMsMax: 1_000, random: () => 0 });
    for (let attempt = 0; attempt < 5_000; attempt += 1)
      expect(backoff.nextDelayMs()).toBeLessThanOrEqual(1_000);
    expect(backoff.attempts).toBe(5_000);
    backoff.reset();
    expect(backoff.attempts).toBe(0);
    expect(backoff.nextDelayMs()).toBe(100);
  });
});
