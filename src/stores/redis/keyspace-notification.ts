import type { KeyEvent } from '../../domain/key-event.js';
import { looksHashed } from '../../domain/key-hash.js';
import { type OauthReading, parseKeyName } from '../../domain/key-names.js';
import type { ControlPlaneSignal } from '../../ports/control-plane-signals.js';

const told = ['set', 'del', 'expired', 'evicted'] as const;

/** Channels on which a server tells what happened to its keys, if `notify-keyspace-events` is on there. */
export function keyspaceChannels(database: number): readonly string[] {
  return told.map((event) => `__keyevent@${database}__:${event}`);
}

/**
 * `name`: the key that it happened to. Undefined: none that workers hold a copy of. What looks like a hash is told as
 * one whatever the configuration says: the event has to be spelt as the store has the name, and for a key that
 * happens to look like one it comes to the same name at the worker.
 */
export function readKeyspaceNotification(channel: string, name: string): ControlPlaneSignal | undefined {
  // Before anything else: counters and lists of gateways are the bulk.
  if (!/^(?:apikey-|cert-raw-|oauth-data\.)/.test(name)) return undefined;
  const happened = channel.slice(channel.indexOf(':') + 1);
  const [event, ...alternatives] = eventsOf(name, happened === 'set', happened === 'del');
  if (event === undefined) return undefined;
  const others = alternatives.length === 0 ? {} : { alternatives };
  return { type: 'key', event, ...others, organisation: undefined };
}

/** All that the name can be about; none: nothing that workers hold a copy of. */
function eventsOf(name: string, written: boolean, removed: boolean): readonly KeyEvent[] {
  const parsed = parseKeyName(name);
  switch (parsed.kind) {
    case 'session': {
      const hashed = looksHashed(parsed.id);
      return [{ kind: written ? 'key-changed' : 'key-removed', key: parsed.id, hashed }];
    }
    case 'certificate':
      return [{ kind: written ? 'certificate-added' : 'certificate-removed', certificate: parsed.id }];
    case 'oauth':
      return parsed.readings.flatMap((reading) => oauthEventOf(reading, written, removed) ?? []);
    default:
      return [];
  }
}

/** Tokens run out at the worker by themselves, and new ones are fetched when they are used. */
function oauthEventOf(
  { api, item, id }: OauthReading,
  written: boolean,
  removed: boolean,
): KeyEvent | undefined {
  if (item === 'clientid') {
    const kind = written ? 'oauth-client-updated' : 'oauth-client-removed';
    // Whose it is has to be found by its API.
    return { kind, api, client: id, organisation: '' };
  }
  if (!removed || item === 'authorize') return undefined;
  const hashed = looksHashed(id);
  return { kind: 'oauth-token-revoked', token: id, hashed, api, scope: item };
}
