import { describe, expect, it } from 'vitest';
import { type Definition, definitionKey } from '../../../src/domain/definition.js';
import {
  applyDifference,
  changesOf,
  differenceOf,
  emptySnapshot,
} from '../../../src/hub/distribution/organisation-snapshot.js';
import { acme, definition } from './distribution-fixture.js';

const byKey = (...definitions: readonly Definition[]) =>
  new Map(definitions.map((one) => [definitionKey(one.kind, one.id), one]));

const a = definition('api', 'a');
const a2 = definition('api', 'a', { version: 2 });
const aTagged = definition('api', 'a', { tags: ['eu'] });
const b = definition('api', 'b');
const policyA = definition('policy', 'a');

describe('differenceOf', () => {
  it.each([
    ['nothing', [a, b], [a, b], [], []],
    ['the same content, read anew', [a], [definition('api', 'a')], [], []],
    ['a new one', [a], [a, b], [b], []],
    ['an edit', [a, b], [a2, b], [a2], []],
    ['other tags for the same content', [a], [aTagged], [aTagged], []],
    ['a removal', [a, b], [b], [], [a]],
    ['kinds that share an id', [a], [policyA], [policyA], [a]],
  ])('%s', (_name, current, next, put, removed) => {
    expect(differenceOf(byKey(...current), byKey(...next))).toEqual({ put, removed });
  });
});

describe('applyDifference', () => {
  it('leads to the next state, and leaves the one before as it was', () => {
    const before = applyDifference(emptySnapshot(acme), { put: [a, b], removed: [] });
    const after = applyDifference(before, differenceOf(before.definitions, byKey(a2, policyA)));
    expect(after.definitions).toEqual(byKey(a2, policyA));
    expect(before.definitions).toEqual(byKey(a, b));
    expect(after.revision).toBe(before.revision + 1);
  });
});

describe('changesOf', () => {
  it('says who could see what before and after, removals last', () => {
    const current = byKey(a, b);
    expect(changesOf(current, { put: [aTagged, policyA], removed: [b] })).toEqual([
      {
        type: 'definition',
        kind: 'api',
        id: 'a',
        hash: a.hash,
        before: a.visibility,
        after: aTagged.visibility,
      },
      {
        type: 'definition',
        kind: 'policy',
        id: 'a',
        hash: policyA.hash,
        before: undefined,
        after: policyA.visibility,
      },
      { type: 'definition', kind: 'api', id: 'b', hash: undefined, before: b.visibility, after: undefined },
    ]);
  });
});
