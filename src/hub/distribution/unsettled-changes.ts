import type { DefinitionChange } from '../../domain/change.js';
import {
  type Definition,
  type DefinitionKey,
  definitionKey,
  definitionKinds,
  sameVisibility,
  type Visibility,
} from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { makeNote, type NoteId, noteKeyOf, readNote } from './catalog-note.js';

/*
 * Workers see a change as soon as it is in memory; the copy on disk has it only after the log has. When the
 * hub dies in between and the operator takes the change back before it starts again, catalog and copy agree:
 * nothing differs, and whoever saw the change would keep it for ever. So the changes of an organisation are
 * noted in the copy before anybody can see them, and what is still noted there at a start is announced again,
 * whatever the catalog says.
 */

const noteId: NoteId = '\u0000unsettled';

export const unsettledNoteKey: DefinitionKey = noteKeyOf(noteId);

export function unsettledNote(
  organisation: OrganisationId,
  changes: readonly DefinitionChange[],
): Definition {
  return makeNote(organisation, noteId, 'changes under way', changes);
}

/** undefined: an ordinary definition. */
export function readUnsettledNote(definition: Definition): readonly DefinitionChange[] | undefined {
  return readNote(definition, noteId)?.filter(isDefinitionChange);
}

/**
 * Entries that settle what is noted: for each visibility that a worker may have seen a definition under, one
 * that leads from there to what is in force now. `announced`: entries for the same definitions that are to be
 * logged anyway.
 */
export function settlingChanges(
  noted: readonly DefinitionChange[],
  inForce: ReadonlyMap<DefinitionKey, Definition>,
  announced: readonly DefinitionChange[],
): readonly DefinitionChange[] {
  const byKey = new Map<DefinitionKey, DefinitionChange[]>();
  const announce = (change: DefinitionChange) => {
    const key = definitionKey(change.kind, change.id);
    byKey.set(key, [...(byKey.get(key) ?? []), change]);
  };
  for (const change of announced) announce(change);
  const settling: DefinitionChange[] = [];
  for (const { kind, id, before, after } of noted) {
    const key = definitionKey(kind, id);
    const now = inForce.get(key);
    for (const seen of [before, after]) {
      if (seen === undefined || byKey.get(key)?.some((change) => reaches(change, seen))) continue;
      const change: DefinitionChange = {
        type: 'definition',
        kind,
        id,
        hash: now?.hash,
        before: seen,
        after: now?.visibility,
      };
      settling.push(change);
      announce(change);
    }
  }
  return settling;
}

/** Every view that sees a definition under `seen` is told of this change. */
function reaches({ before, after }: DefinitionChange, seen: Visibility): boolean {
  return [before, after].some((one) => one !== undefined && sameVisibility(one, seen));
}

function isDefinitionChange(value: unknown): value is DefinitionChange {
  if (!isObject(value) || value['type'] !== 'definition' || typeof value['id'] !== 'string') return false;
  if (!definitionKinds.some((kind) => kind === value['kind'])) return false;
  return [value['before'], value['after']].every((one) => one === undefined || isVisibility(one));
}

function isVisibility(value: unknown): value is Visibility {
  if (!isObject(value) || typeof value['tagsDisabled'] !== 'boolean') return false;
  return [value['tags'], value['ownerUsers'], value['ownerGroups']].every(Array.isArray);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
