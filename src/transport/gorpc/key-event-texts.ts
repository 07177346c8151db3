import { type GatewayEra, knowsEvent, readsLastPartAsAction } from '../../domain/gateway-era.js';
import { formatKeyEvent, type KeyEvent } from '../../domain/key-event.js';
import { isSayable, nearestSayable } from './sayable-event.js';

export interface KeyEventTexts {
  readonly texts: readonly string[];
  /** What could not be said as it is, and why: see the metric `causeway_key_events_unsaid_total`. */
  readonly unsaid: readonly { readonly event: KeyEvent; readonly reason: 'form' | 'release' }[];
}

/**
 * Events as a gateway of this age reads them. What it does not know it would take for the name of a key, so it
 * is left out. What its texts have no form for is replaced by what comes nearest. A quota is reset while the event
 * of its key is handled: the two go together.
 */
export function keyEventTexts(
  events: readonly { readonly event: KeyEvent }[],
  era: GatewayEra,
): KeyEventTexts {
  const said: KeyEvent[] = [];
  const unsaid: { event: KeyEvent; reason: 'form' | 'release' }[] = [];
  for (const { event } of events) {
    if (!knowsEvent(era, event.kind)) unsaid.push({ event, reason: 'release' });
    else if (isSayable(event)) said.push(event);
    else {
      unsaid.push({ event, reason: 'form' });
      said.push(...nearestSayable(event).filter(({ kind }) => knowsEvent(era, kind)));
    }
  }
  const texts = withWholeTokens(said).flatMap((event) =>
    event.kind === 'quota-reset' ? quotaResetTexts(event, era) : [formatKeyEvent(event)],
  );
  return { texts: [...new Set(texts)], unsaid };
}

/** Of several texts about one token a gateway heeds only the last: access and refresh make both. */
function withWholeTokens(events: readonly KeyEvent[]): readonly KeyEvent[] {
  const scopes = new Map<string, string>();
  const nameOf = ({ token, api }: { readonly token: string; readonly api: string }) =>
    JSON.stringify([token, api]);
  for (const event of events) {
    if (event.kind !== 'oauth-token-revoked') continue;
    const known = scopes.get(nameOf(event)) ?? event.scope;
    scopes.set(nameOf(event), known === event.scope ? known : 'both');
  }
  return events.map((event) =>
    event.kind === 'oauth-token-revoked' && scopes.get(nameOf(event)) === 'both'
      ? { ...event, scope: 'both' }
      : event,
  );
}

function quotaResetTexts(event: KeyEvent & { kind: 'quota-reset' }, era: GatewayEra): readonly string[] {
  const { key, hashed } = event;
  const changed = formatKeyEvent({ kind: 'key-changed', key, hashed });
  // One text says both from 4.1 on. Before, the second part was the action.
  if (hashed && readsLastPartAsAction(era)) return [formatKeyEvent(event)];
  return [changed, `${key}:resetQuota`];
}
