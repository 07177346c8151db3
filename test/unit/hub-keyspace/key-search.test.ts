import { beforeEach, describe, expect, test } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { limits } from '../../../src/domain/limits.js';
import { KeyReader } from '../../../src/hub/keyspace/key-reader.js';
import { KeySearch } from '../../../src/hub/keyspace/key-search.js';
import { WorkerTokens } from '../../../src/hub/keyspace/worker-tokens.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { memoryWrites } from '../../memory/memory-writes.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { silentLog } from '../../memory/silent-log.js';

const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
const identity = { organisation, user: { id: 'u', groups: [] } };
const apiOwners = (api: string) => (api === 'own' ? [identity.organisation] : []);

let store: MemoryKeyStore;
let search: KeySearch;
let tokens: WorkerTokens;
let reader: KeyReader;
let changeLog: MemoryChangeLog;

beforeEach(() => {
  const clock = new FakeClock();
  const metrics = recordingMetrics();
  store = new MemoryKeyStore(clock);
  reader = new KeyReader(
    { store, clock, log: silentLog, metrics, obfuscate: () => '', apiOwners },
    { hashKeys: true },
  );
  search = new KeySearch({ store, reader, metrics });
  changeLog = new MemoryChangeLog({ clock });
  const writes = memoryWrites(store, clock, changeLog);
  tokens = new WorkerTokens({ store, writes, clock, reader, apiOwners }, { hashKeys: true });
});

const put = (name: string, value = '{}') => store.put(name, Buffer.from(value), undefined);
const session = (of: string) => JSON.stringify({ org_id: of });
const names = async (pattern: string) =>
  (await search.search(identity, pattern)).map(({ name }) => name).sort();

describe('a search', () => {
  test('finds what the worker may read, with its values', async () => {
    await put('oauth-data.own.oauth-clientid.one', '{"c":1}');
    await put('oauth-data.own.oauth-clientid.two');
    await put('oauth-data.foreign.oauth-clientid.three');
    expect(await search.search(identity, 'oauth-data.own.oauth-clientid.*')).toContainEqual({
      name: 'oauth-data.own.oauth-clientid.one',
      value: Buffer.from('{"c":1}'),
    });
    expect(await names('oauth-data.own.oauth-*')).toHaveLength(2);
    expect(await names('oauth-data.foreign.oauth-clientid.*')).toEqual([]);
  });

  test('shows no session of another organisation', async () => {
    await put('apikey-a1', session(organisation));
    await put('apikey-a2', session('5e9d9544a1dcd60001d0ed99'));
    expect(await names('apikey-a*')).toEqual(['apikey-a1']);
  });

  test('reads more than fits in one call', async () => {
    const count = limits.keysPerCallMax + 5;
    await Promise.all(
      Array.from({ length: count }, (_, index) => put(`apikey-a${index}`, session(organisation))),
    );
    expect(await names('apikey-a*')).toHaveLength(count);
  });

  test('that finds too much is an error', async () => {
    const count = limits.keysFoundMax + 1;
    await Promise.all(Array.from({ length: count }, (_, index) => put(`apikey-a${index}`)));
    await expect(names('apikey-a*')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('that the store fails is an error', async () => {
    store.failAlways();
    await expect(names('apikey-a*')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test.each([
    '',
    '*',
    'a*',
    'apikey-*',
    'apikey-x',
    'apikey-?x*',
    'cert-raw-*',
    'oauth-data.*',
    'oauth-data.a*',
    'analytics-*',
    'quota-*',
  ])('for "%s" is refused', async (pattern) => {
    await expect(names(pattern)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });
});

describe('tokens of old gateways', () => {
  const own = 'oauth-data.own.oauth-access.t';

  test('are written, found at once and removed', async () => {
    expect((await reader.read(identity, [own]))[0]).toBeUndefined();
    expect(await tokens.put(identity, own, Buffer.from('x'), undefined)).toBe(true);
    expect((await reader.read(identity, [own]))[0]?.value.toString()).toBe('x');
    await tokens.remove(identity, [own, 'apikey-1']);
    expect((await reader.read(identity, [own]))[0]).toBeUndefined();
  });

  test('are told as revoked when they were there, and the echoes of the other zones are not', async () => {
    const names = [own, 'oauth-data.own.oauth-refresh.ef13efcd', 'oauth-data.own.oauth-authorize.a'];
    for (const name of names) await put(name);
    for (let times = 0; times < 2; times += 1) await tokens.remove(identity, names);
    expect((await changeLog.read(organisation, 0, 10)).map(({ body }) => body)).toEqual(
      [
        { token: 't', hashed: false, scope: 'access' },
        { token: 'ef13efcd', hashed: true, scope: 'refresh' },
      ].map((one) => ({ type: 'key', event: { kind: 'oauth-token-revoked', api: 'own', ...one } })),
    );
    expect(await store.getMany(names)).toEqual([undefined, undefined, undefined]);
  });

  test.each([
    'oauth-data.own.oauth-clientid.c',
    'oauth-data.foreign.oauth-access.t',
    'apikey-1',
    'cert-raw-1',
    `orgkey.${organisation}`,
    `oauth-data.own.oauth-access.${'x'.repeat(limits.keyNameBytesMax)}`,
  ])('are not %s', async (name) => {
    await put(name.slice(0, 1_000), 'kept');
    expect(await tokens.put(identity, name, Buffer.from('x'), undefined)).toBe(false);
    await tokens.remove(identity, [name]);
    const [stored] = await store.getMany([name.slice(0, 1_000)]);
    expect(stored?.value.toString()).toBe('kept');
  });

  test('are of bounded size', async () => {
    const large = Buffer.alloc(limits.sessionBytesMax + 1);
    expect(await tokens.put(identity, own, large, undefined)).toBe(false);
  });
});
