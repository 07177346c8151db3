import { describe, expect, it } from 'vitest';
import { Lru } from '../../../src/std/lru.js';

describe('Lru', () => {
  it('gives up what was used longest ago', () => {
    const lru = new Lru<string, number>(2);
    lru.set('a', 1);
    lru.set('b', 2);
    lru.get('a');
    expect(lru.set('c', 3)).toEqual(['b', 2]);
    expect([...lru.entries()]).toEqual([
      ['a', 1],
      ['c', 3],
    ]);
  });

  it('does not count a peek as a use', () => {
    const lru = new Lru<string, number>(2);
    lru.set('a', 1);
    lru.set('b', 2);
    expect(lru.peek('a')).toBe(1);
    expect(lru.set('c', 3)).toEqual(['a', 1]);
  });

  it('counts setting anew as a use and evicts nothing for it', () => {
    const lru = new Lru<string, number>(2);
    lru.set('a', 1);
    lru.set('b', 2);
    expect(lru.set('a', 3)).toBeUndefined();
    expect(lru.size).toBe(2);
    expect(lru.set('c', 4)).toEqual(['b', 2]);
  });

  it('refuses a bound below one', () => {
    expect(() => new Lru(0)).toThrow('entriesMax');
  });
});
