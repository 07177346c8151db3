import { beforeEach, describe, expect, it } from 'vitest';
import { type OrganisationId, organisationId } from '../../../src/domain/identifiers.js';
import { formatKeyEvent, type KeyEvent, parseKeyEvent } from '../../../src/domain/key-event.js';
import { hashKey } from '../../../src/domain/key-hash.js';
import { customKeyToken } from '../../../src/domain/key-token.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { KeyOwners } from '../../../src/hub/keyspace/key-owners.js';
import { KeySignals } from '../../../src/hub/keyspace/key-signals.js';
import type { LookDepth } from '../../../src/hub/keyspace/look-through.js';
import type { ControlPlaneSignal } from '../../../src/ports/control-plane-signals.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { type RecordingMetrics, recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const orgA = organisationId('5e9d9544a1dcd60001d0ed20');
const orgB = organisationId('5e9d9544a1dcd60001d0ed21');
const hash = 'ef13efcd';

let clock: FakeClock;
let store: MemoryKeyStore;
let changeLog: MemoryChangeLog;
let owners: KeyOwners;
let log: RecordingLog;
let metrics: RecordingMetrics;
let signals: KeySignals;
let listener: (signal: ControlPlaneSignal) => void;
let reloads: number;
let invalidated: string[];
let marks: (readonly [OrganisationId | undefined, LookDepth, string])[];

beforeEach(() => setUp());

async function setUp({ hashKeys = true, survey = false, waitingMax = 1_000 } = {}) {
  clock = new FakeClock();
  store = new MemoryKeyStore(clock);
  changeLog = new MemoryChangeLog({ clock });
  log = new RecordingLog();
  metrics = recordingMetrics();
  reloads = 0;
  invalidated = [];
  marks = [];
  owners = new KeyOwners({ store, clock, log, metrics: recordingMetrics(), random: () => 0 });
  if (survey) await owners.start();
  signals = new KeySignals(
    {
      signals: {
        subscribe: (onSignal) => {
          listener = onSignal;
          return () => {};
        },
      },
      ...{ store, changeLog, owners, clock, log, hashKeys },
      metrics,
      random: () => 0,
      organisations: () => [orgA, orgB].map((id) => ({ id, name: id, hybridEnabled: true })),
      ownerOfApi: (api) => ({ 'api-a': orgA, 'api-b': orgB })[api],
      ownerOfUserKey: (key) => ({ 'user-a': orgA, 'user-b': orgB })[key],
      reloadCatalog: () => {
        reloads += 1;
      },
      mark: async (organisation, depth, reason) => {
        marks.push([organisation, depth, reason]);
      },
      invalidate: (name) => invalidated.push(name),
    },
    waitingMax,
  );
  await signals.start();
}

const put = (id: string, organisation: string | undefined) =>
  store.put(`apikey-${id}`, Buffer.from(JSON.stringify({ org_id: organisation })), undefined);
const hear = (text: string, organisation?: OrganisationId) => {
  const event = parseKeyEvent(text);
  if (event === undefined) throw new Error(text);
  listener({ type: 'key', event, organisation });
};
const hearEvent = (event: KeyEvent) => listener({ type: 'key', event, organisation: undefined });
async function told(): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const organisation of [orgA, orgB]) {
    for (const { body } of await changeLog.read(organisation, 0, 1_000)) {
      if (body.type !== 'key') continue;
      const whose = organisation === orgA ? 'a' : 'b';
      const gone = body.event.kind === 'key-removed' ? ' gone' : '';
      lines.push(`${whose} ${formatKeyEvent(body.event)}${gone}`);
    }
  }
  return lines;
}

describe('a session that changed', () => {
  it('is told to the organisation in it, once for all that announce it', async () => {
    await put(hash, orgA);
    hear(`${hash}:hashed`);
    hear(`${hash}:hashed`, orgB);
    await clock.advanceAsync(20);
    hear(`${hash}:hashed`);
    expect(await told()).toEqual([]);
    await clock.advanceAsync(40);
    expect(await told()).toEqual([`a ${hash}:hashed`]);
    expect(invalidated).toEqual([`apikey-${hash}`]);
  });

  it('is told again after a change that came later, at most once in a second', async () => {
    await put(hash, orgA);
    for (let time = 0; time < 100; time += 1) {
      hear(`${hash}:hashed`);
      await clock.advanceAsync(30);
    }
    const during = (await told()).length;
    expect(during).toBeGreaterThanOrEqual(3);
    expect(during).toBeLessThanOrEqual(4);
    await clock.advanceAsync(2_000);
    expect((await told()).length).toBe(during + 1);
  });

  it('is found under its hash when the signal has the key itself', async () => {
    await put(hashKey('custom'), orgB);
    hear('custom');
    await clock.advanceAsync(100);
    expect(await told()).toEqual([`b ${hashKey('custom')}:hashed`]);
  });

  it('is nobody’s business when nobody can claim it', async () => {
    await put(hash, undefined);
    hear(`${hash}:hashed`, orgA);
    await clock.advanceAsync(100);
    expect(await told()).toEqual([]);
    expect(log.lines).toHaveLength(1);
    expect(JSON.stringify(log.lines)).not.toContain(hash);
  });

  it('is gone for its former owner when another organisation has it now', async () => {
    await put(hash, orgA);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(100);
    await put(hash, orgB);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(2_000);
    expect(await told()).toEqual([`a ${hash}:hashed`, `a ${hash}:hashed gone`, `b ${hash}:hashed`]);
  });
});

describe('a session that is gone', () => {
  it('is told to who was seen to have it, without waiting', async () => {
    await put(hash, orgA);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(60);
    await store.remove([`apikey-${hash}`]);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(60);
    expect(await told()).toEqual([`a ${hash}:hashed`, `a ${hash}:hashed gone`]);
  });

  it('is told as soon as it is gone, also while its last change waits to be told', async () => {
    await put(hash, orgA);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(60);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(60);
    await store.remove([`apikey-${hash}`]);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(60);
    expect(await told()).toEqual([`a ${hash}:hashed`, `a ${hash}:hashed gone`]);
    await clock.advanceAsync(5_000);
    expect(await told()).toHaveLength(2);
  });

  it('is told to who had it before this hub started', async () => {
    await setUp({ survey: true });
    await put(hash, orgB);
    await clock.advanceAsync(3_000);
    await store.remove([`apikey-${hash}`]);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(100);
    expect(await told()).toEqual([`b ${hash}:hashed gone`]);
  });

  it('is told to nobody when nobody knows whose it was', async () => {
    hear(`${hash}:hashed`);
    await clock.advanceAsync(100);
    expect(await told()).toEqual([]);
  });

  it('may say itself whose it was: by its key, or by the signal', async () => {
    await setUp({ hashKeys: false });
    hear(`${orgB}0123456789`);
    hear('custom', orgA);
    await clock.advanceAsync(100);
    expect(await told()).toEqual(['a custom gone', `b ${orgB}0123456789 gone`]);
  });
});

describe('a key that is stored under its hash', () => {
  it.each([true, false])('is told as one, hash_keys being %s', async (hashKeys) => {
    await setUp({ hashKeys });
    await put(hash, orgA);
    hear(`${hash}`);
    await clock.advanceAsync(100);
    expect(await told()).toEqual([`a ${hash}:hashed`]);
  });
});

describe('what may not be repeated', () => {
  it('is told once in a while, and a quota reset together with its key', async () => {
    await put(hash, orgA);
    for (let time = 0; time < 10; time += 1) {
      hear(`${hash}:hashed:resetQuota`);
      hear('user-a.user-c:UserKeyReset');
      await clock.advanceAsync(200);
    }
    expect(await told()).toEqual([
      `a ${hash}:hashed:resetQuota`,
      `a ${hash}:hashed`,
      'a user-a.user-c:UserKeyReset',
    ]);
  });
});

describe('everything else', () => {
  const certificate = 'ab'.repeat(32);

  it.each<[string, readonly string[]]>([
    ['t:api-a:oAuthRevokeToken', ['a t:api-a:oAuthRevokeToken']],
    ['t:api-x:oAuthRevokeToken', []],
    ['api-b:DeleteAPICache', ['b api-b:DeleteAPICache']],
    ['api-b:InvalidateJWKSCacheForAPI', ['b api-b:InvalidateJWKSCacheForAPI']],
    ['api-a:client:secret:revoke_all_tokens', ['a api-a:client:secret:revoke_all_tokens']],
    [`api-a.c.${orgA}:OauthClientAdded`, [`a api-a.c.${orgA}:OauthClientAdded`]],
    [`api-a.c.${orgB}:OauthClientRemoved`, []],
    [`${orgA}${certificate}:CertificateAdded`, [`a ${orgA}${certificate}:CertificateAdded`]],
    [
      `${certificate}:CertificateRemoved`,
      [`a ${certificate}:CertificateRemoved`, `b ${certificate}:CertificateRemoved`],
    ],
    ['user-x.user-b:UserKeyReset', ['b user-x.user-b:UserKeyReset']],
    ['user-x.user-y:UserKeyReset', []],
  ])('%s', async (text, expected) => {
    hear(text);
    await clock.advanceAsync(100);
    expect(await told()).toEqual(expected);
  });

  it('gets the organisation that the wire wants, whatever marks a name has in it', async () => {
    const client = { kind: 'oauth-client-updated', api: 'api-a', organisation: '' } as const;
    hearEvent({ ...client, client: 'c' });
    hearEvent({ ...client, client: 'with.dot' });
    hearEvent({ ...client, client: 'with:colon' });
    await clock.advanceAsync(100);
    expect(await told()).toEqual(
      ['c', 'with.dot', 'with:colon'].map((id) => `a api-a.${id}.${orgA}:OauthClientUpdated`),
    );
  });

  it('reads the catalog once for a burst', async () => {
    for (let time = 0; time < 10; time += 1) listener({ type: 'catalog', reason: 'ApiUpdated' });
    listener({ type: 'listening' });
    await clock.advanceAsync(100);
    expect(reloads).toBe(1);
    listener({ type: 'catalog', reason: 'ApiUpdated' });
    await clock.advanceAsync(100);
    expect(reloads).toBe(2);
  });
});

describe('what the look at the store corrects', () => {
  const client = { api: 'api-a', client: 'c', organisation: '' } as const;

  it('tells the last of several signals about one thing, and nothing of the others', async () => {
    hearEvent({ kind: 'oauth-client-updated', ...client });
    hearEvent({ kind: 'oauth-client-removed', ...client });
    await clock.advanceAsync(100);
    expect(await told()).toEqual([`a api-a.c.${orgA}:OauthClientRemoved`]);
  });

  it('tells of nothing as removed that has come back', async () => {
    await store.put('oauth-data.api-a.oauth-clientid.c', Buffer.from('{}'), undefined);
    await store.put(`cert-raw-${'ab'.repeat(32)}`, Buffer.from('pem'), undefined);
    hearEvent({ kind: 'oauth-client-updated', ...client });
    hearEvent({ kind: 'oauth-client-removed', ...client });
    hear(`${'ab'.repeat(32)}:CertificateRemoved`, orgA);
    await clock.advanceAsync(100);
    expect(await told()).toEqual([
      `a api-a.c.${orgA}:OauthClientUpdated`,
      `a ${'ab'.repeat(32)}:CertificateAdded`,
      `b ${'ab'.repeat(32)}:CertificateAdded`,
    ]);
  });

  it('finds a key that somebody chose wherever it stands, before it is told as gone', async () => {
    const custom = customKeyToken(orgB, 'alice', 'murmur64');
    await put(hashKey(custom), orgB);
    await put(hashKey('deadbeef'), orgA);
    hear('alice', orgB);
    hear('deadbeef:hashed');
    await clock.advanceAsync(100);
    expect(await told()).toEqual([`a ${hashKey('deadbeef')}:hashed`, `b ${hashKey(custom)}:hashed`]);
  });

  it('takes the reading that there is, and counts what has none', async () => {
    const alternatives = [
      { kind: 'oauth-client-removed', api: 'api-a', client: 'b.c', organisation: '' } as const,
    ];
    const event = { kind: 'oauth-client-removed', api: 'api-a.b', client: 'c', organisation: '' } as const;
    listener({ type: 'key', event, alternatives, organisation: undefined });
    hearEvent({ kind: 'oauth-client-removed', api: 'nobody', client: 'c', organisation: '' });
    hearEvent({ kind: 'key-removed', key: 'abcdefabcdefabcdefabcdef-by-chance', hashed: false });
    await clock.advanceAsync(100);
    expect(await told()).toEqual([`a api-a.b.c.${orgA}:OauthClientRemoved`]);
    expect(metrics.value('causeway_key_events_unowned_total', { kind: 'oauth-client-removed' })).toBe(1);
    expect(metrics.value('causeway_key_events_unowned_total', { kind: 'key-removed' })).toBe(1);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'warn']);
  });
});

describe('a store that is away', () => {
  it('keeps the events waiting, and they are told when it is back', async () => {
    await put(hash, orgA);
    const original = store.getMany.bind(store);
    store.getMany = () => Promise.reject(new CausewayError('STORE_UNAVAILABLE', 'away'));
    hear(`${hash}:hashed`);
    await clock.advanceAsync(30_000);
    expect(await told()).toEqual([]);
    store.getMany = original;
    await clock.advanceAsync(10_000);
    expect(await told()).toEqual([`a ${hash}:hashed`]);
  });

  it('loses nothing when the change log is away', async () => {
    await put(hash, orgA);
    const original = changeLog.append.bind(changeLog);
    changeLog.append = () => Promise.reject(new CausewayError('STORE_UNAVAILABLE', 'away'));
    hear(`${hash}:hashed`);
    hear('t:api-a:oAuthRevokeToken');
    await clock.advanceAsync(10_000);
    changeLog.append = original;
    await clock.advanceAsync(10_000);
    expect([...(await told())].sort()).toEqual([`a ${hash}:hashed`, 'a t:api-a:oAuthRevokeToken']);
    await signals.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('what was not heard or not taken', () => {
  const marked = () => marks.map(([organisation, depth]) => [organisation ?? 'all', depth]);

  it('at the start is looked for in the log, and after an interruption everywhere', async () => {
    listener({ type: 'listening' });
    listener({ type: 'listening' });
    expect(marked()).toEqual([
      ['all', 'removals'],
      ['all', 'everything'],
    ]);
  });

  it('is looked for by what was seen, once all has been seen and signals came since', async () => {
    await setUp({ survey: true });
    await put(hash, orgA);
    await clock.advanceAsync(10_000);
    listener({ type: 'listening' });
    hear(`${hash}:hashed`);
    await clock.advanceAsync(1_000);
    listener({ type: 'listening' });
    expect(marked().at(-1)).toEqual(['all', 'changes']);
  });

  it('marks whose keys the bound left out, says so, and tells the others', async () => {
    await setUp({ waitingMax: 2 });
    for (const id of ['first', 'second', 'third', 'fourth']) {
      await put(hashKey(id), orgA);
      hear(`${hashKey(id)}:hashed`, id === 'fourth' ? orgB : undefined);
    }
    expect(marked()).toEqual([
      ['all', 'everything'],
      [orgB, 'everything'],
    ]);
    expect(log.lines.filter(({ level }) => level === 'error').length).toBeGreaterThan(0);
    expect(JSON.stringify(log.lines)).not.toContain(hashKey('third'));
    await clock.advanceAsync(1_000);
    expect(await told()).toHaveLength(2);
  });

  it('marks all when a key is gone that nobody is known to own, and not for one that is there', async () => {
    await put(hash, undefined);
    hear(`${hash}:hashed`);
    await clock.advanceAsync(100);
    expect(marked()).toEqual([]);
    hear('0a0a0a0a:hashed');
    await clock.advanceAsync(100);
    expect(marked()).toEqual([['all', 'removals']]);
  });

  it('is told before the hub ends, or marked when no store answers', async () => {
    await put(hash, orgA);
    hear(`${hash}:hashed`);
    await signals.stop();
    expect([await told(), marked()]).toEqual([[`a ${hash}:hashed`], []]);
    await setUp();
    store.failAlways();
    hear(`${hash}:hashed`);
    await signals.stop();
    expect(marked().at(-1)).toEqual(['all', 'everything']);
  });
});
