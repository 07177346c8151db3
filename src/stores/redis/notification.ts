import { createHash } from 'node:crypto';
import type { KeyEvent } from '../../domain/key-event.js';
import { keyEventReadings } from '../../domain/key-event-readings.js';
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
/** More pieces of a list than that are not taken for one key. */
const piecesOfOneMax = 4;

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
      return keySignals(readingsOfList(payload));
    case 'DeleteAPICache':
    case 'InvalidateJWKSCacheForAPI': {
      const text = payload.endsWith(`:${command}`) ? payload : `${payload}:${command}`;
      const kind = command === 'DeleteAPICache' ? 'api-cache-flushed' : 'jwks-cache-flushed';
      return keySignals([keyEventReadings(text).filter((event) => event.kind === kind)]);
    }
    case 'UserKeyReset':
      return keySignals([keyEventReadings(payload).filter(({ kind }) => kind === 'user-key-reset')]);
    default:
      return { nothing: 'unknown', command };
  }
}

/**
 * An entry of KeySpaceUpdateNotification: what a worker says is a whole event; what a gateway of the control
 * plane says is the bare key, or its bare hash, without a mark of which of the two it is.
 */
function readingsOfKey(text: string): readonly KeyEvent[] {
  return keyEventReadings(text).map((event) =>
    event.kind !== 'key-changed' || event.hashed ? event : { ...event, hashed: looksHashed(event.key) },
  );
}

/**
 * The texts of a list joined by commas, which nothing escapes. A few of them may be one key with commas in it, so
 * the whole is looked for as well.
 */
function readingsOfList(payload: string): readonly (readonly KeyEvent[])[] {
  const texts = payload
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const [first, ...others] = texts.map((text) => readingsOfKey(text));
  if (first === undefined || others.length === 0 || texts.length > piecesOfOneMax) {
    return first === undefined ? [] : [first, ...others];
  }
  return [[...first, { kind: 'key-changed', key: payload, hashed: false }], ...others];
}

function keySignals(signals: readonly (readonly KeyEvent[])[]): NotificationReading {
  return {
    signals: signals.flatMap(([event, ...alternatives]): ControlPlaneSignal[] => {
      if (event === undefined) return [];
      const others = alternatives.length === 0 ? {} : { alternatives };
      return [{ type: 'key', event, ...others, organisation: undefined }];
    }),
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
