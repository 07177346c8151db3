import { type Definition, type DefinitionKey, definitionKey } from '../../domain/definition.js';
import { hashDefinition } from '../../domain/definition-hash.js';
import type { OrganisationId } from '../../domain/identifiers.js';

/*
 * What a hub has to remember about an organisation's definitions stands beside them in the copy on disk, as an entry
 * like any other under an id that no definition has: so it is written with the same care, and taken back in the same
 * step that saves what it speaks of.
 */

const kind = 'policy';

export type NoteId = `\u0000${string}`;

export function noteKeyOf(id: NoteId): DefinitionKey {
  return definitionKey(kind, id);
}

/** `name` is for people who look into the copy. */
export function makeNote(organisation: OrganisationId, id: NoteId, name: string, says: unknown): Definition {
  const body = Buffer.from(JSON.stringify(says), 'utf8');
  return {
    kind,
    id,
    organisation,
    name,
    hash: hashDefinition('plain', body, undefined),
    visibility: { tags: [], tagsDisabled: true, ownerUsers: [], ownerGroups: [] },
    form: 'plain',
    body,
    oas: undefined,
    source: '',
  };
}

/** The entries of a note; none when it is damaged. Undefined: it is no note of that id. */
export function readNote(definition: Definition, id: NoteId): readonly unknown[] | undefined {
  if (definition.kind !== kind || definition.id !== id) return undefined;
  try {
    const says: unknown = JSON.parse(definition.body.toString('utf8'));
    return Array.isArray(says) ? says : [];
  } catch {
    return [];
  }
}
