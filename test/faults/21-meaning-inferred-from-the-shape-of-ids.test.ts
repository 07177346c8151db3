import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { formatKeyEvent, type KeyEvent, type KeyEventKind } from '../../src/domain/key-event.js';
import { keyEventReadings } from '../../src/domain/key-event-readings.js';
import { parseKeyName } from '../../src/domain/key-names.js';
import type { ControlPlaneSignal } from '../../src/ports/control-plane-signals.js';
import { readKeyspaceNotification } from '../../src/stores/redis/keyspace-notification.js';
import { readNotification } from '../../src/stores/redis/notification.js';
import { messageCodec } from '../../src/transport/grpc/contract.js';
import type { SyncResponseMessage } from '../../src/transport/grpc/messages.js';
import { ProtoFrameEncoder } from '../../src/transport/grpc/proto-frame-encoder.js';
import { keyEffectOf } from '../../src/worker/key-effect.js';
import {
  acme,
  apiDefinition,
  GorpcTestHub,
  groupLogin,
  groupPoll,
  HubDisk,
  other,
  otherApiKey,
  success,
  until,
} from '../integration/gorpc-hub.js';
import { recordingMetrics } from '../memory/recording-metrics.js';

const dotted = 'first-api.sample-ns';
const clientName = `oauth-data.${dotted}.oauth-clientid.c1`;
/** Ids as people, tools and copies of environments choose them. */
const strangeIds = [
  'a.b',
  'a:b',
  'a b',
  'a/b',
  'ä✓',
  'a,b',
  'x.oauth-clientid.y',
  'hashed',
  'k:hashed',
  '[a*?]',
];

class SignalledDisk extends HubDisk {
  say: (signal: ControlPlaneSignal | undefined) => void = () => {};

  override stores() {
    const subscribe = (onSignal: (signal: ControlPlaneSignal) => void) => {
      this.say = (signal) => {
        if (signal !== undefined) onSignal(signal);
      };
      return () => {};
    };
    return { ...super.stores(), signals: { subscribe } };
  }
}

let hub: GorpcTestHub | undefined;
afterEach(async () => {
  await hub?.stop();
  hub = undefined;
});

async function startHub(...apis: readonly string[]): Promise<{ hub: GorpcTestHub; disk: SignalledDisk }> {
  const disk = new SignalledDisk();
  for (const id of apis) disk.catalog.put(apiDefinition(id));
  hub = await GorpcTestHub.start({ disk });
  return { hub, disk };
}

const value = (text: string) => Buffer.from(JSON.stringify({ id: text }));

test('clients of an API are read whatever its id holds, and by its organisation only', async () => {
  const { hub, disk } = await startHub(dotted, ...strangeIds);
  const names = [
    clientName,
    ...strangeIds.flatMap((api) => strangeIds.map((id) => `oauth-data.${api}.oauth-clientid.${id}`)),
  ];
  for (const name of names) await disk.keyStore.put(name, value(name), undefined);
  const own = await hub.loggedIn();
  const foreign = await hub.client();
  success(await foreign.call('LoginWithGroup', groupLogin('zone-b', {}, otherApiKey)));
  for (const name of names) {
    expect(success(await own.call('GetKey', name))).toBe(value(name).toString());
    expect(await foreign.call('GetKey', name)).toHaveProperty('error');
  }
  const found = success(await own.call('GetKeysAndValues', `oauth-data.${dotted}.oauth-clientid.*`));
  expect(found).toMatchObject({ Keys: [clientName] });
});

test('a name that can be read as somebody else’s is nobody’s', async () => {
  const { hub, disk } = await startHub('mine');
  disk.catalog.put({ ...apiDefinition('mine.oauth-clientid.x'), organisation: other });
  await hub.settleCatalog();
  const name = 'oauth-data.mine.oauth-clientid.x.oauth-clientid.c';
  await disk.keyStore.put(name, value('c'), undefined);
  await disk.keyStore.put('oauth-data.mine.oauth-clientid.c', value('mine'), undefined);
  const own = await hub.loggedIn();
  expect(await own.call('GetKey', name)).toHaveProperty('error');
  expect(success(await own.call('GetKey', 'oauth-data.mine.oauth-clientid.c'))).toBe(
    value('mine').toString(),
  );
});

test('what gateways cannot be told is counted, logged once, replaced, and asked to be pushed', async () => {
  const { hub, disk } = await startHub(dotted, 'plain');
  const worker = await hub.loggedIn();
  const poll = async () =>
    ((success(await worker.call('GetGroupKeySpaceUpdate', groupPoll())) ?? []) as string[]).sort();
  const channel = '__keyevent@0__:del';
  const entries = async () =>
    (await disk.changeLog.read(acme, 0, 100)).flatMap(({ body }) =>
      body.type === 'key' ? [body.event] : [],
    );
  disk.say(readKeyspaceNotification(channel, clientName));
  disk.say(readKeyspaceNotification(channel, 'oauth-data.plain.oauth-clientid.c.2'));
  disk.say(readKeyspaceNotification(channel, 'oauth-data.plain.oauth-clientid.c3'));
  await until(async () => (await entries()).length === 3, 'three events');
  // The log has what happened, as it happened.
  expect(await entries()).toMatchObject([
    { kind: 'oauth-client-removed', api: dotted, client: 'c1', organisation: acme },
    { kind: 'oauth-client-removed', api: 'plain', client: 'c.2', organisation: acme },
    { kind: 'oauth-client-removed', api: 'plain', client: 'c3', organisation: acme },
  ]);
  expect(await poll()).toEqual([
    `${dotted}:DeleteAPICache`,
    `plain.c3.${acme}:OauthClientRemoved`,
    'plain:DeleteAPICache',
  ]);
  const labels = { kind: 'oauth-client-removed', reason: 'form' };
  expect(hub.metrics.value('causeway_key_events_unsaid_total', labels)).toBe(2);
  const lines = hub.log.lines.filter(({ message }) => message.includes('cannot be told'));
  expect(lines.map(({ level, fields }) => [level, fields['zone'], fields['kind']])).toEqual([
    ['warn', 'zone-a', 'oauth-client-removed'],
  ]);
  expect(hub.graph.gorpc.fullPushes.all()).toMatchObject([{ zone: 'zone-a', reason: 'unsaid' }]);
});

test('a revoked token whose API cannot be said loses its session instead', async () => {
  const { hub } = await startHub('a:b');
  const worker = await hub.loggedIn();
  success(await worker.call('GetGroupKeySpaceUpdate', groupPoll()));
  await hub.emit({
    kind: 'oauth-token-revoked',
    token: 'ef13efcd',
    hashed: true,
    api: 'a:b',
    scope: 'access',
  });
  expect(success(await worker.call('GetGroupKeySpaceUpdate', groupPoll()))).toEqual(['ef13efcd:hashed']);
});

test('a key that somebody chose is found under the spelling it has, and not told as gone', async () => {
  const { hub, disk } = await startHub();
  // Eight digits look like a hash; the key stands under the hash of them.
  const event = readNotification(
    JSON.stringify({ command: 'KeySpaceUpdateNotification', payload: '12345678' }),
    {
      nodeSecret: '',
    },
  );
  const { hashKey } = await import('../../src/domain/key-hash.js');
  await hub.putSession(`apikey-${hashKey('12345678')}`);
  if ('signals' in event) for (const signal of event.signals) disk.say(signal);
  const entries = async () => await disk.changeLog.read(acme, 0, 100);
  await until(async () => (await entries()).some(({ body }) => body.type === 'key'), 'an event');
  const told = (await entries()).flatMap(({ body }) => (body.type === 'key' ? [body.event] : []));
  expect(told).toEqual([{ kind: 'key-changed', key: hashKey('12345678'), hashed: true }]);
});

const id = fc.oneof(
  fc.constantFrom(...strangeIds),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }),
  fc.string({ unit: fc.constantFrom('a', '.', ':', '#'), minLength: 1, maxLength: 6 }),
);
const event: fc.Arbitrary<KeyEvent> = fc.oneof(
  fc
    .tuple(fc.constantFrom('key-changed', 'key-removed', 'quota-reset'), id, fc.boolean())
    .map(([kind, key, hashed]) => ({ kind, key, hashed }) as KeyEvent),
  fc
    .tuple(fc.constantFrom('oauth-client-added', 'oauth-client-updated', 'oauth-client-removed'), id, id)
    .map(([kind, api, client]) => ({ kind, api, client, organisation: acme }) as KeyEvent),
  fc.tuple(id, id, fc.boolean()).map(
    ([token, api, hashed]): KeyEvent => ({
      kind: 'oauth-token-revoked',
      token,
      hashed,
      api,
      scope: 'both',
    }),
  ),
  fc
    .tuple(id, id, id)
    .map(([api, client, secret]): KeyEvent => ({ kind: 'oauth-tokens-revoked', api, client, secret })),
  fc
    .tuple(fc.constantFrom('certificate-added', 'certificate-removed'), id)
    .map(([kind, certificate]) => ({ kind, certificate }) as KeyEvent),
  fc.tuple(id, id).map(([oldKey, newKey]): KeyEvent => ({ kind: 'user-key-reset', oldKey, newKey })),
);

test('a worker over gRPC is told of any id what happened to it', () => {
  const encoder = new ProtoFrameEncoder(
    { id: 'hub-1', version: 'test', heartbeatIntervalMs: 1_000 },
    recordingMetrics(),
  );
  const codec = messageCodec('SyncResponse');
  fc.assert(
    fc.property(event, (told) => {
      const message = codec.read(encoder.revocation([told])) as SyncResponseMessage;
      const [received] = message.revocation?.keyEvents ?? [];
      if (received === undefined) throw new Error('nothing received');
      const effect = keyEffectOf(received);
      expect(effect.event).toBe(told.kind);
      const names = [...effect.drop, ...effect.fetch, ...effect.dropPrefixes];
      if ('client' in told && told.kind !== 'oauth-tokens-revoked') {
        expect(names).toEqual([`oauth-data.${told.api}.oauth-clientid.${told.client}`]);
      }
      if (told.kind === 'oauth-tokens-revoked')
        expect(names).toContain(`oauth-data.${told.api}.oauth-access.`);
      if (told.kind === 'oauth-token-revoked')
        expect(names).toContain(`oauth-data.${told.api}.oauth-access.${told.token}`);
      if ('certificate' in told) expect(names).toEqual([`cert-raw-${told.certificate}`]);
      if (told.kind === 'key-removed') expect(effect.drop).toEqual([`apikey-${told.key}`]);
      if (told.kind === 'user-key-reset')
        expect(effect.newApiKey).toEqual({ oldKey: told.oldKey, newKey: told.newKey });
    }),
    { numRuns: 500 },
  );
});

test('of every name and text all meanings are found', () => {
  const told = (kind: KeyEventKind) => (kind === 'key-removed' ? 'key-changed' : kind);
  fc.assert(
    fc.property(id, fc.constantFrom('clientid', 'access', 'refresh'), id, (api, item, one) => {
      const parsed = parseKeyName(`oauth-data.${api}.oauth-${item}.${one}`);
      expect(parsed.kind === 'oauth' ? parsed.readings : []).toContainEqual({ api, item, id: one });
    }),
  );
  fc.assert(
    fc.property(
      event.filter(
        (one) => !('key' in one) && !('hashed' in one && !one.hashed && one.token.endsWith('#hashed')),
      ),
      (one) => {
        expect(keyEventReadings(formatKeyEvent(one))).toContainEqual({ ...one, kind: told(one.kind) });
      },
    ),
    { numRuns: 500 },
  );
});
