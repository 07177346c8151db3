import type { Change } from './change.js';
import { type Definition, type DefinitionKey, type DefinitionKind, definitionKey } from './definition.js';
import { isAtMostOnce, type KeyEvent } from './key-event.js';
import { isVisible, type ViewScope } from './view.js';

/** One change as a worker of one view receives it. */
export interface DeliveredChange {
  readonly sequence: number;
  readonly atMs: number;
  readonly body:
    | { readonly type: 'put'; readonly definition: Definition }
    | { readonly type: 'removed'; readonly kind: DefinitionKind; readonly id: string }
    | { readonly type: 'key'; readonly event: KeyEvent };
}

/** What a worker needs not be told again. */
export interface AlreadyKnown {
  /** Its snapshot stands for everything about definitions up to here. */
  readonly definitionsThrough: number;
  /** Events that may be handed out only once were handed out up to here. */
  readonly onceThrough: number;
}

export const nothingKnown: AlreadyKnown = { definitionsThrough: 0, onceThrough: 0 };

/**
 * Picks from consecutive log entries what is a view's business, in order.
 *
 * The log keeps no bytes: a put carries the definition in force. An entry whose hash is no longer in force
 * is left out, because a later entry of the same definition follows and brings what is. A removal is sent
 * whenever the definition leaves the view, also when only its tags changed.
 */
export function selectChanges(
  entries: readonly Change[],
  scope: ViewScope,
  inForce: (key: DefinitionKey) => Definition | undefined,
  known: AlreadyKnown = nothingKnown,
): readonly DeliveredChange[] {
  const selected: DeliveredChange[] = [];
  for (const { sequence, atMs, body } of entries) {
    if (body.type === 'key') {
      if (isAtMostOnce(body.event) && sequence <= known.onceThrough) continue;
      selected.push({ sequence, atMs, body: { type: 'key', event: body.event } });
      continue;
    }
    if (sequence <= known.definitionsThrough) continue;
    const { kind, id, hash, before, after } = body;
    if (after !== undefined && isVisible(kind, after, scope)) {
      const definition = inForce(definitionKey(kind, id));
      if (definition === undefined || definition.hash !== hash) continue;
      selected.push({ sequence, atMs, body: { type: 'put', definition } });
    } else if (before !== undefined && isVisible(kind, before, scope)) {
      selected.push({ sequence, atMs, body: { type: 'removed', kind, id } });
    }
  }
  return selected;
}
