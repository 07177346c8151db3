import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairShares } from '../../../src/std/fair-shares.js';

describe('fair shares', () => {
  it('take the oldest from whoever has most, and nothing where all have alike', () => {
    const shares = new FairShares<string>();
    for (const item of ['a1', 'a2', 'a3']) shares.add('a', item);
    shares.add('b', 'b1');
    expect(shares.takenFromFor('c')).toBe('a1');
    expect(shares.takenFromFor('b')).toBe('a1');
    shares.delete('a', 'a1');
    expect(shares.takenFromFor('b')).toBeUndefined();
    expect(shares.takenFromFor('a')).toBeUndefined();
    expect(shares.takenFromFor('c')).toBe('a2');
    shares.delete('a', 'a2');
    expect(shares.takenFromFor('c')).toBeUndefined();
  });

  it('always agree with plain counting', () => {
    const step = fc.record({ owner: fc.constantFrom('a', 'b', 'c'), item: fc.nat(9), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shares = new FairShares<number>();
        const plain = new Map<string, number[]>();
        for (const { owner, item, add } of steps) {
          const items = (plain.get(owner) ?? []).filter((one) => !(one === item && !add));
          if (add && !items.includes(item)) items.push(item);
          plain.set(owner, items);
          if (add) shares.add(owner, item);
          else shares.delete(owner, item);
          const most = Math.max(...[...plain.values()].map(({ length }) => length));
          expect(shares.size).toBe([...plain.values()].flat().length);
          expect(shares.countOf(owner)).toBe(items.length);
          const taken = shares.takenFromFor('newcomer');
          if (most <= 1) expect(taken).toBeUndefined();
          else
            expect(
              [...plain.values()].filter(({ length }) => length === most).map(([first]) => first),
            ).toContain(taken);
        }
      }),
    );
  });
});
