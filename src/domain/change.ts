import type { DefinitionKind, Visibility } from './definition.js';
import type { OrganisationId } from './identifiers.js';
import type { KeyEvent } from './key-event.js';

/**
 * A definition appeared, was edited or went away. The entry carries who could see it before and after,
 * so that each view gets exactly a put, a removal or nothing; the bytes are read from the snapshot.
 */
export interface DefinitionChange {
  readonly type: 'definition';
  readonly kind: DefinitionKind;
  readonly id: string;
  /** Hash after the change; undefined: removed. */
  readonly hash: string | undefined;
  readonly before: Visibility | undefined;
  readonly after: Visibility | undefined;
}

export interface KeySpaceChange {
  readonly type: 'key';
  readonly event: KeyEvent;
}

/** Something that was not there yet: the log gives it its number. */
export interface NewChange {
  readonly organisation: OrganisationId;
  readonly atMs: number;
  readonly body: DefinitionChange | KeySpaceChange;
}

/**
 * One entry of the change log. Sequence numbers count 1, 2, 3... per organisation without a gap.
 */
export interface Change extends NewChange {
  readonly sequence: number;
}
