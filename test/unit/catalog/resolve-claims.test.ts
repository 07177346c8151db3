import { describe, expect, it } from 'vitest';
import { type Claim, resolveClaims } from '../../../src/domain/resolve-claims.js';

const valid = (source: string, item: string): Claim<string> => ({
  source,
  item,
  problem: undefined,
  missing: false,
});
const broken = (source: string): Claim<string> => ({
  source,
  item: undefined,
  problem: { source, reason: 'broken' },
  missing: false,
});
const gone = (source: string, item: string): Claim<string> => ({ ...valid(source, item), missing: true });

/** Items are their own keys; `inForce` maps a source to the item it had. */
function resolve(claims: readonly Claim<string>[], inForce: Readonly<Record<string, string>> = {}) {
  const resolved = resolveClaims(claims, {
    keyOf: (item) => item,
    describe: (item) => item,
    lastGood: (source) => (inForce[source] === undefined ? [] : [inForce[source]]),
    inForce: (source, key) => inForce[source] === key,
  });
  return {
    items: resolved.items.map(({ source, item }) => `${source}=${item}`),
    quarantined: resolved.quarantined.map(({ source, reason }) => `${source}: ${reason}`),
  };
}

describe('claims', () => {
  it('without dispute are in force', () => {
    expect(resolve([valid('a', 'x'), valid('b', 'y')])).toEqual({ items: ['a=x', 'b=y'], quarantined: [] });
  });

  it('of one key go to the first by path when none was in force', () => {
    expect(resolve([valid('a', 'x'), valid('b', 'x')])).toEqual({
      items: ['a=x'],
      quarantined: ['b: x is already that of a'],
    });
  });

  it('of one key stay with the one in force', () => {
    expect(resolve([valid('a', 'x'), valid('b', 'x')], { b: 'x' }).items).toEqual(['b=x']);
  });

  it('that lose leave the former item of their source in force', () => {
    expect(resolve([valid('a', 'y'), valid('b', 'y')], { a: 'x', b: 'y' })).toEqual({
      items: ['a=x', 'b=y'],
      quarantined: ['a: y is already that of b'],
    });
  });

  it('may be swapped', () => {
    expect(resolve([valid('a', 'y'), valid('b', 'x')], { a: 'x', b: 'y' })).toEqual({
      items: ['a=y', 'b=x'],
      quarantined: [],
    });
  });

  it('of broken sources are those of their last good version, against newcomers too', () => {
    expect(resolve([broken('a'), valid('b', 'x')], { a: 'x' })).toEqual({
      items: ['a=x'],
      quarantined: ['a: broken', 'b: x is already that of a'],
    });
    expect(resolve([broken('a')])).toEqual({ items: [], quarantined: ['a: broken'] });
  });

  it('of files that are gone yield: a renamed file takes its item along', () => {
    expect(resolve([gone('a', 'x'), valid('b', 'x')], { a: 'x' })).toEqual({
      items: ['b=x'],
      quarantined: [],
    });
    expect(resolve([valid('a', 'x'), gone('b', 'x')], { b: 'x' })).toEqual({
      items: ['a=x'],
      quarantined: [],
    });
    expect(resolve([gone('a', 'x')], { a: 'x' })).toEqual({ items: ['a=x'], quarantined: [] });
  });
});
