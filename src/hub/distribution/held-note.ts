import {
  type Definition,
  type DefinitionKey,
  definitionKey,
  definitionKinds,
} from '../../domain/definition.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { makeNote, type NoteId, noteKeyOf, readNote } from './catalog-note.js';

/*
 * What is held stays held until a person says otherwise, also over a restart: of a removal that came in pieces, the
 * pieces that are held may by then be a small part of what is left, and would go through.
 */

const noteId: NoteId = '\u0000held';

export const heldNoteKey: DefinitionKey = noteKeyOf(noteId);

/** A removal that waits, by what it would remove. */
export interface NotedRemoval {
  readonly key: DefinitionKey;
  readonly sinceMs: number;
}

export function heldNote(organisation: OrganisationId, removals: readonly NotedRemoval[]): Definition {
  return makeNote(organisation, noteId, 'removals that are held', removals);
}

/** undefined: an ordinary definition. */
export function readHeldNote(definition: Definition): readonly NotedRemoval[] | undefined {
  return readNote(definition, noteId)?.filter(isNotedRemoval);
}

function isNotedRemoval(value: unknown): value is NotedRemoval {
  if (typeof value !== 'object' || value === null) return false;
  const { key, sinceMs } = value as { readonly key?: unknown; readonly sinceMs?: unknown };
  if (typeof key !== 'string' || typeof sinceMs !== 'number') return false;
  return definitionKinds.some((kind) => key.startsWith(definitionKey(kind, '')));
}
