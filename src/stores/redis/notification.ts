import { createHash } from 'node:crypto';
import { type KeyEvent, parseKeyEvent } from '../../domain/key-event.js';
import { looksHashed } from '../../domain/key-hash.js';
import type { ControlPlaneSignal } from '../../ports/control-plane-signals.js';

/** Where gateways and the dashboard of the control plane tell each other what they did. */
export const notificationChannel = 'tyk.cluster.notifications';

export interface NotificationSettings {
  /** Secret. Empty: signatures are not looked at. */
  readonly nodeSecret: string;
}

export type NotificationReading =
  | { readonly signals: readonly ControlPlaneSignal[] }
  /** Nothing for us; `refused`: the signature is not right; `unknown`: no command of ours. */
  | { readonly nothing: 'ignored' | 'malformed' | 'refused' | 'unknown'; readonly command: string };

const ignored: NotificationReading = { nothing: 'ignored', command: '' };
/** Go writes `command` first. Every gateway says `NoticeGatewayDRLNotification` every two seconds. */
const bulkStart = '{"command":"Notice';
const sha256Algorithm = 5;

/**
 * One message of the channel: JSON `{"command","payload","signature","algorithm"}`. Source: worker-rpc
 * reference, 6.3.
 */
export function readNotification(text: string, settings: NotificationSettings): NotificationReading {
  if (text.startsWith(bulkStart)) return ignored;
  const message = objectOf(text);
  const command = message?.['command'];
  const payload = message?.['payload'] ?? '';
  if (typeof command !== 'string' || typeof payload !== 'string') {
    return { nothing: 'malformed', command: '' };
  }
  if (command.startsWith('Notice') || command === 'OAuthPurgeLapsedTokens') return ignored;
  if (settings.nodeSecret !== '' && !isSigned(message ?? {}, command + payload, settings.nodeSecret)) {
    return { nothing: 'refused', command };
  }
  switch (command) {
    case 'ApiUpdated':
    case 'ApiAdded':
    case 'ApiRemoved':
    case 'PolicyChanged':
    case 'GroupReload':
    case 'ClientIdPChanged':
      return { signals: [{ type: 'catalog', reason: command }] };
    case 'KeySpaceUpdateNotification':
      return keySignals(payload.split(',').map((one) => eventOfKey(one.trim())));
    case 'DeleteAPICache':
    case 'InvalidateJWKSCacheForAPI':
      return keySignals([parseKeyEvent(payload.endsWith(`:${command}`) ? payload : `${payload}:${command}`)]);
    case 'UserKeyReset':
      return keySignals([parseKeyEvent(payload)].filter((event) => event?.kind === 'user-key-reset'));
    default:
      return { nothing: 'unknown', command };
  }
}

/**
 * An entry of KeySpaceUpdateNotification: what a worker says is a whole event; what a gateway of the control
 * plane says is the bare key, or its bare hash, without a mark of which of the two it is.
 */
function eventOfKey(text: string): KeyEvent | undefined {
  const event = parseKeyEvent(text);
  if (event?.kind !== 'key-changed' || event.hashed) return event;
  return { ...event, hashed: looksHashed(event.key) };
}

function keySignals(events: readonly (KeyEvent | undefined)[]): NotificationReading {
  return {
    signals: events
      .filter((event) => event !== undefined)
      .map((event) => ({ type: 'key', event, organisation: undefined })),
  };
}

function isSigned(message: Readonly<Record<string, unknown>>, signed: string, nodeSecret: string): boolean {
  if (message['algorithm'] !== sha256Algorithm) return false;
  const expected = createHash('sha256')
    .update(signed + nodeSecret, 'utf8')
    .digest('hex');
  return message['signature'] === expected;
}

export function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
