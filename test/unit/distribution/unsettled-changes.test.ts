import { describe, expect, it } from 'vitest';
import type { DefinitionChange } from '../../../src/domain/change.js';
import { type Definition, definitionKey } from '../../../src/domain/definition.js';
import {
  readUnsettledNote,
  settlingChanges,
  unsettledNote,
} from '../../../src/hub/distribution/unsettled-changes.js';
import { acme, definition } from './distribution-fixture.js';

const eu = definition('api', 'a', { tags: ['eu'] });
const us = definition('api', 'a', { version: 2, tags: ['us'] });
const ap = definition('api', 'a', { version: 3, tags: ['ap'] });

function change(before: Definition | undefined, after: Definition | undefined): DefinitionChange {
  return {
    type: 'definition',
    kind: 'api',
    id: 'a',
    hash: after?.hash,
    before: before?.visibility,
    after: after?.visibility,
  };
}

describe('settlingChanges', () => {
  const leads = (before: Definition, after: Definition | undefined) => change(before, after);
  it.each([
    ['taken back', [change(eu, us)], eu, [], [leads(eu, eu), leads(us, eu)]],
    ['kept', [change(eu, us)], us, [change(eu, us)], []],
    ['changed once more', [change(eu, us)], ap, [change(eu, ap)], [leads(us, ap)]],
    ['a new one taken back', [change(undefined, eu)], undefined, [], [leads(eu, undefined)]],
    ['a removal taken back', [change(eu, undefined)], eu, [], [leads(eu, eu)]],
    ['a removal kept', [change(eu, undefined)], undefined, [change(eu, undefined)], []],
    [
      'two crashes in a row',
      [change(eu, us), change(eu, ap)],
      eu,
      [],
      [leads(eu, eu), leads(us, eu), leads(ap, eu)],
    ],
    ['nothing', [], eu, [], []],
  ])('%s', (_name, noted, now, announced, settling) => {
    const inForce = new Map(now === undefined ? [] : [[definitionKey(now.kind, now.id), now]]);
    expect(settlingChanges(noted, inForce, announced)).toEqual(settling);
  });
});

describe('the note of unsettled changes', () => {
  it('comes back as it was', () => {
    const noted = [change(undefined, eu), change(eu, us), change(us, undefined)];
    expect(readUnsettledNote(unsettledNote(acme, noted))).toMatchObject(
      JSON.parse(JSON.stringify(noted)) as object[],
    );
  });

  it('is told from every definition, and lets nobody see it', () => {
    expect(readUnsettledNote(eu)).toBeUndefined();
    expect(readUnsettledNote(definition('policy', 'unsettled'))).toBeUndefined();
    expect(unsettledNote(acme, []).visibility.tagsDisabled).toBe(true);
  });

  it('of another version of the hub costs what it cannot read, not the start', () => {
    const body = Buffer.from(
      JSON.stringify([change(eu, us), { type: 'other' }, null, 7, { type: 'definition' }]),
    );
    expect(readUnsettledNote({ ...unsettledNote(acme, []), body })).toHaveLength(1);
    const damaged = { ...unsettledNote(acme, []), body: Buffer.from('[{') };
    expect(readUnsettledNote(damaged)).toEqual([]);
  });
});
