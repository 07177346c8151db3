import { constants, deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GorpcClient, types40 } from './gorpc-client.js';
import {
  acme,
  apiDefinition,
  apiKey,
  GorpcTestHub,
  groupLogin,
  groupPoll,
  HubDisk,
  keepalive,
  other,
  otherApiKey,
  policy,
  provider,
  success,
  until,
  worker,
} from './gorpc-hub.js';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(options: Parameters<typeof GorpcTestHub.start>[0] = {}): Promise<GorpcTestHub> {
  const hub = await GorpcTestHub.start(options);
  stops.push(() => hub.stop());
  return hub;
}

const key = 'apikey-0123456789abcdef';
const definitionsRequest = (tags: readonly string[] = [], organisation: string = acme) => ({
  struct: 'DefRequest',
  OrgId: organisation,
  Tags: tags,
  LoadOAS: true,
});

describe('sessions', () => {
  let hub: GorpcTestHub;
  beforeEach(async () => {
    hub = await start();
    await hub.putSession(key);
  });

  test('a login on one connection counts for all with the same id, and for no other', async () => {
    const first = await hub.loggedIn();
    const second = await hub.client({ connectionId: first.connectionId, compressed: false });
    const stranger = await hub.client();
    expect(success(await second.call('GetKey', key))).toContain(acme);
    expect(await stranger.call('GetKey', key)).toEqual({ error: 'Access Denied' });
  });

  test('a call that comes before the login waits for it', async () => {
    const early = await hub.client();
    const call = early.call('GetKey', key);
    const login = await hub.client({ connectionId: early.connectionId });
    success(await login.call('LoginWithGroup', groupLogin('zone-a')));
    expect(success(await call)).toContain(acme);
  });

  test('without a login it is refused with the one text that workers understand', async () => {
    const client = await hub.client();
    const methods = [
      client.call('GetKey', key),
      client.call('SetKey', keepalive),
      client.call('GetPolicies', acme),
      client.call('CheckReload', acme),
      client.call('GetGroupKeySpaceUpdate', groupPoll()),
      client.call('PurgeAnalyticsData', '[]'),
      client.call('DeleteKeys', [key]),
    ];
    expect(new Set((await Promise.all(methods)).map((outcome) => JSON.stringify(outcome)))).toEqual(
      new Set([JSON.stringify({ error: 'Access Denied' })]),
    );
    expect(success(await client.call('Ping'))).toBe(true);
    expect(await client.call('Disconnect', groupLogin('zone-a'))).toEqual({ type: '', value: undefined });
  });

  test('a logged-in session never hears it, whatever it asks for', async () => {
    const client = await hub.loggedIn();
    hub.disk.keyStore.failNext();
    const outcomes = await Promise.all([
      client.call('GetKey', key),
      client.call('GetKey', 'apikey-absent'),
      client.call('GetKey', `orgkey.${other}`),
      client.call('GetPolicies', other),
      client.call('CheckReload', other),
      client.call('CheckIdPReload', other),
      client.call('GetApiDefinitions', definitionsRequest([], other)),
      client.call('GetClientIdPs', definitionsRequest([], other)),
      client.call('GetKeySpaceUpdate', other),
      client.call('GetGroupKeySpaceUpdate', groupPoll('zone-b')),
      client.call('GetKeysAndValues', '*'),
      client.call('GetKey', ['not', 'a', 'text']),
      client.call('NoSuchMethod', 'x'),
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toHaveProperty('error');
      expect(outcome).not.toEqual({ error: 'Access Denied' });
    }
  });

  test('refused logins are answered false, also from memory, and good keys stay good', async () => {
    const client = await hub.client();
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await client.call('Login', 'no-such-key')).toEqual({ type: 'bool', value: false });
    }
    expect(success(await client.call('Login', apiKey))).toBe(true);
    hub.disk.catalog.users.push(worker('user-3', 'no-such-key'));
    hub.disk.catalog.announce();
    await until(
      async () => success(await client.call('Login', 'no-such-key')) === true,
      'the key becomes good as soon as there is a user for it',
    );
  });

  test('a storm of logins is answered from memory', async () => {
    const { loads } = hub.disk.catalog;
    const clients = await Promise.all(Array.from({ length: 50 }, () => hub.client()));
    hub.disk.keyStore.failAlways();
    const logins = clients.flatMap((client) =>
      Array.from({ length: 20 }, () => client.call('LoginWithGroup', groupLogin('zone-a'))),
    );
    expect((await Promise.all(logins)).map(success).every((answer) => answer === true)).toBe(true);
    expect(hub.disk.catalog.loads).toBe(loads);
    expect(hub.graph.gorpc.sessions.size).toBe(50);
  });

  test('a change log that hangs keeps nobody out', async () => {
    hub.disk.changeLog.pause();
    const client = await hub.client();
    expect(success(await client.call('LoginWithGroup', groupLogin('zone-z')))).toBe(true);
    expect(success(await client.call('GetKey', key))).toContain(acme);
    hub.disk.changeLog.resume();
  });

  test('another organisation is refused on a connection id that is in use', async () => {
    const client = await hub.loggedIn();
    expect(success(await client.call('LoginWithGroup', groupLogin('zone-a', {}, otherApiKey)))).toBe(false);
    expect(success(await client.call('GetKey', key))).toContain(acme);
  });

  test('a worker whose key was changed goes on for a while; one whose user was removed does not', async () => {
    const client = await hub.loggedIn();
    hub.disk.catalog.users[0] = worker('user-1', 'new-key');
    await hub.settleCatalog();
    expect(success(await client.call('GetKey', key))).toContain(acme);
    expect(success(await client.call('LoginWithGroup', groupLogin('zone-a')))).toBe(true);
    expect(success(await client.call('LoginWithGroup', groupLogin('zone-a', {}, 'new-key')))).toBe(true);
    const stranger = await hub.client();
    expect(success(await stranger.call('LoginWithGroup', groupLogin('zone-a')))).toBe(false);
    hub.disk.catalog.users.shift();
    await hub.settleCatalog();
    expect(await client.call('GetKey', key)).toEqual({ error: 'Access Denied' });
  });

  test('nodes are shown with what they tell, and leave when they say goodbye', async () => {
    const node = { node_id: 'solo-1', node_version: 'v5.8.1', host_details: { Hostname: 'h1', PID: 7 } };
    const client = await hub.loggedIn({ group: 'zone-b', node });
    const shown = () => hub.graph.fleet.byGroup().flatMap(({ nodes }) => nodes.map(({ worker }) => worker));
    expect(shown()).toMatchObject([
      { node: 'solo-1', zone: 'zone-b', version: 'v5.8.1', protocol: 'gorpc', host: { hostname: 'h1' } },
    ]);
    await client.call('Disconnect', groupLogin('zone-b', node));
    expect(shown()).toEqual([]);
    expect(success(await client.call('GetKey', key))).toContain(acme);
  });

  test('gateways that do not describe themselves are shown too', async () => {
    const client = await hub.client({ types: types40 });
    await client.call('LoginWithGroup', { struct: 'GroupLoginRequest', UserKey: apiKey, GroupID: 'old' });
    await client.call('SetKey', keepalive);
    expect(hub.graph.fleet.byGroup()).toMatchObject([{ zone: 'old', nodes: [{ worker: { version: '' } }] }]);
  });

  test('a wish for a full push is noted once for the zone, also when the login is refused at first', async () => {
    const client = await hub.client();
    const wish = { ...groupLogin('zone-a'), ForceSync: true };
    await client.call('LoginWithGroup', { ...wish, UserKey: 'wrong' });
    expect(hub.graph.gorpc.fullPushes.all()).toEqual([]);
    await client.call('LoginWithGroup', groupLogin('zone-a'));
    await client.call('LoginWithGroup', wish);
    expect(hub.graph.gorpc.fullPushes.all()).toMatchObject([
      { organisation: acme, zone: 'zone-a', count: 2 },
    ]);
  });
});

test('a session ends with session_timeout', async () => {
  const hub = await start({ configuration: { session_timeout: 1 } });
  await hub.putSession(key);
  const client = await hub.loggedIn();
  expect(success(await client.call('GetKey', key))).toContain(acme);
  await until(async () => 'error' in (await client.call('GetKey', key)), 'the session ends');
  expect(await client.call('GetKey', key)).toEqual({ error: 'Access Denied' });
  success(await client.call('LoginWithGroup', groupLogin('zone-a')));
  expect(success(await client.call('GetKey', key))).toContain(acme);
});

test('a hub that does not know its users yet holds logins, and remembers no key as bad', async () => {
  const disk = new HubDisk();
  disk.catalog.failAlways();
  const hub = await start({ disk, gorpc: { loginWaitMs: 2_000 } });
  const client = await hub.client();
  const login = client.call('LoginWithGroup', groupLogin('zone-a'));
  await until(() => hub.graph.gorpc.sessions.size === 1, 'the connection is there');
  disk.catalog.recover();
  await hub.settleCatalog();
  expect(success(await login)).toBe(true);
});

test('a hub that never learns of its users answers logins with an error', async () => {
  const disk = new HubDisk();
  disk.catalog.failAlways();
  const hub = await start({ disk });
  const client = await hub.client();
  const outcome = await client.call('LoginWithGroup', groupLogin('zone-a'));
  expect(outcome).toEqual({ error: 'the hub is starting; try again' });
});

describe('the wire', () => {
  let hub: GorpcTestHub;
  beforeEach(async () => {
    hub = await start();
    await hub.putSession(key);
  });

  test.each([true, false])('byte by byte, compressed: %s', async (compressed) => {
    const client = await hub.client({ byteByByte: true, compressed });
    expect(success(await client.call('LoginWithGroup', groupLogin('zone-a')))).toBe(true);
    expect(success(await client.call('GetApiDefinitions', definitionsRequest(['a', 'b'])))).toBe('[]');
    expect(success(await client.call('GetKey', key))).toContain(acme);
  });

  test('calls overtake a long poll, and id 0 is not answered', async () => {
    const client = await hub.loggedIn();
    const poll = client.call('CheckReload', acme);
    client.send(0, 'GetKey', key);
    client.send(0, 'NoSuchMethod', key);
    const answers = await Promise.all(Array.from({ length: 200 }, () => client.call('GetKey', key)));
    expect(answers.every((answer) => 'value' in answer)).toBe(true);
    expect(client.pending).toBe(1);
    expect(success(await poll)).toBe(false);
    expect(client.strays).toBe(0);
  });

  test('types of results are those that the gateway asserts', async () => {
    const client = await hub.loggedIn();
    const counter = { struct: 'InboundData', KeyName: `quota-${acme}`, Expire: 60, Per: 60 };
    const typeOf = async (method: string, argument: Parameters<GorpcClient['call']>[1]) => {
      const outcome = await client.call(method, argument);
      return 'type' in outcome ? outcome.type : outcome.error;
    };
    expect(await typeOf('GetKey', key)).toBe('string');
    expect(await typeOf('GetExp', key)).toBe('int64');
    expect(await typeOf('IncrememntWithExpire', counter)).toBe('int64');
    expect(await typeOf('SetRollingWindow', { ...counter, KeyName: `rate-limit-${acme}` })).toBe('int');
    expect(await typeOf('DeleteKey', key)).toBe('bool');
    expect(await typeOf('GetKeys', `${key}*`)).toBe('[]string');
    expect(await typeOf('GetKeysAndValues', `${key}*`)).toBe('*apidef.KeysValuesPair');
    expect(await typeOf('CheckIdPReload', acme)).toBe('[]string');
    expect(await typeOf('GetGroupKeySpaceUpdate', groupPoll())).toBe('[]string');
    expect(await typeOf('SetKey', keepalive)).toBe('');
    expect(await typeOf('GetExp', 'apikey-none')).toBe('key not found');
  });

  test('what cannot be read ends that connection after a pause, and no other', async () => {
    const good = await hub.loggedIn();
    const bad = await hub.client({ compressed: false, connectionId: good.connectionId });
    bad.write(Buffer.from('05ffffffffff', 'hex'));
    await until(() => bad.closed, 'the connection is closed');
    expect(hub.log.lines.find(({ fields }) => fields['code'] === 'FRAME_INVALID')).toMatchObject({
      level: 'warn',
      fields: { remoteAddress: '127.0.0.1' },
    });
    expect(hub.metrics.value('causeway_connections_refused_total', { reason: 'malformed' })).toBe(1);
    expect(success(await good.call('GetKey', key))).toContain(acme);
    expect(JSON.stringify(hub.log.lines)).not.toContain(good.connectionId);
  });

  test('a bomb is a limit: counted, logged, closed', async () => {
    const bad = await hub.loggedIn();
    const request = bad.encode(1, 'GetKey', '\0'.repeat(60 * 1024 * 1024));
    bad.write(deflateRawSync(request, { level: 9, finishFlush: constants.Z_SYNC_FLUSH }));
    await until(() => bad.closed, 'the connection is closed', 20_000);
    expect(hub.metrics.value('causeway_limit_hits_total', { limit: 'inflateRatioMax' })).toBe(1);
  });

  test('calls that do not fit their method are errors, and a hundred of them the end', async () => {
    const client = await hub.loggedIn();
    expect(await client.call('GetKey', ['a'])).toEqual({
      error: 'gorpc.Dispatcher: unexpected request type for method [.GetKey]: []string. Expected string',
    });
    expect(await client.call('NoDot')).toEqual({ error: 'gorpc.Dispatcher: unknown method [.NoDot]' });
    for (let count = 0; count < 100; count++) client.call('GetPolicies', other);
    await until(() => client.closed, 'the connection is closed');
    expect(hub.metrics.value('causeway_limit_hits_total', { limit: 'gorpcBadCallsMax' })).toBe(1);
  });

  test('a worker that takes no answers is not read on, and costs others nothing', async () => {
    hub.disk.catalog.put(apiDefinition('big', { filler: incompressible(3_000_000) }));
    await hub.settleCatalog();
    const lazy = await hub.loggedIn({ compressed: false });
    lazy.socket.pause();
    for (let count = 0; count < 40; count++) lazy.call('GetApiDefinitions', definitionsRequest());
    const good = await hub.loggedIn();
    for (let count = 0; count < 20; count++) expect(success(await good.call('GetKey', key))).toContain(acme);
    lazy.socket.resume();
    await until(() => lazy.pending === 0, 'it gets all of them once it reads', 20_000);
  });
});

function incompressible(length: number): string {
  let text = '';
  for (let seed = 1; text.length < length; seed = (seed * 48271) % 2147483647) text += seed.toString(36);
  return text;
}

describe('keys', () => {
  let hub: GorpcTestHub;
  beforeEach(async () => {
    hub = await start();
    await hub.putSession(key, { alias: 'x' });
  });

  test('deletes and writes of workers are acknowledged and not executed', async () => {
    const client = await hub.loggedIn();
    expect(success(await client.call('DeleteKey', key))).toBe(true);
    expect(success(await client.call('DeleteRawKey', key))).toBe(true);
    expect(success(await client.call('DeleteKeys', [key]))).toBe(true);
    expect(success(await client.call('DeleteRawKeys', [key]))).toBe(true);
    await client.call('SetKey', {
      struct: 'InboundData',
      KeyName: 'apikey-new',
      SessionState: '{}',
      Timeout: 9,
    });
    await client.call('AppendToSet', { struct: 'InboundData', KeyName: `${acme}-index`, Value: 'v' });
    await client.call('SetKey', keepalive);
    expect(success(await client.call('GetKey', key))).toContain('x');
    const names = ['apikey-new', `${acme}-index`, 'rpc.listener.0000', '0000'];
    expect(await hub.disk.keyStore.getMany(names)).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('gateways up to 4.0 keep their OAuth tokens at the hub, under APIs of their organisation', async () => {
    hub.disk.catalog.put(apiDefinition('api-1'));
    await hub.settleCatalog();
    const own = 'oauth-data.api-1.oauth-access.token';
    const client = 'oauth-data.api-1.oauth-clientid.c1';
    const foreign = 'oauth-data.api-9.oauth-access.token';
    await hub.disk.keyStore.put(client, Buffer.from('{}'), undefined);
    const write = (name: string) => ({
      struct: 'InboundData',
      KeyName: name,
      SessionState: '{"t":1}',
      Timeout: 60,
    });
    const stored = async () =>
      (await hub.disk.keyStore.getMany([own, client, foreign])).map((one) => one?.value.toString());

    const now = await hub.loggedIn();
    success(await now.call('GetApiDefinitions', definitionsRequest()));
    await now.call('SetKey', write(own));
    expect(await stored()).toEqual([undefined, '{}', undefined]);

    const old = await hub.client({ types: types40 });
    await old.call('LoginWithGroup', { struct: 'GroupLoginRequest', UserKey: apiKey, GroupID: 'old' });
    await old.call('GetApiDefinitions', { struct: 'DefRequest', OrgId: acme });
    for (const name of [own, client, foreign]) await old.call('SetKey', write(name));
    expect(await stored()).toEqual(['{"t":1}', '{}', undefined]);
    expect(success(await old.call('GetExp', own))).toBe(60);
    await now.call('DeleteKey', own);
    expect(await stored()).toEqual(['{"t":1}', '{}', undefined]);
    for (const name of [own, client]) expect(success(await old.call('DeleteKey', name))).toBe(true);
    expect(await stored()).toEqual([undefined, '{}', undefined]);
  });

  test('nothing crosses organisations', async () => {
    await hub.disk.keyStore.put('apikey-foreign', Buffer.from(JSON.stringify({ org_id: other })), undefined);
    await hub.disk.keyStore.put(`orgkey.${other}`, Buffer.from('{}'), undefined);
    const client = await hub.loggedIn();
    for (const name of ['apikey-foreign', `orgkey.${other}`]) {
      expect(await client.call('GetKey', name)).toEqual({ error: 'key not found' });
    }
    expect(success(await client.call('GetKeysAndValues', 'apikey-f*'))).toEqual({ Keys: [], Values: [] });
    expect(success(await client.call('GetKeysAndValues', 'apikey-0*'))).toMatchObject({ Keys: [key] });
    expect(
      await client.call('IncrememntWithExpire', { struct: 'InboundData', KeyName: `quota-${other}` }),
    ).toEqual({
      error: 'no such counter',
    });
  });

  test.each(['*', 'apikey-*', 'a*', 'oauth-data.*.oauth-clientid.*', 'apikey-x', 'apikey-[a-z]*'])(
    'a search for %s is refused',
    async (pattern) => {
      const client = await hub.loggedIn();
      expect(await client.call('GetKeysAndValues', pattern)).toEqual({
        error: 'a search needs a fixed beginning and a * at its end',
      });
    },
  );

  test('a store that fails is an error, and not remembered as "not found"', async () => {
    const client = await hub.loggedIn();
    await client.call('GetKey', 'apikey-warm-up');
    hub.disk.keyStore.failNext();
    const outcome = await client.call('GetKey', key);
    expect(outcome).not.toEqual({ error: 'key not found' });
    expect(outcome).toHaveProperty('error');
    expect(success(await client.call('GetKey', key))).toContain(acme);
  });
});

describe('definitions', () => {
  let hub: GorpcTestHub;
  beforeEach(async () => {
    hub = await start();
    hub.disk.catalog.put(
      apiDefinition('plain', { version_data: { versions: { Default: { name: 'Default' } } } }),
      apiDefinition('eu', {}, ['eu']),
      apiDefinition('oas', { is_oas: true }, [], { openapi: '3.0.3' }),
      policy('p1', { quota_max: 'exact' }, '9007199254740993'),
      provider('idp-eu', ['eu']),
      provider('idp-us', ['us']),
    );
    await hub.settleCatalog();
  });

  const list = async (client: GorpcClient, request: Parameters<GorpcClient['call']>[1]) =>
    JSON.parse(String(success(await client.call('GetApiDefinitions', request))));

  test('are nested for gateways since 4.1, flat for older ones, in database form', async () => {
    const client = await hub.loggedIn();
    const nested = await list(client, definitionsRequest());
    expect(nested).toHaveLength(3);
    expect(nested[0]).toEqual({
      api_definition: {
        api_id: 'plain',
        org_id: acme,
        name: 'plain',
        version_data: { versions: { RGVmYXVsdA: undefined, 'RGVmYXVsdA==': { name: 'RGVmYXVsdA==' } } },
      },
      oas: null,
    });
    expect(nested[2].oas).toEqual({ openapi: '3.0.3' });
    const old = await hub.client({ types: types40 });
    await old.call('LoginWithGroup', { struct: 'GroupLoginRequest', UserKey: apiKey, GroupID: 'old' });
    const flat = await list(old, { struct: 'DefRequest', OrgId: acme });
    expect(flat.map((element: { api_id: string }) => element.api_id)).toEqual(['plain', 'eu', 'oas']);
  });

  test('are those of the tags a segmented gateway names', async () => {
    const client = await hub.loggedIn({ node: { node_is_segmented: true, tags: ['eu'] } });
    const eu = await list(client, definitionsRequest(['eu', 'x']));
    expect(eu).toMatchObject([{ api_definition: { api_id: 'eu' } }]);
    const providers = String(success(await client.call('GetClientIdPs', definitionsRequest(['eu']))));
    expect(JSON.parse(providers)).toMatchObject([{ client_idp_id: 'idp-eu' }]);
    expect(await list(client, definitionsRequest(['nothing-has-this']))).toEqual([]);
  });

  test('policies come byte for byte', async () => {
    const client = await hub.loggedIn();
    const policies = String(success(await client.call('GetPolicies', acme)));
    expect(policies).toContain('"quota_max":9007199254740993');
    expect(JSON.parse(policies)).toMatchObject([{ _id: '5f0000000000000000000001', id: 'p1' }]);
  });

  test('fifty gateways cost one encoding', async () => {
    hub.disk.catalog.put(apiDefinition('big', { filler: incompressible(200_000) }));
    await hub.settleCatalog();
    const before = hub.metrics.value('causeway_encodes_total', { what: 'gorpc-definitions' });
    const clients = await Promise.all(Array.from({ length: 50 }, () => hub.loggedIn()));
    const lists = await Promise.all(clients.map((client) => list(client, definitionsRequest())));
    expect(lists.every((one) => one.length === 4)).toBe(true);
    expect(hub.metrics.value('causeway_encodes_total', { what: 'gorpc-definitions' })).toBe(before + 1);
  });

  test('are an error and never an empty list while nothing is known', async () => {
    const disk = new HubDisk();
    const empty = await start({ disk });
    const client = await empty.loggedIn();
    expect(success(await client.call('GetApiDefinitions', definitionsRequest()))).toBe('[]');
    expect(success(await client.call('GetPolicies', acme))).toBe('[]');
    disk.catalog.failAlways();
    await empty.settleCatalog();
    expect(success(await client.call('GetApiDefinitions', definitionsRequest()))).toBe('[]');
  });
});

describe('reloads', () => {
  let hub: GorpcTestHub;
  let client: GorpcClient;
  beforeEach(async () => {
    hub = await start({ gorpc: { pollHoldMs: 1_500 } });
    hub.disk.catalog.put(apiDefinition('eu', {}, ['eu']), apiDefinition('us', {}, ['us']), provider('idp'));
    await hub.settleCatalog();
    client = await hub.loggedIn({ node: { node_is_segmented: true, tags: ['eu'] } });
    await fetchAll(client);
  });

  async function fetchAll(worker: GorpcClient): Promise<void> {
    success(await worker.call('GetPolicies', acme));
    success(await worker.call('GetApiDefinitions', definitionsRequest(['eu'])));
    success(await worker.call('GetClientIdPs', definitionsRequest(['eu'])));
  }

  async function timed<Result>(run: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
    const startedMs = performance.now();
    const result = await run();
    return { result, ms: performance.now() - startedMs };
  }

  test('are held when nothing changes, and when something changes for somebody else', async () => {
    const poll = timed(() => client.call('CheckReload', acme));
    hub.disk.catalog.put(apiDefinition('us', { name: 'edited' }, ['us']));
    await hub.emit({ kind: 'key-changed', key: 'abc', hashed: true });
    const { result, ms } = await poll;
    expect(success(result)).toBe(false);
    expect(ms).toBeGreaterThan(1_400);
  });

  test('are told at once, and not again after the fetch', async () => {
    const poll = timed(() => client.call('CheckReload', acme));
    hub.disk.catalog.put(apiDefinition('eu', { name: 'edited' }, ['eu']));
    const told = await poll;
    expect(success(told.result)).toBe(true);
    expect(told.ms).toBeLessThan(1_000);
    await fetchAll(client);
    expect(success(await client.call('CheckReload', acme))).toBe(false);
  });

  test('are told when the edit came between the fetch and the poll', async () => {
    hub.disk.catalog.put(policy('p2'));
    await hub.settleCatalog();
    expect(success(await client.call('CheckReload', acme))).toBe(true);
  });

  test('are not told twice in a row to a worker that has not fetched yet', async () => {
    hub.disk.catalog.put(apiDefinition('eu', { name: 'one' }, ['eu']));
    await hub.settleCatalog();
    expect(success(await client.call('CheckReload', acme))).toBe(true);
    expect(success(await client.call('CheckReload', acme))).toBe(false);
  });

  test('of providers name them, and only them', async () => {
    const providers = client.call('CheckIdPReload', acme);
    const reload = client.call('CheckReload', acme);
    hub.disk.catalog.put(provider('idp-2'));
    expect(success(await providers)).toEqual(['idp', 'idp-2']);
    expect(success(await reload)).toBe(false);
    success(await client.call('GetClientIdPs', definitionsRequest(['eu'])));
    expect(success(await client.call('CheckIdPReload', acme))).toEqual([]);
  });

  test('are told after a restart of the hub, but only to whom something has changed', async () => {
    const { disk, port } = hub;
    const same = await hub.loggedIn({ node: { node_is_segmented: true, tags: ['us'] } });
    success(await same.call('GetPolicies', acme));
    success(await same.call('GetApiDefinitions', definitionsRequest(['us'])));
    await disk.changeLog.close();
    await hub.stop();
    disk.crash();
    disk.catalog.put(apiDefinition('eu', { name: 'edited while the hub was away' }, ['eu']));

    const next = await start({ disk, port, gorpc: { pollHoldMs: 700 } });
    const tags = (tag: string) => ({ node_is_segmented: true, tags: [tag] });
    const changed = await next.loggedIn({ connectionId: client.connectionId, node: tags('eu') });
    const unchanged = await next.loggedIn({ connectionId: same.connectionId, node: tags('us') });
    const polls = [changed.call('CheckReload', acme), unchanged.call('CheckReload', acme)];
    expect((await Promise.all(polls)).map(success)).toEqual([true, false]);
  });

  test('a connection that closes gives its polls up', async () => {
    client.call('CheckReload', acme);
    client.call('CheckIdPReload', acme);
    await until(async () => 'value' in (await client.call('SetKey', keepalive)), 'the polls are there');
    client.destroy();
    await until(() => hub.graph.gorpc.transport.openConnections === 0, 'the connection is gone');
    hub.disk.catalog.put(apiDefinition('eu', { name: 'edited' }, ['eu']));
    await hub.settleCatalog();
    const again = await hub.client({ connectionId: client.connectionId });
    expect(success(await again.call('CheckReload', acme))).toBe(true);
  });
});

describe('key events', () => {
  let hub: GorpcTestHub;
  beforeEach(async () => {
    hub = await start();
  });

  const poll = async (client: GorpcClient, group = 'zone-a') =>
    success(await client.call('GetGroupKeySpaceUpdate', groupPoll(group)));
  const changed = (name: string) => ({ kind: 'key-changed', key: name, hashed: true }) as const;
  const fed = async (client: GorpcClient, group = 'zone-a') => expect(await poll(client, group)).toEqual([]);

  test('one gateway of the zone gets each batch, another zone gets its own', async () => {
    const [first, second, elsewhere] = await Promise.all([
      hub.loggedIn({ node: { host_details: { Hostname: 'gateway-1' } } }),
      hub.loggedIn({ node: { host_details: { Hostname: 'gateway-2' } } }),
      hub.loggedIn({ group: 'zone-b' }),
    ]);
    await fed(first as GorpcClient);
    await fed(elsewhere as GorpcClient, 'zone-b');
    await hub.emit(changed('a'), changed('b'));
    expect(await poll(first as GorpcClient)).toEqual(['a:hashed', 'b:hashed']);
    expect(await poll(second as GorpcClient)).toEqual([]);
    expect(await poll(first as GorpcClient)).toEqual([]);
    expect(await poll(elsewhere as GorpcClient, 'zone-b')).toEqual(['a:hashed', 'b:hashed']);
  });

  test('nothing is missed from the first key on that a gateway was given', async () => {
    await hub.putSession(key);
    const client = await hub.loggedIn();
    success(await client.call('GetKey', key));
    await hub.emit({ kind: 'key-removed', key: '0123456789abcdef', hashed: true });
    expect(await poll(client)).toEqual(['0123456789abcdef:hashed']);
  });

  test('what went to a connection that died is handed out again, but a quota is not reset again', async () => {
    const client = await hub.loggedIn();
    await fed(client);
    await hub.emit(changed('a'), { kind: 'quota-reset', key: 'b', hashed: true });
    expect(await poll(client)).toEqual(['a:hashed', 'b:hashed:resetQuota']);
    client.destroy();
    await until(() => hub.graph.gorpc.transport.openConnections === 0, 'the connection is gone');
    const again = await hub.client({ connectionId: client.connectionId });
    expect(await poll(again)).toEqual(['a:hashed']);
    expect(await poll(again)).toEqual([]);
  });

  test('they survive a restart of the hub', async () => {
    const client = await hub.loggedIn();
    await fed(client);
    await hub.emit(changed('a'));
    expect(await poll(client)).toEqual(['a:hashed']);
    await hub.emit(changed('b'));
    expect(await poll(client)).toEqual(['b:hashed']);
    const { disk, port } = hub;
    await disk.changeLog.close();
    client.destroy();
    await hub.stop();
    disk.crash();
    const next = await start({ disk, port });
    const again = await next.client({ connectionId: client.connectionId });
    success(await again.call('LoginWithGroup', groupLogin('zone-a')));
    expect(await poll(again)).toEqual(['b:hashed']);
  });

  test('gateways without a group each get all of them, also over their own restart', async () => {
    const node = (Hostname: string) => ({ host_details: { Hostname } });
    const first = await hub.loggedIn({ group: 'ungrouped', node: node('h1') });
    const second = await hub.loggedIn({ group: '', node: node('h2') });
    await fed(first, 'ungrouped');
    await fed(second, 'ungrouped');
    await hub.emit(changed('a'));
    expect(await poll(first, 'ungrouped')).toEqual(['a:hashed']);
    expect(await poll(second, 'ungrouped')).toEqual(['a:hashed']);
    expect(await poll(first, 'ungrouped')).toEqual([]);
    first.destroy();
    await hub.emit(changed('b'));
    const reborn = await hub.loggedIn({ group: 'ungrouped', node: node('h1') });
    expect(await poll(reborn, 'ungrouped')).toEqual(['b:hashed']);
  });

  test('two clusters that share a group id are told apart, and each gets every event', async () => {
    const node = (Hostname: string) => ({ host_details: { Hostname } });
    const east = await hub.loggedIn({ node: node('east-1') });
    const west = await hub.loggedIn({ node: node('west-1') });
    for (let round = 0; round < 4; round++) {
      await hub.emit(changed(`k${round}`));
      expect(await poll(east)).toEqual([`k${round}:hashed`]);
      expect(await poll(west)).toEqual([`k${round}:hashed`]);
    }
    expect(hub.graph.gorpc.feeds.conflicts()).toMatchObject([{ organisation: acme, zone: 'zone-a' }]);
    expect(hub.metrics.value('causeway_zone_clusters', { organisation: acme, zone: 'zone-a' })).toBe(2);
    expect(hub.log.lines.filter(({ message }) => message.includes('several clusters'))).toHaveLength(1);
  });

  test('a gateway hears only of what its release knows', async () => {
    const old = await hub.client({ types: types40 });
    const older = { struct: 'GroupLoginRequest', UserKey: apiKey, GroupID: 'old' };
    success(await old.call('LoginWithGroup', older));
    await old.call('GetApiDefinitions', { struct: 'DefRequest', OrgId: acme });
    const now = await hub.loggedIn();
    await fed(now);
    await fed(old, 'old');
    await hub.emit(
      { kind: 'certificate-added', certificate: 'c1' },
      { kind: 'jwks-cache-flushed', api: 'api-1' },
      { kind: 'quota-reset', key: 'b', hashed: true },
    );
    expect(await poll(now)).toEqual([
      'c1:CertificateAdded',
      'api-1:InvalidateJWKSCacheForAPI',
      'b:hashed:resetQuota',
    ]);
    expect(await poll(old, 'old')).toEqual(['b:hashed', 'b:resetQuota']);
  });

  test('definitions in the log are no events', async () => {
    const client = await hub.loggedIn();
    await fed(client);
    hub.disk.catalog.put(apiDefinition('api-1'), policy('p1'));
    await hub.settleCatalog();
    expect(await poll(client)).toEqual([]);
  });
});

describe('analytics', () => {
  const record = (host: string, organisation: string = acme) => ({
    host,
    org_id: organisation,
    timestamp: '2026-08-21T12:39:47Z',
  });

  test('are durable before they are answered, and only those of the organisation', async () => {
    const hub = await start();
    const client = await hub.loggedIn();
    hub.disk.sink.failAlways();
    const batch = JSON.stringify([record('a'), null, record('b', other), record('c')]);
    expect(await client.call('PurgeAnalyticsData', batch)).toEqual({ type: '', value: undefined });
    expect((await hub.disk.spool.size()).batches).toBe(1);
    hub.disk.sink.recover();
    await until(() => hub.disk.sink.records.length === 2, 'both are stored');
    expect(hub.disk.sink.records.map(({ host }) => host)).toEqual(['a', 'c']);
    expect(await client.call('PurgeAnalyticsData', '{')).toEqual({
      error: 'the batch is not a JSON array of records',
    });
  });

  test('a spool that fails is an error', async () => {
    const hub = await start();
    const client = await hub.loggedIn();
    hub.disk.spool.failAlways();
    expect(await client.call('PurgeAnalyticsData', JSON.stringify([record('a')]))).toEqual({
      error: 'the spool does not answer',
    });
  });

  test('aggregates of pumps are kept as they are', async () => {
    const hub = await start();
    const pump = await hub.client();
    success(await pump.call('Login', apiKey));
    const own = { OrgID: acme, Total: { hits: 1 } };
    await pump.call(
      'PurgeAnalyticsDataAggregated',
      JSON.stringify({ [acme]: own, [other]: { OrgID: other } }),
    );
    await pump.call('PurgeAnalyticsDataMCPAggregated', JSON.stringify({ 'api-1': own, 'api-2': {} }));
    await until(() => hub.disk.sink.aggregates.length === 2, 'both are stored');
    expect(
      hub.disk.sink.aggregates.map(({ kind, payload }) => [kind, JSON.parse(payload.toString())]),
    ).toEqual([
      ['aggregate', { [acme]: own }],
      ['mcp-aggregate', { 'api-1': own }],
    ]);
    expect(
      hub.metrics.value('causeway_analytics_aggregates_total', { kind: 'aggregate', result: 'dropped' }),
    ).toBe(1);
    expect(hub.graph.fleet.size).toBe(0);
  });
});

describe('the end', () => {
  test('answers long polls before it closes, and lets what is under way finish', async () => {
    const hub = await start({ gorpc: { pollHoldMs: 20_000 } });
    await hub.putSession(key);
    const client = await hub.loggedIn();
    const idle = await hub.client({ connectionId: client.connectionId });
    const polls = [client.call('CheckReload', acme), client.call('CheckIdPReload', acme)];
    await until(async () => 'value' in (await client.call('SetKey', keepalive)), 'the polls are there');
    hub.disk.keyStore.pause();
    const slow = await hub.client({ connectionId: client.connectionId });
    const read = slow.call('GetKey', key);
    await slow.call('Ping');
    const stopped = hub.stop();
    expect((await Promise.all(polls)).map(success)).toEqual([false, []]);
    await until(() => client.closed && idle.closed, 'they are closed');
    expect(slow.closed).toBe(false);
    hub.disk.keyStore.resume();
    expect(success(await read)).toContain(acme);
    await stopped;
    await until(() => slow.closed, 'it is closed');
  });
});
