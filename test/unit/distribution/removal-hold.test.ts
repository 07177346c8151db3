import { describe, expect, it } from 'vitest';
import { type Definition, type DefinitionKey, definitionKey } from '../../../src/domain/definition.js';
import { RemovalHold } from '../../../src/hub/distribution/removal-hold.js';
import { several } from './distribution-fixture.js';

const keyOf = ({ kind, id }: Definition) => definitionKey(kind, id);
const none: ReadonlySet<DefinitionKey> = new Set();

/** How many of the wanted removals are held. */
function heldOf(
  inForce: readonly Definition[],
  wanted: readonly Definition[],
  { hold = new RemovalHold(), accepted = none, nowMs = 0 } = {},
): number {
  const byKey = new Map(inForce.map((one) => [keyOf(one), one]));
  const held = hold.decide(byKey, wanted, accepted, nowMs);
  const passed = wanted.filter((one) => !held.includes(one));
  hold.passed(passed, accepted, nowMs);
  return held.length;
}

const apis = several('api', 'a', 10);
const policies = several('policy', 'p', 10);
const providers = several('client-idp', 'i', 10);

describe('RemovalHold', () => {
  it.each([
    ['one of ten', apis, apis.slice(0, 1), 0],
    ['half', apis, apis.slice(0, 5), 0],
    ['more than half', apis, apis.slice(0, 6), 6],
    ['all', apis, apis, 10],
    ['the only one', apis.slice(0, 1), apis.slice(0, 1), 1],
    ['one of two', apis.slice(0, 2), apis.slice(0, 1), 0],
    ['most APIs, of few among many policies', [...apis.slice(0, 3), ...policies], apis.slice(0, 2), 2],
    [
      'most APIs and one policy: the policy goes',
      [...apis.slice(0, 3), ...policies],
      [...apis.slice(0, 2), ...policies.slice(0, 1)],
      2,
    ],
    [
      'half of each kind, and all providers: more than half in total',
      [...apis, ...policies, ...providers],
      [...apis.slice(0, 5), ...policies.slice(0, 5), ...providers],
      20,
    ],
    ['the only provider', [...apis, ...providers.slice(0, 1)], providers.slice(0, 1), 0],
    ['everything, and that is one provider', providers.slice(0, 1), providers.slice(0, 1), 1],
  ])('%s', (_name, inForce, wanted, held) => {
    expect(heldOf(inForce, wanted)).toBe(held);
  });

  it('takes a trickle for one act', () => {
    const hold = new RemovalHold();
    const held: number[] = [];
    for (let gone = 0; gone < 7; gone += 1) {
      held.push(
        heldOf(apis.slice(Math.min(gone, 5)), [...apis.slice(Math.min(gone, 5), gone + 1)], {
          hold,
          nowMs: gone * 1_000,
        }),
      );
    }
    expect(held).toEqual([0, 0, 0, 0, 0, 1, 2]);
  });

  it('takes removals far apart for several acts', () => {
    const hold = new RemovalHold();
    for (let gone = 0; gone < 9; gone += 1) {
      expect(heldOf(apis.slice(gone), apis.slice(gone, gone + 1), { hold, nowMs: gone * 10_000 })).toBe(0);
    }
    expect(heldOf(apis.slice(9), apis.slice(9), { hold, nowMs: 90_000 })).toBe(1);
  });

  it('keeps holding when the act is long past', () => {
    const hold = new RemovalHold();
    for (let gone = 0; gone < 5; gone += 1) heldOf(apis.slice(gone), apis.slice(gone, gone + 1), { hold });
    expect(heldOf(apis.slice(5), apis.slice(5, 6), { hold })).toBe(1);
    expect(heldOf(apis.slice(5), apis.slice(5, 6), { hold, nowMs: 3_600_000 })).toBe(1);
  });

  it('keeps holding when additions make it a small part', () => {
    const hold = new RemovalHold();
    expect(heldOf(apis, apis.slice(0, 6), { hold })).toBe(6);
    const more = [...apis, ...several('api', 'new', 90)];
    expect(heldOf(more, apis.slice(0, 6), { hold, nowMs: 60_000 })).toBe(6);
    expect(heldOf(more, apis.slice(0, 7), { hold, nowMs: 60_000 })).toBe(6);
  });

  it('lets go what a person accepts, and does not count it', () => {
    const hold = new RemovalHold();
    expect(heldOf(apis, apis.slice(0, 6), { hold })).toBe(6);
    const accepted = new Set(apis.slice(0, 6).map(keyOf));
    expect(heldOf(apis, apis.slice(0, 6), { hold, accepted })).toBe(0);
    expect(heldOf(apis.slice(6), apis.slice(6, 7), { hold })).toBe(0);
  });

  it('judges what went missing after the question by itself', () => {
    const hold = new RemovalHold();
    expect(heldOf(apis, apis.slice(0, 8), { hold })).toBe(8);
    const accepted = new Set(apis.slice(0, 8).map(keyOf));
    expect(heldOf(apis, apis, { hold, accepted })).toBe(2);
  });

  it('forgets what came back', () => {
    const hold = new RemovalHold();
    expect(heldOf(apis, apis, { hold })).toBe(10);
    expect(heldOf(apis, [], { hold })).toBe(0);
    expect(heldOf(apis, apis.slice(0, 1), { hold })).toBe(0);
  });
});
