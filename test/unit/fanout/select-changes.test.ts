import { describe, expect, it } from 'vitest';
import type { Change } from '../../../src/domain/change.js';
import { type Definition, type DefinitionKey, definitionKey } from '../../../src/domain/definition.js';
import { type AlreadyKnown, nothingKnown, selectChanges } from '../../../src/domain/delivered-change.js';
import type { KeyEvent } from '../../../src/domain/key-event.js';
import type { ViewScope } from '../../../src/domain/view.js';
import { acme, definition, keyChanged, quotaReset } from './fanout-fixture.js';

const eu: ViewScope = { organisation: acme, segmented: true, tags: ['eu'], owner: undefined };
const us: ViewScope = { ...eu, tags: ['us'] };
const all: ViewScope = { ...eu, segmented: false, tags: [] };

/** A log written from the states that one definition went through; undefined: absent. */
function history(...states: readonly (Definition | undefined)[]): readonly Change[] {
  const changes: Change[] = [];
  for (const [index, after] of states.entries()) {
    const before = index === 0 ? undefined : states[index - 1];
    const named = after ?? before;
    if (named === undefined) continue;
    changes.push({
      organisation: acme,
      sequence: changes.length + 1,
      atMs: 0,
      body: {
        type: 'definition',
        kind: named.kind,
        id: named.id,
        hash: after?.hash,
        before: before?.visibility,
        after: after?.visibility,
      },
    });
  }
  return changes;
}

function event(sequence: number, body: KeyEvent): Change {
  return { organisation: acme, sequence, atMs: 0, body: { type: 'key', event: body } };
}

function inForce(...definitions: readonly (Definition | undefined)[]) {
  const byKey = new Map<DefinitionKey, Definition>();
  for (const one of definitions) if (one !== undefined) byKey.set(definitionKey(one.kind, one.id), one);
  return (key: DefinitionKey) => byKey.get(key);
}

/** `+v` for a put of that version, `-` for a removal, the key for an event; with the sequence. */
function shown(
  entries: readonly Change[],
  scope: ViewScope,
  now: ReturnType<typeof inForce>,
  known: AlreadyKnown = nothingKnown,
): readonly string[] {
  return selectChanges(entries, scope, now, known).map(({ sequence, body }) => {
    if (body.type === 'key') return `${sequence} ${'key' in body.event ? body.event.key : '?'}`;
    if (body.type === 'removed') return `${sequence} -`;
    return `${sequence} +${JSON.parse(body.definition.body.toString()).version}`;
  });
}

const a1 = definition('api', 'a', { version: 1, tags: ['eu'] });
const a2 = definition('api', 'a', { version: 2, tags: ['eu'] });
const a2us = definition('api', 'a', { version: 2, tags: ['us'] });
const a3 = definition('api', 'a', { version: 3, tags: ['eu'] });
const untagged = definition('api', 'a', { version: 1 });

describe('selectChanges', () => {
  const table: {
    readonly name: string;
    readonly states: readonly (Definition | undefined)[];
    readonly eu: readonly string[];
    readonly us: readonly string[];
    readonly all?: readonly string[];
  }[] = [
    { name: 'a new one', states: [a1], eu: ['1 +1'], us: [], all: ['1 +1'] },
    { name: 'an edit', states: [a1, a2], eu: ['2 +2'], us: [], all: ['2 +2'] },
    { name: 'edits that follow each other', states: [a1, a2, a3], eu: ['3 +3'], us: [] },
    { name: 'there and back', states: [a1, a2, a1], eu: ['1 +1', '3 +1'], us: [] },
    { name: 'a removal', states: [a1, undefined], eu: ['2 -'], us: [], all: ['2 -'] },
    { name: 'a removal and a return', states: [a1, undefined, a3], eu: ['2 -', '3 +3'], us: [] },
    { name: 'a move', states: [a1, a2us], eu: ['2 -'], us: ['2 +2'], all: ['2 +2'] },
    { name: 'a move and back', states: [a1, a2us, a3], eu: ['2 -', '3 +3'], us: ['3 -'] },
    { name: 'a move after an edit', states: [a1, a2, a2us], eu: ['2 +2', '3 -'], us: ['3 +2'] },
    { name: 'without tags', states: [untagged], eu: [], us: [], all: ['1 +1'] },
    { name: 'losing its tags', states: [a1, untagged], eu: ['1 +1', '2 -'], us: [], all: ['1 +1', '2 +1'] },
  ];
  it.each(table)('$name', ({ states, ...wanted }) => {
    const entries = history(...states);
    const now = inForce(states[states.length - 1]);
    expect(shown(entries, eu, now)).toEqual(wanted.eu);
    expect(shown(entries, us, now)).toEqual(wanted.us);
    if (wanted.all !== undefined) expect(shown(entries, all, now)).toEqual(wanted.all);
  });

  it('brings a worker level wherever the entries are cut into batches, and whenever each is read', () => {
    const states = [a1, a2us, a3, undefined, a2, a2us, a1, untagged, a3];
    for (const scope of [eu, us, all]) {
      for (let cut = 0; cut <= states.length; cut += 1) {
        // The first batch is read while the hub is at `readAt`, the second when all is said.
        for (let readAt = cut; readAt <= states.length; readAt += 1) {
          let held: string | undefined;
          const apply = (changes: ReturnType<typeof selectChanges>) => {
            for (const { body } of changes) {
              if (body.type === 'put') held = body.definition.hash;
              else if (body.type === 'removed') held = undefined;
            }
          };
          const entries = history(...states);
          apply(selectChanges(entries.slice(0, cut), scope, inForce(states[readAt - 1])));
          apply(selectChanges(entries.slice(cut), scope, inForce(a3)));
          expect(held, `cut ${cut}, read at ${readAt}`).toBe(scope === us ? undefined : a3.hash);
        }
      }
    }
  });

  it('leaves out what the snapshot stands for, and keeps key events', () => {
    const entries = [...history(a1, a2, undefined), event(4, keyChanged('k')), event(5, quotaReset('q'))];
    const known = { definitionsThrough: 5, onceThrough: 0 };
    expect(shown(entries, eu, inForce(), known)).toEqual(['4 k', '5 q']);
    expect(shown(entries, eu, inForce(), { ...known, definitionsThrough: 2 })).toEqual(['3 -', '4 k', '5 q']);
  });

  it('leaves out what may be handed out only once and was', () => {
    const entries = [event(1, quotaReset('a')), event(2, keyChanged('k')), event(3, quotaReset('b'))];
    expect(shown(entries, eu, inForce(), { definitionsThrough: 0, onceThrough: 2 })).toEqual(['2 k', '3 b']);
  });
});
