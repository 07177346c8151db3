import type { DefinitionChange } from '../../domain/change.js';
import {
  type Definition,
  type DefinitionKey,
  definitionKey,
  sameVisibility,
} from '../../domain/definition.js';
import { placesOf } from '../../domain/definition-places.js';
import type { OrganisationId } from '../../domain/identifiers.js';

/** The definitions in force for one organisation. Immutable; each accepted change makes a new one. */
export interface OrganisationSnapshot {
  readonly organisation: OrganisationId;
  /** Counts accepted changes of this process; names the snapshot for caches. */
  readonly revision: number;
  readonly definitions: ReadonlyMap<DefinitionKey, Definition>;
}

export function emptySnapshot(organisation: OrganisationId): OrganisationSnapshot {
  return { organisation, revision: 0, definitions: new Map() };
}

export interface SnapshotDifference {
  /** New or edited. */
  readonly put: readonly Definition[];
  /** In force before, absent now. */
  readonly removed: readonly Definition[];
}

/** What leads from `current` to `next`. Equal hash and visibility is no difference. */
export function differenceOf(
  current: ReadonlyMap<DefinitionKey, Definition>,
  next: ReadonlyMap<DefinitionKey, Definition>,
): SnapshotDifference {
  const put: Definition[] = [];
  const removed: Definition[] = [];
  for (const [key, definition] of next) {
    const before = current.get(key);
    if (before === undefined || !sameDefinition(before, definition)) put.push(definition);
  }
  for (const [key, definition] of current) {
    if (!next.has(key)) removed.push(definition);
  }
  return { put, removed };
}

export function applyDifference(
  snapshot: OrganisationSnapshot,
  difference: SnapshotDifference,
): OrganisationSnapshot {
  const definitions = new Map(snapshot.definitions);
  for (const definition of difference.removed)
    definitions.delete(definitionKey(definition.kind, definition.id));
  for (const definition of difference.put) {
    definitions.set(definitionKey(definition.kind, definition.id), definition);
  }
  return { organisation: snapshot.organisation, revision: snapshot.revision + 1, definitions };
}

/**
 * The log entries for a difference. What is removed follows directly what takes its place, so that a delivery holds both
 * or neither (a delivery does not end between them: see view-stream.ts); all other removals come last.
 */
export function changesOf(
  current: ReadonlyMap<DefinitionKey, Definition>,
  difference: SnapshotDifference,
): readonly DefinitionChange[] {
  const waiting = new Set(difference.removed);
  const byPlace = new Map<string, Definition[]>();
  for (const definition of difference.removed) {
    for (const place of placesIn(definition)) {
      byPlace.set(place, [...(byPlace.get(place) ?? []), definition]);
    }
  }
  const changes: DefinitionChange[] = [];
  for (const definition of difference.put) {
    changes.push(putOf(definition, current.get(definitionKey(definition.kind, definition.id))));
    if (waiting.size === 0) continue;
    for (const before of placesIn(definition).flatMap((place) => byPlace.get(place) ?? [])) {
      if (waiting.delete(before)) changes.push(removalOf(before));
    }
  }
  return [...changes, ...[...waiting].map(removalOf)];
}

function placesIn(definition: Definition): readonly string[] {
  const { sole, label } = placesOf(definition);
  return label === undefined ? sole : [...sole, label];
}

function putOf(definition: Definition, before: Definition | undefined): DefinitionChange {
  return {
    type: 'definition',
    kind: definition.kind,
    id: definition.id,
    hash: definition.hash,
    before: before?.visibility,
    after: definition.visibility,
  };
}

function removalOf(definition: Definition): DefinitionChange {
  return {
    type: 'definition',
    kind: definition.kind,
    id: definition.id,
    hash: undefined,
    before: definition.visibility,
    after: undefined,
  };
}

function sameDefinition(a: Definition, b: Definition): boolean {
  return a === b || (a.hash === b.hash && sameVisibility(a.visibility, b.visibility));
}
