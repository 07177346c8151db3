import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { hashKey } from '../../../src/domain/key-hash.js';
import { limits } from '../../../src/domain/limits.js';
import type { WorkerIdentity } from '../../../src/domain/worker.js';
import { KeyReader, type KeyReaderOptions } from '../../../src/hub/keyspace/key-reader.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const orgA = '5e9d9544a1dcd60001d0ed20';
const orgB = '5e9d9544a1dcd60001d0ed21';
const digest = 'ab'.repeat(32);
const identity = (organisation: string): WorkerIdentity => ({
  organisation: organisationId(organisation),
  user: { id: 'u', groups: [] },
});
const a = identity(orgA);
const b = identity(orgB);

/** Counts how the store is asked. */
class CountingKeyStore extends MemoryKeyStore {
  readonly asked: (readonly string[])[] = [];

  override getMany(names: readonly string[]) {
    this.asked.push(names);
    return super.getMany(names);
  }
}

async function setUp(options: Partial<KeyReaderOptions> = {}, entries: Record<string, unknown> = {}) {
  const clock = new FakeClock();
  const store = new CountingKeyStore(clock);
  const metrics = recordingMetrics();
  const log = new RecordingLog();
  const reader = new KeyReader(
    {
      store,
      clock,
      log,
      metrics,
      obfuscate: () => '****',
      apiOwners: (api) => (api.endsWith('-api') ? [organisationId(api.slice(0, -'-api'.length))] : []),
    },
    { hashKeys: false, ...options },
  );
  for (const [name, value] of Object.entries(entries)) {
    await store.put(name, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), undefined);
  }
  const read = async (who: WorkerIdentity, ...names: string[]) =>
    (await reader.read(who, names)).map((stored) => stored?.value.toString('utf8'));
  return { clock, store, metrics, log, reader, read };
}

const session = (organisation: string | undefined, more: object = {}) =>
  JSON.stringify({ ...more, ...(organisation === undefined ? {} : { org_id: organisation }) });

describe('scope', () => {
  const tokenOf = (organisation: string) =>
    Buffer.from(`{"org":"${organisation}","id":"abc","h":"murmur64"}`).toString('base64');

  it.each<[string, string, string, readonly ('a' | 'b')[]]>([
    ['a session', 'apikey-k', session(orgA), ['a']],
    ['a session without organisation, legacy key', `apikey-${orgA}0123`, session(undefined), ['a']],
    ['a session with an empty organisation, token', `apikey-${tokenOf(orgA)}`, session(''), ['a']],
    ['a session that contradicts its key', `apikey-${orgA}0123`, session(orgB), ['b']],
    ['a session that nobody can claim', 'apikey-k', session(undefined), []],
    ['a session with a nested organisation', 'apikey-k', session(undefined, { meta: { org_id: orgA } }), []],
    ['a session with an odd organisation', `apikey-${orgA}0123`, '{"org_id":["x"]}', []],
    ['a value that is no session', `apikey-${orgA}0123`, 'not json', []],
    ['a list', `apikey-${orgA}0123`, `[{"org_id":"${orgA}"}]`, []],
    ['an organisation session', `orgkey.${orgA}`, '{}', ['a']],
    ['a certificate', `cert-raw-${orgA}${digest}`, 'PEM', ['a']],
    ['a shared certificate', `cert-raw-${digest}`, 'PEM', ['a', 'b']],
    ['a certificate of no known form', 'cert-raw-x', 'PEM', []],
    ['an OAuth client', `oauth-data.${orgA}-api.oauth-clientid.c`, '{}', ['a']],
    ['an OAuth token', `oauth-data.${orgA}-api.oauth-access.t`, '{}', ['a']],
    ['an OAuth list', `oauth-data.${orgA}-api.oauth-client-index.${orgA}`, '{}', []],
    ['a counter', `quota-${orgA}`, '7', []],
    ['analytics', 'analytics-tyk-system-analytics', '[]', []],
    ['a certificate index', `cert-${orgA}-index`, '[]', []],
  ])('of %s', async (_what, name, value, allowed) => {
    const { read, metrics } = await setUp({}, { [name]: value });
    const results = { a: await read(a, name), b: await read(b, name) };
    for (const who of ['a', 'b'] as const) {
      expect(results[who]).toEqual([allowed.includes(who) ? value : undefined]);
    }
    expect(metrics.value('causeway_keys_read_total', { result: 'found' })).toBe(allowed.length);
    expect(metrics.value('causeway_keys_read_total', { result: 'denied' })).toBe(2 - allowed.length);
  });

  it('does not even read a name that says it is somebody else’s', async () => {
    const { read, store } = await setUp();
    await read(b, `orgkey.${orgA}`, `cert-raw-${orgA}${digest}`, `oauth-data.${orgA}-api.oauth-clientid.c`);
    expect(store.asked).toEqual([]);
  });

  it('tells log and metric, not the worker, and the log not for ever', async () => {
    const { read, log, metrics } = await setUp({}, { 'apikey-secret-key': session(orgA) });
    for (let attempt = 0; attempt < 100; attempt += 1) {
      expect(await read(b, 'apikey-secret-key')).toEqual(await read(b, 'apikey-nothing'));
    }
    expect(metrics.value('causeway_keys_read_total', { result: 'denied' })).toBe(100);
    expect(log.lines.length).toBeGreaterThan(0);
    expect(log.lines.length).toBeLessThan(20);
    expect(JSON.stringify(log.lines)).not.toContain('secret-key');
  });
});

describe('names without prefix', () => {
  it('are sessions', async () => {
    const { read } = await setUp({}, { 'apikey-k': session(orgA) });
    expect(await read(a, 'k')).toEqual([session(orgA)]);
    expect(await read(b, 'k')).toEqual([undefined]);
  });

  it('are hashed where keys are hashed', async () => {
    const value = session(orgA);
    const { read, store } = await setUp({ hashKeys: true }, { [`apikey-${hashKey('my-key')}`]: value });
    expect(await read(a, 'my-key', hashKey('my-key'), 'other')).toEqual([value, value, undefined]);
    expect(store.asked).toHaveLength(1);
    expect(await read(b, 'my-key')).toEqual([undefined]);
  });

  it('do not prove their organisation to a hash', async () => {
    const { read } = await setUp(
      { hashKeys: true },
      { [`apikey-${hashKey(`${orgA}0123`)}`]: session(undefined) },
    );
    expect(await read(a, `${orgA}0123`)).toEqual([undefined]);
  });
});

describe('read', () => {
  it('answers in order, with repeats, and says how long a key lives', async () => {
    const { reader, store } = await setUp({}, { 'apikey-1': session(orgA), 'apikey-3': session(orgB) });
    await store.put('apikey-2', Buffer.from(session(orgA)), 5_000);
    const found = await reader.read(a, ['apikey-2', 'apikey-3', 'apikey-1', 'apikey-2', '']);
    expect(found.map((stored) => stored?.remainingTtlMs)).toEqual([
      5_000,
      undefined,
      undefined,
      5_000,
      undefined,
    ]);
    expect(found.map((stored) => stored !== undefined)).toEqual([true, false, true, true, false]);
    expect(store.asked).toEqual([['apikey-2', 'apikey-3', 'apikey-1']]);
  });

  it('has bounds', async () => {
    const { read, metrics, store } = await setUp();
    const names = Array.from({ length: limits.keysPerCallMax + 1 }, (_, index) => `apikey-${index}`);
    await expect(read(a, ...names)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(metrics.value('causeway_limit_hits_total', { limit: 'keysPerCallMax' })).toBe(1);
    expect(await read(a, 'k'.repeat(limits.keyNameBytesMax + 1))).toEqual([undefined]);
    expect(store.asked).toEqual([]);
    expect(await read(a, ...names.slice(1))).toHaveLength(limits.keysPerCallMax);
    expect(await read(a)).toEqual([]);
  });

  it('passes on that the store fails, and remembers nothing of it', async () => {
    const { read, store, metrics } = await setUp({}, { 'apikey-k': session(orgA) });
    store.failNext();
    await expect(read(a, 'apikey-k', 'apikey-x')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(metrics.value('causeway_store_errors_total', { store: 'keys' })).toBe(1);
    expect(await read(a, 'apikey-k', 'apikey-x')).toEqual([session(orgA), undefined]);
  });

  it('asks once for what many ask at the same time, and gates each by itself', async () => {
    const { read, store } = await setUp({}, { 'apikey-k': session(orgA) });
    store.pause();
    const all = Promise.all([read(a, 'apikey-k'), read(b, 'apikey-k'), read(a, 'k')]);
    store.resume();
    expect(await all).toEqual([[session(orgA)], [undefined], [session(orgA)]]);
    expect(store.asked).toEqual([['apikey-k']]);
  });
});

describe('what is remembered of a read', () => {
  it('asks the store again, though it said a moment ago that nothing is there', async () => {
    const { read, store } = await setUp();
    await read(a, 'apikey-x');
    await read(a, 'apikey-x');
    expect(store.asked).toHaveLength(2);
  });

  it.each([
    ['by its stored name', false, 'apikey-x'],
    ['by the key', false, 'x'],
    ['by the key where keys are hashed', true, 'x'],
  ])('forgets a name %s', async (_how, hashKeys, name) => {
    const { read, store, reader } = await setUp({ hashKeys });
    expect(await read(a, 'x')).toEqual([undefined]);
    await store.put(hashKeys ? `apikey-${hashKey('x')}` : 'apikey-x', Buffer.from(session(orgA)), undefined);
    reader.invalidate(name);
    expect(await read(a, 'x')).toEqual([session(orgA)]);
  });

  it('learns nothing from a read that began before the event', async () => {
    const { read, store, reader } = await setUp();
    let answer = (): void => {};
    const getMany = store.getMany.bind(store);
    store.getMany = async (names) => {
      const found = await getMany(names);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return found;
    };
    const early = read(a, 'apikey-x');
    await settle();
    store.getMany = getMany;
    await store.put('apikey-x', Buffer.from(session(orgA)), undefined);
    reader.invalidate('apikey-x');
    expect(await read(a, 'apikey-x')).toEqual([session(orgA)]);
    answer();
    expect(await early).toEqual([undefined]);
    expect(await read(a, 'apikey-x')).toEqual([session(orgA)]);
  });

  it('does not remember what is only out of scope', async () => {
    const { read } = await setUp({}, { 'apikey-k': session(orgA) });
    expect(await read(b, 'apikey-k')).toEqual([undefined]);
    expect(await read(a, 'apikey-k')).toEqual([session(orgA)]);
  });
});

describe('certificates with an encrypted private key', () => {
  const vectors = JSON.parse(
    readFileSync(
      new URL('../../fixtures/vectors/encrypted-private-keys.golden.json', import.meta.url),
      'utf8',
    ),
  ) as Record<string, { encrypted: string; clear: string }>;
  const { encrypted, clear } = vectors['pkcs8']!;
  const name = `cert-raw-${orgA}${digest}`;

  it('are answered with the key in clear', async () => {
    const { read } = await setUp({ certificateSecret: 'test-secret' }, { [name]: encrypted });
    expect(await read(a, name)).toEqual([clear]);
    expect(await read(b, name)).toEqual([undefined]);
  });

  it('are not found, with a line that holds no secret, when the secret is wrong', async () => {
    const { read, log, metrics } = await setUp({ certificateSecret: 'wrong-secret' }, { [name]: encrypted });
    for (let time = 0; time < 50; time += 1) expect(await read(a, name)).toEqual([undefined]);
    expect(log.lines).toHaveLength(10);
    expect(log.lines[0]).toMatchObject({ level: 'error', fields: { code: 'STORE_ITEM_UNREADABLE', name } });
    expect(JSON.stringify(log.lines)).not.toContain('wrong-secret');
    expect(metrics.value('causeway_keys_read_total', { result: 'unreadable' })).toBe(50);
  });
});

it('does not ask for the life of a value when nobody wants to know', async () => {
  const { reader, store } = await setUp({}, { 'apikey-k': session(orgA) });
  const asked: unknown[] = [];
  const original = store.getMany.bind(store);
  store.getMany = (names: readonly string[], options?: unknown) => {
    asked.push(options);
    return original(names);
  };
  await Promise.all([
    reader.read(a, ['apikey-k'], { ttl: false }),
    reader.read(a, ['apikey-k'], { ttl: false }),
    reader.read(a, ['apikey-k']),
  ]);
  expect(asked).toMatchObject([{ ttl: false }, { ttl: true }]);
});
