import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/domain/limits.js';
import { RowCatalog } from '../../../src/hub/distribution/row-catalog.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryRows } from '../../memory/memory-rows.js';
import { RecordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

const api = (id: string, more = {}) => ({ api_id: id, org_id: 'org', name: id, proxy: {}, ...more });
const user = { _id: 'u', orgid: 'org', accesskey: 'k', active: true, last_login: 1 };

let clock: FakeClock;
let rows: MemoryRows;
let log: RecordingLog;
let metrics: RecordingMetrics;
let catalog: RowCatalog;
/** The hub's part: loads when it is told to. */
let told: number;

beforeEach(() => {
  clock = new FakeClock();
  rows = new MemoryRows();
  log = new RecordingLog();
  metrics = new RecordingMetrics();
  catalog = new RowCatalog(
    { rows, clock, log, metrics },
    { checkPeriodMs: 5_000, unescapeDots: false, random: () => 0 },
  );
  told = 0;
  rows.put('organisations', 'org', { _id: 'org', owner_name: 'Main', hybrid_enabled: true });
  rows.put('users', 'u', user);
  rows.put('apis', 'a', api('a'));
});

const subscribe = () =>
  catalog.subscribe(() => {
    told += 1;
  });
const load = () => catalog.load(() => []);
const names = async () => (await load()).definitions.map(({ name }) => name);

describe('a period', () => {
  it('finds what nothing told of, once', async () => {
    subscribe();
    await load();
    rows.put('apis', 'a', api('a', { name: 'edited' }));
    await clock.advanceAsync(4_999);
    expect(told).toBe(0);
    await clock.advanceAsync(1);
    expect(told).toBe(1);
    expect(await names()).toEqual(['edited']);
    // What was refreshed to be told is not read again to be loaded.
    expect(rows.handedOver).toEqual([3, 1]);
    await clock.advanceAsync(10_000);
    expect(told).toBe(1);
    expect(rows.handedOver).toEqual([3, 1, 0, 0]);
  });

  it('says nothing of what does not count', async () => {
    subscribe();
    await load();
    rows.put('users', 'u', { ...user, last_login: 2 });
    await clock.advanceAsync(5_000);
    expect(rows.handedOver).toEqual([3, 1]);
    expect(told).toBe(0);
  });

  it('ends with the last subscriber and with stop', async () => {
    const unsubscribe = subscribe();
    await load();
    unsubscribe();
    expect(rows.onChange).toBeUndefined();
    subscribe();
    await catalog.stop(clock.monotonicMs() + 1_000);
    expect(rows.closed).toBe(true);
    await clock.advanceAsync(60_000);
    expect(rows.handedOver).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a poke', () => {
  it('looks at once, many of them together', async () => {
    subscribe();
    await load();
    rows.put('apis', 'b', api('b'));
    for (let count = 0; count < 10; count++) catalog.poke();
    rows.onChange?.();
    await clock.advanceAsync(20);
    expect(told).toBe(1);
    expect(rows.handedOver).toEqual([3, 1]);
    expect(rows.thorough).toEqual([true, false]);
    expect(await names()).toEqual(['a', 'b']);
  });
});

describe('failure', () => {
  it('rejects, is told once, and heals with growing delays', async () => {
    subscribe();
    await load();
    rows.failAlways();
    await clock.advanceAsync(5_000);
    expect(told).toBe(1);
    await expect(load()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(catalog.notReady()).toBe('the store does not answer');
    await clock.advanceAsync(60_000);
    expect(told).toBe(1);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);

    rows.recover();
    rows.put('apis', 'b', api('b'));
    await clock.advanceAsync(15_000);
    expect(told).toBe(2);
    expect(catalog.notReady()).toBeUndefined();
    expect(await names()).toEqual(['a', 'b']);
  });

  it('keeps what was handed over before it failed, and reads only the rest', async () => {
    rows.failNext(new Error('cut off'), { when: 'after' });
    await expect(load()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await names()).toEqual(['a']);
    expect(rows.handedOver).toEqual([3, 0]);
  });
});

describe('rows', () => {
  it('keep their object when they are written again as they were', async () => {
    const [before] = (await load()).definitions;
    rows.put('apis', 'a', { ...api('a'), deleted_at: null });
    const [after] = (await load()).definitions;
    expect(after?.hash).not.toBe(before?.hash);
    rows.put('apis', 'a', api('a'));
    const [again] = (await load()).definitions;
    expect(again?.hash).toBe(before?.hash);
    const [same] = (await load()).definitions;
    expect(same).toBe(again);
  });

  it('of groups add members to them, and raise no alarm whatever they keep', async () => {
    rows.put('user_groups', 'g', { _id: 'g', user_ids: ['u'] });
    rows.put('user_groups', 'h', { name: 'without an id' });
    rows.put('user_groups', 'i', { _id: 'i', users: 'a text' });
    const { users, quarantined } = await load();
    expect(users[0]?.groups).toEqual(['g']);
    expect(quarantined).toEqual([]);
  });

  it('that are too large are quarantined unread, and counted', async () => {
    rows.put('apis', 'large', api('large', { filler: 'x'.repeat(limits.catalogFileBytesMax) }));
    const { quarantined } = await load();
    expect(quarantined[0]?.reason).toContain('catalogFileBytesMax');
  });

  it('with escaped dots are hinted at once', async () => {
    const oas_doc = {
      ...{ openapi: '3.0.3', info: {}, paths: { '/a\\u002eb': {} } },
      'x-tyk-api-gateway': { info: {}, upstream: {}, server: { listenPath: {} } },
    };
    for (const id of ['x', 'y']) rows.put('apis', id, api(id, { is_oas: true, oas_doc }));
    await load();
    const hints = log.lines.filter(({ message }) => message.includes('escape_dots_in_oas_paths'));
    expect(hints).toHaveLength(1);
  });
});
