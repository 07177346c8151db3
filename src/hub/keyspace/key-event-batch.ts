import type { Change } from '../../domain/change.js';
import { isAtMostOnce, isRevocation, type KeyEvent } from '../../domain/key-event.js';
import { subjectOf } from '../../domain/key-event-subject.js';

/** One event of a batch, with the place it has in the log. */
export interface BatchEvent {
  readonly sequence: number;
  readonly event: KeyEvent;
}

/** The key events among log entries, in their order. */
export function eventsOf(entries: readonly Change[]): readonly BatchEvent[] {
  return entries.flatMap(({ sequence, body }) =>
    body.type === 'key' ? [{ sequence, event: body.event }] : [],
  );
}

/**
 * Events ready to be handed to a zone: the last about each thing, because it says how the thing stands, and of
 * those the revocations first. In this order: a client that was created and is removed again is removed, whichever
 * of the two would go ahead.
 */
export function batchOf(events: readonly BatchEvent[]): readonly BatchEvent[] {
  const last = [...lastBySubject(events).values()].sort((a, b) => a.sequence - b.sequence);
  return [
    ...last.filter(({ event }) => isRevocation(event)),
    ...last.filter(({ event }) => !isRevocation(event)),
  ];
}

/** By what it is about, the event with the highest place in the log. */
export function lastBySubject(events: readonly BatchEvent[]): Map<string, BatchEvent> {
  const last = new Map<string, BatchEvent>();
  for (const one of events) {
    const subject = subjectOf(one.event);
    const known = last.get(subject);
    if (known === undefined || known.sequence <= one.sequence) last.set(subject, one);
  }
  return last;
}

/**
 * How many of the entries one answer can carry. A gateway does not handle an answer in its order but kind by kind:
 * clients first, then the revocations of all tokens of a client, of which it keeps one for each client id. So a
 * client that is removed after its tokens were revoked would be gone when its secret is to be compared, and the
 * tokens would live on; it waits for the next answer. Source: TykTechnologies/tyk gateway/rpc_storage_handler.go,
 * ProcessKeySpaceChanges.
 */
export function entriesOfOneAnswer(entries: readonly Change[]): number {
  const answer = new AnswerSoFar();
  for (const [index, { body }] of entries.entries()) {
    if (body.type !== 'key') continue;
    if (!answer.hasRoomFor(body.event)) return index;
    answer.add(body.event);
  }
  return entries.length;
}

/** What of a batch may be handed out a second time. */
export function repeatable(events: readonly BatchEvent[]): readonly BatchEvent[] {
  return events.filter(({ event }) => !isAtMostOnce(event));
}

/** What an answer holds that cannot be told together with something else. */
export class AnswerSoFar {
  /** By client id, of which API and with which secret all tokens are revoked. */
  readonly #revokedClients = new Map<string, KeyEvent & { kind: 'oauth-tokens-revoked' }>();
  /** By token, of which API. */
  readonly #revokedTokens = new Map<string, string>();

  hasRoomFor(event: KeyEvent): boolean {
    switch (event.kind) {
      case 'oauth-client-added':
      case 'oauth-client-updated':
      case 'oauth-client-removed':
        return this.#revokedClients.get(event.client)?.api !== event.api;
      case 'oauth-tokens-revoked': {
        const other = this.#revokedClients.get(event.client);
        return other === undefined || subjectOf(other) === subjectOf(event);
      }
      case 'oauth-token-revoked':
        return (this.#revokedTokens.get(event.token) ?? event.api) === event.api;
      default:
        return true;
    }
  }

  add(event: KeyEvent): void {
    if (event.kind === 'oauth-tokens-revoked') this.#revokedClients.set(event.client, event);
    if (event.kind === 'oauth-token-revoked') this.#revokedTokens.set(event.token, event.api);
  }
}
