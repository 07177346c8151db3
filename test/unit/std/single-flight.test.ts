import { describe, expect, it } from 'vitest';
import { SingleFlight } from '../../../src/std/single-flight.js';

function controlled(): {
  readonly calls: { keys: readonly string[]; land(values: string[]): void; fail(error: Error): void }[];
  readonly load: (keys: readonly string[]) => Promise<readonly string[]>;
} {
  const calls: { keys: readonly string[]; land(values: string[]): void; fail(error: Error): void }[] = [];
  const load = (keys: readonly string[]) =>
    new Promise<readonly string[]>((land, fail) => {
      calls.push({ keys, land, fail });
    });
  return { calls, load };
}

describe('SingleFlight', () => {
  it('loads what is in the air only once, and the rest in one batch', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const first = flights.fetch(['a', 'b'], load);
    const second = flights.fetch(['c', 'b', 'd', 'c'], load);
    expect(calls.map(({ keys }) => keys)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    calls[1]?.land(['C', 'D']);
    calls[0]?.land(['A', 'B']);
    expect(await first).toEqual(['A', 'B']);
    expect(await second).toEqual(['C', 'B', 'D', 'C']);
  });

  it('loads again once it has landed', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const first = flights.fetch(['a'], load);
    calls[0]?.land(['1']);
    expect(await first).toEqual(['1']);
    const second = flights.fetch(['a'], load);
    calls[1]?.land(['2']);
    expect(await second).toEqual(['2']);
  });

  it('tells a failure to everybody who joined and keeps nothing of it', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const both = [flights.fetch(['a'], load), flights.fetch(['a', 'b'], load)];
    const settled = Promise.allSettled(both);
    calls[0]?.fail(new Error('away'));
    calls[1]?.land(['B']);
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = flights.fetch(['a'], load);
    calls[2]?.land(['A']);
    expect(await again).toEqual(['A']);
  });

  it('lets nobody join a flight that was forgotten', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const stale = flights.fetch(['a', 'b'], load);
    flights.forget('a');
    const fresh = flights.fetch(['a'], load);
    calls[0]?.land(['old', 'B']);
    expect(await stale).toEqual(['old', 'B']);
    const joined = flights.fetch(['a'], load);
    expect(calls).toHaveLength(2);
    calls[1]?.land(['new']);
    expect([await fresh, await joined]).toEqual([['new'], ['new']]);
  });

  it('loads one key and joins flights of either kind', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const one = flights.fetchOne('a', load);
    const joined = [flights.fetchOne('a', load), flights.fetch(['a', 'b'], load)];
    const other = flights.fetchOne('b', load);
    expect(calls.map(({ keys }) => keys)).toEqual([['a'], ['b']]);
    calls[0]?.land(['A']);
    calls[1]?.land(['B']);
    expect(await Promise.all([one, ...joined, other])).toEqual(['A', 'A', ['A', 'B'], 'B']);
    const again = flights.fetchOne('a', load);
    calls[2]?.land(['A2']);
    expect(await again).toBe('A2');
  });

  it('tells the failure of one key to everybody who joined and keeps nothing of it', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const both = Promise.allSettled([flights.fetchOne('a', load), flights.fetchOne('a', load)]);
    calls[0]?.fail(new Error('away'));
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = flights.fetchOne('a', load);
    calls[1]?.land(['A']);
    expect(await again).toBe('A');
  });

  it('loads one key again once it was forgotten', async () => {
    const { calls, load } = controlled();
    const flights = new SingleFlight<string>();
    const stale = flights.fetchOne('a', load);
    flights.forget('a');
    const fresh = flights.fetchOne('a', load);
    calls[0]?.land(['old']);
    calls[1]?.land(['new']);
    expect([await stale, await fresh]).toEqual(['old', 'new']);
  });

  it('needs no load for no keys', async () => {
    expect(await new SingleFlight<string>().fetch([], () => Promise.reject(new Error('no')))).toEqual([]);
  });
});
