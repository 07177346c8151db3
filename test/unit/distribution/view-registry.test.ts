import { describe, expect, it } from 'vitest';
import type { Definition } from '../../../src/domain/definition.js';
import { isVisible, type ViewScope, viewKeyOf } from '../../../src/domain/view.js';
import {
  applyDifference,
  emptySnapshot,
  type OrganisationSnapshot,
} from '../../../src/hub/distribution/organisation-snapshot.js';
import { ViewRegistry } from '../../../src/hub/distribution/view-registry.js';
import { acme, definition, everyone, other } from './distribution-fixture.js';

const scope = (over: Partial<ViewScope> = {}): ViewScope => ({
  organisation: acme,
  segmented: false,
  tags: [],
  owner: undefined,
  ...over,
});
const segmented = (...tags: readonly string[]) => scope({ segmented: true, tags });
const owned = (user: string, ...groups: readonly string[]) => scope({ owner: { user, groups } });

describe('isVisible', () => {
  it.each([
    ['a worker that is not segmented sees all', 'api', { tags: ['us'] }, scope(), true],
    ['its own tags say nothing then', 'api', { tags: ['us'] }, scope({ tags: ['eu'] }), true],
    ['and neither do disabled tags', 'api', { tags: ['us'], tagsDisabled: true }, scope(), true],
    ['a common tag', 'api', { tags: ['us', 'eu'] }, segmented('de', 'eu'), true],
    ['no common tag', 'api', { tags: ['us'] }, segmented('eu'), false],
    ['an API without tags', 'api', {}, segmented('eu'), false],
    ['a segmented worker without tags', 'api', { tags: ['eu'] }, segmented(), false],
    ['disabled tags', 'api', { tags: ['eu'], tagsDisabled: true }, segmented('eu'), false],
    ['a policy is not segmented', 'policy', { tags: ['us'] }, segmented('eu'), true],
    ['and has no owner', 'policy', { ownerUsers: ['someone'] }, owned('me'), true],
    ['a provider without tags', 'client-idp', {}, segmented('eu'), true],
    ['a provider with other tags', 'client-idp', { tags: ['us'] }, segmented('eu'), false],
    ['nobody’s API', 'api', {}, owned('me'), true],
    ['my API', 'api', { ownerUsers: ['me'] }, owned('me'), true],
    ['my group’s API', 'api', { ownerUsers: ['you'], ownerGroups: ['g'] }, owned('me', 'f', 'g'), true],
    ['somebody else’s API', 'api', { ownerUsers: ['you'], ownerGroups: ['h'] }, owned('me', 'g'), false],
    ['somebody else’s API, where ownership is off', 'api', { ownerUsers: ['you'] }, scope(), true],
  ] as const)('%s', (_name, kind, visibility, viewer, visible) => {
    expect(isVisible(kind, { ...everyone, ...visibility }, viewer)).toBe(visible);
  });
});

describe('viewKeyOf', () => {
  it('is equal for who sees the same, and only then', () => {
    expect(viewKeyOf(segmented('a', 'b'))).toBe(viewKeyOf(segmented('b', 'a', 'b')));
    expect(viewKeyOf(scope({ tags: ['a'] }))).toBe(viewKeyOf(scope()));
    expect(viewKeyOf(owned('u', 'g', 'h'))).toBe(viewKeyOf(owned('u', 'h', 'g')));
    const keys = [
      scope(),
      scope({ organisation: other }),
      segmented(),
      segmented('a'),
      segmented('a', 'b'),
      segmented('a,b'),
      owned('u'),
      owned('u', 'g'),
      owned('g', 'u'),
    ].map(viewKeyOf);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('ViewRegistry', () => {
  const a = definition('api', 'a', { tags: ['eu'] });
  const b = definition('api', 'b', { tags: ['us'] });
  const snapshot = (...definitions: readonly Definition[]): OrganisationSnapshot =>
    applyDifference(emptySnapshot(acme), { put: definitions, removed: [] });

  it('computes a view once per snapshot', () => {
    const registry = new ViewRegistry();
    const now = snapshot(a, b);
    const view = registry.viewOf(now, segmented('eu'));
    expect(view.definitions).toEqual([a]);
    expect(registry.viewOf(now, segmented('eu', 'eu'))).toBe(view);
  });

  it('keeps a view whose content did not change', () => {
    const registry = new ViewRegistry();
    const first = registry.viewOf(snapshot(a, b), segmented('eu'));
    const next = applyDifference(snapshot(a, b), { put: [], removed: [b] });
    expect(registry.viewOf(next, segmented('eu'))).toBe(first);
    expect(registry.viewOf(next, segmented('us')).definitions).toEqual([]);
    const edited = applyDifference(next, {
      put: [definition('api', 'a', { version: 2, tags: ['eu'] })],
      removed: [],
    });
    expect(registry.viewOf(edited, segmented('eu')).contentHash).not.toBe(first.contentHash);
  });

  it('lets nothing cross organisations, whatever a snapshot holds', () => {
    const stray = definition('api', 'x', { organisation: other });
    expect(new ViewRegistry().viewOf(snapshot(a, stray), scope()).definitions).toEqual([a]);
  });
});
