import { type GatewayEra, knowsEvent, readsLastPartAsAction } from '../../domain/gateway-era.js';
import { formatKeyEvent, type KeyEvent } from '../../domain/key-event.js';

/**
 * Events as a gateway of this age reads them. What it does not know it would take for the name of a key, so it
 * is left out. A quota is reset while the event of its key is handled: the two go together.
 */
export function keyEventTexts(
  events: readonly { readonly event: KeyEvent }[],
  era: GatewayEra,
): readonly string[] {
  const texts = new Set<string>();
  for (const { event } of events) {
    if (!knowsEvent(era, event.kind)) continue;
    if (event.kind === 'quota-reset') for (const text of quotaResetTexts(event, era)) texts.add(text);
    else texts.add(formatKeyEvent(event));
  }
  return [...texts];
}

function quotaResetTexts(event: KeyEvent & { kind: 'quota-reset' }, era: GatewayEra): readonly string[] {
  const { key, hashed } = event;
  const changed = formatKeyEvent({ kind: 'key-changed', key, hashed });
  // One text says both from 4.1 on. Before, the second part was the action.
  if (hashed && readsLastPartAsAction(era)) return [formatKeyEvent(event)];
  return [changed, `${key}:resetQuota`];
}
