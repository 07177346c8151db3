import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../../src/std/token-bucket.js';

describe('TokenBucket', () => {
  it('allows a burst, then a steady rate', () => {
    const bucket = new TokenBucket({ capacity: 3, tokensPerMinute: 60 }, 0);
    expect([0, 0, 0, 0].map((at) => bucket.take(at))).toEqual([true, true, true, false]);
    expect([999, 1_000, 1_001].map((at) => bucket.take(at))).toEqual([false, true, false]);
  });

  it('never holds more than its capacity', () => {
    const bucket = new TokenBucket({ capacity: 2, tokensPerMinute: 60 }, 0);
    expect([1e9, 1e9, 1e9].map((at) => bucket.take(at))).toEqual([true, true, false]);
  });

  it('gives at most capacity plus rate, whatever the pattern', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { minLength: 1, maxLength: 300 }), (pausesMs) => {
        const bucket = new TokenBucket({ capacity: 5, tokensPerMinute: 120 }, 0);
        let nowMs = 0;
        let taken = 0;
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs;
          if (bucket.take(nowMs)) taken += 1;
        }
        expect(taken).toBeLessThanOrEqual(5 + nowMs / 500 + 1e-6);
      }),
    );
  });
});
