import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import type { KeyEvent } from '../../../src/domain/key-event.js';
import { IntendedWrites } from '../../../src/hub/keyspace/intended-writes.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { silentLog } from '../../memory/silent-log.js';

const acme = organisationId('acme');
const name = 'apikey-k';
const changed: KeyEvent = { kind: 'key-changed', key: 'k', hashed: false };
const removed: KeyEvent = { kind: 'key-removed', key: 'k', hashed: false };

/** One life of a hub after another over the same disks. */
class Lives {
  readonly clock = new FakeClock();
  readonly metrics = recordingMetrics();
  store = new MemoryKeyStore(this.clock);
  changeLog = new MemoryChangeLog({ clock: this.clock });
  writes = this.#newWrites();

  write(event: KeyEvent, value?: string): Promise<void> {
    return this.writes.write({
      name,
      stored: value === undefined ? undefined : { value: Buffer.from(value), ttlMs: undefined },
      changes: [{ organisation: acme, atMs: 1, body: { type: 'key', event } }],
    });
  }

  async crash(): Promise<void> {
    this.store = this.store.restart();
    this.changeLog = this.changeLog.restart();
    this.writes = this.#newWrites();
    await this.writes.start();
  }

  async told(): Promise<readonly unknown[]> {
    const entries = await this.changeLog.read(acme, 0, 100);
    return entries.map(({ body }) => (body.type === 'key' ? body.event : body));
  }

  async noted(): Promise<number> {
    return (await this.changeLog.intentions()).length;
  }

  #newWrites(): IntendedWrites {
    const { store, changeLog, clock, metrics } = this;
    return new IntendedWrites(
      { store, intentions: changeLog, clock, log: silentLog, metrics, random: () => 0 },
      3,
    );
  }
}

describe('a write that a crash cut short', () => {
  /** What is answered last, and what has happened by then. */
  const cuts = [
    ['before the note', 'changeLog', 'intend', 'before', false, 0],
    ['after the note', 'store', 'remove', 'before', false, 1],
    ['after the store', 'store', 'remove', 'after', true, 1],
    ['before the log', 'changeLog', 'settle', 'before', true, 1],
    ['after the log', 'changeLog', 'settle', 'after', true, 1],
  ] as const;

  it.each(cuts)('%s leaves key and word together', async (_what, where, method, when, isGone, events) => {
    const lives = new Lives();
    await lives.write(changed, 'v');
    lives[where].failNext(undefined, { method, when });
    await expect(lives.write(removed)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await lives.crash();
    await lives.clock.advanceAsync(100);
    expect((await lives.store.getMany([name]))[0] === undefined).toBe(isGone);
    const [, ...after] = await lives.told();
    expect(after).toEqual(Array.from({ length: events }, () => (isGone ? removed : changed)));
    expect(await lives.noted()).toBe(0);
  });
});

describe('a write whose store or log is away', () => {
  it('is told as soon as both answer, without a restart', async () => {
    const lives = new Lives();
    await lives.write(changed, 'v');
    lives.changeLog.failNext(undefined, { method: 'settle', times: 3 });
    await expect(lives.write(removed)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(lives.metrics.value('causeway_key_writes_unannounced', {})).toBe(1);
    lives.store.failAlways();
    await lives.clock.advanceAsync(60_000);
    expect([await lives.noted(), lives.writes.unfinished]).toEqual([1, 1]);
    lives.store.recover();
    await lives.clock.advanceAsync(60_000);
    expect(await lives.told()).toEqual([changed, removed]);
    expect([await lives.noted(), lives.writes.unfinished]).toEqual([0, 0]);
    expect(lives.metrics.value('causeway_key_writes_unannounced', {})).toBe(0);
  });

  it('does not undo what was written since', async () => {
    const lives = new Lives();
    await lives.write(changed, 'old');
    lives.store.failNext(undefined, { method: 'remove' });
    await expect(lives.write(removed)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await lives.write(changed, 'new');
    await lives.clock.advanceAsync(10_000);
    expect((await lives.store.getMany([name]))[0]?.value.toString()).toBe('new');
    expect((await lives.told()).at(-1)).toEqual(changed);
  });

  it('is refused beyond the bound, before anything happens', async () => {
    const lives = new Lives();
    lives.store.failNext(undefined, { method: 'put', times: 3 });
    for (let times = 0; times < 3; times += 1) await lives.write(changed, 'v').catch(() => {});
    await expect(lives.write(changed, 'v')).rejects.toThrow('keyIntentionsMax');
    expect(await lives.noted()).toBe(3);
    expect((await lives.store.getMany([name]))[0]).toBeUndefined();
    await lives.clock.advanceAsync(10_000);
    await lives.write(changed, 'v');
    expect(await lives.noted()).toBe(0);
  });
});

it('a token that is still there was not revoked', async () => {
  const lives = new Lives();
  const event: KeyEvent = {
    ...{ kind: 'oauth-token-revoked', token: 't', hashed: false, api: 'a', scope: 'access' },
  };
  await lives.store.put(name, Buffer.from('v'), undefined);
  lives.store.failNext(undefined, { method: 'remove' });
  await expect(lives.write(event)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await lives.clock.advanceAsync(10_000);
  expect([await lives.told(), await lives.noted()]).toEqual([[], 0]);
});
