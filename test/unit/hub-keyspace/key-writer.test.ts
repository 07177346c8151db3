import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { hashKey } from '../../../src/domain/key-hash.js';
import { limits } from '../../../src/domain/limits.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { IntendedWrites } from '../../../src/hub/keyspace/intended-writes.js';
import { KeyWriter, type ListedKey } from '../../../src/hub/keyspace/key-writer.js';
import { sessionForOrganisation } from '../../../src/hub/keyspace/session-document.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const acme = organisationId('acme');
const other = organisationId('other');

function setUp(hashKeys = false) {
  const clock = new FakeClock();
  const store = new MemoryKeyStore(clock);
  const changeLog = new MemoryChangeLog({ clock });
  const metrics = recordingMetrics();
  const log = new RecordingLog();
  const writes = new IntendedWrites({ store, intentions: changeLog, clock, log, metrics, random: () => 0 });
  const writer = new KeyWriter({ store, writes, clock, log, metrics }, { hashKeys });
  const put = (key: string, session: string, organisation = acme) =>
    writer.put(organisation, { key }, Buffer.from(session), undefined);
  const events = async (organisation = acme) =>
    (await changeLog.read(organisation, 0, 100)).map(({ body }) =>
      body.type === 'key' ? body.event : body.kind,
    );
  const stored = async (name: string) => (await store.getMany([name]))[0]?.value.toString('utf8');
  const list = async (organisation = acme, keysMax = 100) => {
    const listed: ListedKey[] = [];
    for await (const one of writer.list(organisation, keysMax)) listed.push(one);
    return listed;
  };
  return { clock, store, changeLog, metrics, log, writer, put, events, stored, list };
}

describe('sessionForOrganisation', () => {
  const make = (text: string) => sessionForOrganisation(Buffer.from(text), acme).toString('utf8');

  it.each([
    ['{}', '{"org_id":"acme"}'],
    [' { } ', ' {"org_id":"acme" } '],
    ['{"quota_max":9007199254740993}', '{"org_id":"acme","quota_max":9007199254740993}'],
    ['{ "a": [1, {"org_id": "x"}] }', '{"org_id":"acme", "a": [1, {"org_id": "x"}] }'],
    ['{"org_id":"acme","n":1e400}', '{"org_id":"acme","n":1e400}'],
    ['{"a":1, "org_id" : "" ,"b":2}', '{"a":1, "org_id" : "acme" ,"b":2}'],
    ['{"s":"ü \\" } \\\\","t":"東京"}', '{"org_id":"acme","s":"ü \\" } \\\\","t":"東京"}'],
  ])('%s becomes %s', (text, expected) => {
    expect(make(text)).toBe(expected);
  });

  it.each([
    '',
    'null',
    '[]',
    '"x"',
    '{',
    '{"a":1}x',
    '\ufeff{}',
    '{"org_id":"other"}',
    '{"org_id":null}',
    '{"org_id":7}',
    '{"ORG_ID":"acme"}',
    '{"org_id":"acme","org_id":"acme"}',
    '{"org_id":"acme","Org_Id":"other"}',
    '{"\\u006frg_id":"other"}',
  ])('refuses %s', (text) => {
    expect(() => make(text)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }));
  });

  it('refuses what is not UTF-8 or too large', () => {
    const notText = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    expect(() => sessionForOrganisation(notText, acme)).toThrow('UTF-8');
    const large = Buffer.from(`{"a":"${'x'.repeat(limits.sessionBytesMax)}"}`);
    expect(() => sessionForOrganisation(large, acme)).toThrow('sessionBytesMax');
  });
});

function onlyNotFound(error: unknown): void {
  expect(error).toMatchObject({ code: 'NOT_FOUND' });
}

describe('KeyWriter', () => {
  it('stores a key and then tells the workers', async () => {
    const { put, stored, events, metrics } = setUp();
    await put('k', '{"rate":5}');
    expect(await stored('apikey-k')).toBe('{"org_id":"acme","rate":5}');
    expect(await events()).toEqual([{ kind: 'key-changed', key: 'k', hashed: false }]);
    expect(await events(other)).toEqual([]);
    expect(metrics.value('causeway_changes_total', { type: 'key' })).toBe(1);
  });

  it('hashes where keys are hashed, and takes a hash as one only when told', async () => {
    const { put, writer, stored, events, list } = setUp(true);
    const hash = hashKey('my-key');
    await put('my-key', '{}');
    await writer.put(acme, { key: hash, hashed: true }, Buffer.from('{"rate":1}'), undefined);
    expect(await stored(`apikey-${hash}`)).toBe('{"org_id":"acme","rate":1}');
    const changed = { kind: 'key-changed', key: hash, hashed: true };
    expect(await events()).toEqual([changed, changed]);
    expect(await list()).toEqual([{ id: hash, hashed: true, remainingTtlMs: undefined }]);
    expect((await writer.get(acme, { key: 'my-key' })).value.toString()).toContain('"rate":1');
  });

  it('keeps the time to live', async () => {
    const { writer, clock } = setUp();
    await writer.put(acme, { key: 'k' }, Buffer.from('{}'), 5_000);
    clock.advance(1_000);
    expect((await writer.get(acme, { key: 'k' })).remainingTtlMs).toBe(4_000);
    clock.advance(4_000);
    await expect(writer.get(acme, { key: 'k' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const ttlMs of [0, -1, 1.5, Number.NaN]) {
      await expect(writer.put(acme, { key: 'k' }, Buffer.from('{}'), ttlMs)).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
      });
    }
  });

  it('does not take over a key of another organisation', async () => {
    const { put, writer, stored, events, list } = setUp();
    await put('k', '{}', other);
    await expect(put('k', '{}')).rejects.toMatchObject({ code: 'OUT_OF_SCOPE' });
    await expect(writer.get(acme, { key: 'k' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(writer.remove(acme, { key: 'k' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await stored('apikey-k')).toBe('{"org_id":"other"}');
    expect([await events(), await list()]).toEqual([[], []]);
  });

  it.each(['', 'with space', 'line\nbreak', 'nul\0', 'a:b'])('refuses the key %j', async (key) => {
    const { put, list } = setUp();
    await expect(put(key, '{}')).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    expect(await list()).toEqual([]);
  });

  it('refuses a hash that is none and a key that is too long', async () => {
    const hashed = setUp(true);
    const plain = setUp(false);
    const notOne = { key: 'my-key', hashed: true };
    await expect(hashed.writer.get(acme, notOne)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    await expect(plain.writer.get(acme, { key: 'ef13efcd', hashed: true })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
    await expect(plain.put('k'.repeat(5_000), '{}')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('removes a key and then tells the workers', async () => {
    const { put, writer, stored, events } = setUp();
    await put('k', '{}');
    await writer.remove(acme, { key: 'k' });
    expect(await stored('apikey-k')).toBeUndefined();
    expect((await events()).at(-1)).toEqual({ kind: 'key-removed', key: 'k', hashed: false });
  });

  it('says that there is nothing to remove, and tells its workers again all the same', async () => {
    const { writer, events } = setUp();
    await expect(writer.remove(acme, { key: 'k' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await events()).toEqual([{ kind: 'key-removed', key: 'k', hashed: false }]);
    expect(await events(other)).toEqual([]);
  });

  it('tells nobody when the store fails', async () => {
    const { put, store, events } = setUp();
    store.failNext(undefined, { method: 'put' });
    await expect(put('k', '{}')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await events()).toEqual([]);
  });

  it('writes over and removes what is damaged in the store, unless its name says that it is another’s', async () => {
    const { put, writer, store, stored, events } = setUp();
    const damaged = new CausewayError('STORE_ITEM_UNREADABLE', 'a stored key is damaged');
    const damage = () => store.failNext(damaged, { method: 'getMany' });
    damage();
    await put('k', '{}');
    expect(await stored('apikey-k')).toBe('{"org_id":"acme"}');
    damage();
    await expect(writer.get(acme, { key: 'k' })).rejects.toMatchObject({ code: 'STORE_ITEM_UNREADABLE' });
    damage();
    await writer.remove(acme, { key: 'k' });
    expect(await stored('apikey-k')).toBeUndefined();
    expect((await events()).at(-1)).toEqual({ kind: 'key-removed', key: 'k', hashed: false });
    const token = Buffer.from('{"org":"other","id":"1","h":"murmur64"}').toString('base64');
    damage();
    await expect(put(token, '{}')).rejects.toMatchObject({ code: 'OUT_OF_SCOPE' });
  });

  it('is done only when the change log has it', async () => {
    const { put, changeLog, stored } = setUp();
    let done = false;
    let logged = (): void => {};
    const gate = new Promise<void>((resolve) => {
      logged = resolve;
    });
    const settleNow = changeLog.settle.bind(changeLog);
    changeLog.settle = (intention, changes) => gate.then(() => settleNow(intention, changes));
    const writing = put('k', '{}').then(() => {
      done = true;
    });
    await settle();
    expect([await stored('apikey-k'), done]).toEqual(['{"org_id":"acme"}', false]);
    logged();
    await writing;
    expect(done).toBe(true);
  });

  it.each([
    ['the intention cannot be noted', 'changeLog', 'intend', 'before'],
    ['the answer to the intention is lost', 'changeLog', 'intend', 'after'],
    ['the change log fails', 'changeLog', 'settle', 'before'],
    ['the answer of the change log is lost', 'changeLog', 'settle', 'after'],
    ['the answer of the store is lost', 'store', 'remove', 'after'],
    ['the store fails', 'store', 'remove', 'before'],
  ] as const)('heals a removal by repeating it when %s', async (_what, failing, method, when) => {
    const parts = setUp();
    await parts.put('k', '{}');
    parts[failing].failNext(undefined, { method, when });
    await expect(parts.writer.remove(acme, { key: 'k' })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    await parts.writer.remove(acme, { key: 'k' }).catch(onlyNotFound);
    expect(await parts.stored('apikey-k')).toBeUndefined();
    expect((await parts.events()).at(-1)).toEqual({ kind: 'key-removed', key: 'k', hashed: false });
  });

  it('keeps writes of one key in order', async () => {
    const { put, writer, stored, events } = setUp();
    await Promise.all([put('k', '{"n":1}'), writer.remove(acme, { key: 'k' }), put('k', '{"n":2}')]);
    expect(await stored('apikey-k')).toBe('{"org_id":"acme","n":2}');
    expect((await events()).map((event) => (typeof event === 'string' ? event : event.kind))).toEqual([
      'key-changed',
      'key-removed',
      'key-changed',
    ]);
  });

  it('lists at most as many as asked for', async () => {
    const { put, list } = setUp();
    for (let index = 0; index < 12; index += 1) await put(`k${index}`, '{}');
    await put('foreign', '{}', other);
    expect(await list(acme, 5)).toHaveLength(5);
    expect((await list()).map(({ id }) => id)).not.toContain('foreign');
    expect(await list()).toHaveLength(12);
  });
});
