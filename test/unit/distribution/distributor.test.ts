import { beforeEach, describe, expect, it } from 'vitest';
import { definitionKey } from '../../../src/domain/definition.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { storeAway } from '../../memory/memory-store.js';
import {
  acme,
  DistributorFixture,
  definition,
  organisation,
  other,
  several,
  user,
} from './distribution-fixture.js';

const a = definition('api', 'a');
const b = definition('api', 'b');
const c = definition('api', 'c');
const a2 = definition('api', 'a', { version: 2 });

describe('Distributor', () => {
  let hub: DistributorFixture;
  beforeEach(() => {
    hub = new DistributorFixture();
  });

  describe('a load', () => {
    it('makes snapshots and log entries, organisation by organisation', async () => {
      hub.catalog.organisations.push(organisation(other));
      await hub.start(a, b, definition('policy', 'p', { organisation: other }));
      expect(hub.inForce()).toEqual(['a', 'b']);
      expect(hub.inForce(other)).toEqual(['p']);
      expect(await hub.loggedShort()).toEqual(['+a', '+b']);
      expect(await hub.loggedShort(other)).toEqual(['+p']);
      expect(hub.distributor.notReady()).toBeUndefined();
      expect(hub.metrics.value('causeway_catalog_definitions', { organisation: acme, kind: 'api' })).toBe(2);
    });

    it('logs nothing when nothing differs', async () => {
      await hub.start(a, b);
      const before = hub.distributor.snapshotOf(acme);
      hub.catalog.put(definition('api', 'a'));
      await settle();
      expect(await hub.loggedShort()).toHaveLength(2);
      expect(hub.distributor.snapshotOf(acme)).toBe(before);
    });

    it('that fails keeps the last good catalog, and is tried again', async () => {
      await hub.start(a);
      hub.catalog.failAlways(storeAway('disk'));
      await hub.put(b);
      expect(hub.inForce()).toEqual(['a']);
      expect(hub.distributor.notReady()).toContain('does not answer');
      hub.catalog.recover();
      await hub.clock.advanceAsync(500);
      expect(hub.inForce()).toEqual(['a', 'b']);
      expect(hub.distributor.notReady()).toBeUndefined();
      expect(hub.clock.pendingTimers).toBe(0);
    });

    it('is tried ever more rarely, and often again after it worked', async () => {
      hub.catalog.failAlways();
      await hub.start(a);
      await hub.clock.advanceAsync(500 + 1_000 + 2_000);
      expect(hub.catalog.loads).toBe(4);
      await hub.clock.advanceAsync(3_600_000);
      const loads = hub.catalog.loads;
      await hub.clock.advanceAsync(30_000);
      expect(hub.catalog.loads).toBe(loads + 1);
      hub.catalog.recover();
      await hub.distributor.reload();
      hub.catalog.failNext();
      await hub.distributor.reload();
      await hub.clock.advanceAsync(500);
      expect(hub.distributor.notReady()).toBeUndefined();
    });

    it('is not there yet: nothing is in force, and that is not an empty list', async () => {
      hub.catalog.failAlways();
      await hub.start(a);
      expect(hub.distributor.snapshotOf(acme)).toBeUndefined();
      hub.catalog.recover();
      await hub.distributor.reload();
      expect(hub.distributor.snapshotOf(acme)?.definitions.size).toBe(1);
      expect(hub.distributor.snapshotOf(other)?.definitions.size).toBe(0);
    });

    it('puts definitions in force before it lets anybody in', async () => {
      hub.catalogCopy.pause();
      hub.catalog.put(a);
      const started = hub.distributor.start();
      await settle();
      expect(hub.people).toEqual([]);
      expect(hub.distributor.snapshotOf(acme)).toBeUndefined();
      hub.catalogCopy.resume();
      await started;
      expect(hub.people).toHaveLength(1);
    });

    it('answers all calls that come during one with one more', async () => {
      await hub.start(a);
      hub.catalog.pause();
      const first = hub.distributor.reload();
      await settle();
      const others = [1, 2, 3, 4].map(() => hub.distributor.reload());
      hub.catalog.resume();
      await Promise.all([first, ...others]);
      expect(hub.catalog.loads).toBe(3);
    });

    it('is never forgotten, however close the call comes to the end of the one before', async () => {
      await hub.start(a);
      for (let microtasks = 0; microtasks < 60; microtasks += 1) {
        const { loads } = hub.catalog;
        const first = hub.distributor.reload();
        for (let passed = 0; passed < microtasks; passed += 1) await undefined;
        const before = hub.catalog.loads;
        await hub.distributor.reload();
        await first;
        await settle();
        expect(hub.catalog.loads, `after ${microtasks} microtasks`).toBeGreaterThan(Math.max(loads, before));
      }
    });

    it('survives a catalog that throws at once', async () => {
      await hub.start(a);
      const { load } = hub.catalog;
      hub.catalog.load = () => {
        throw new Error('broken');
      };
      await hub.distributor.reload();
      expect(hub.distributor.notReady()).toBe('broken');
      hub.catalog.load = load;
      await hub.distributor.reload();
      expect(hub.distributor.notReady()).toBeUndefined();
    });
  });

  describe('an accepted change', () => {
    it('goes to memory, then the log, then the copy', async () => {
      await hub.start(a, b, c);
      hub.changeLog.pause();
      await hub.put(a2);
      expect(hub.distributor.definitionOf(acme, 'api/a' as never)?.hash).toBe(a2.hash);
      expect((await hub.catalogCopy.read())?.definitions.find(({ id }) => id === 'a')?.hash).toBe(a.hash);
      hub.changeLog.resume();
      await settle();
      const saved = (await hub.catalogCopy.read())?.definitions ?? [];
      expect(saved.map(({ id, hash }) => [id, hash]).sort()).toEqual(
        [
          ['a', a2.hash],
          ['b', b.hash],
          ['c', c.hash],
        ].sort(),
      );
    });

    it('is in memory when the log tells of it', async () => {
      await hub.start(a, b);
      const seen: (string | undefined)[] = [];
      hub.changeLog.subscribe((owner) =>
        seen.push(hub.distributor.definitionOf(owner, 'api/a' as never)?.hash),
      );
      await hub.put(a2);
      expect(seen).toEqual([a2.hash]);
    });

    it('is logged again and again until the log takes it, and nothing is lost', async () => {
      await hub.start(a, b, c);
      hub.changeLog.failAlways();
      await hub.put(a2);
      await hub.remove(b);
      await hub.clock.advanceAsync(60_000);
      expect(hub.metrics.value('causeway_store_errors_total', { store: 'change log' })).toBeGreaterThan(3);
      hub.changeLog.recover();
      await hub.clock.advanceAsync(30_000);
      expect(await hub.loggedShort()).toEqual(['+a', '+b', '+c', '+a', '-b']);
      expect(hub.inForce()).toEqual(['a', 'c']);
    });

    it('is logged twice rather than not at all when the log’s answer is lost', async () => {
      await hub.start(a, b);
      hub.changeLog.failNext(storeAway(), { method: 'append', when: 'after' });
      await hub.put(a2);
      await hub.clock.advanceAsync(500);
      expect(await hub.loggedShort()).toEqual(['+a', '+b', '+a', '+a']);
    });

    it('made while the hub was down is found at the next start', async () => {
      await hub.start(a, b, c);
      hub.crash();
      hub.catalog.put(a2);
      hub.catalog.remove(b);
      await hub.start();
      expect((await hub.loggedShort()).slice(3)).toEqual(['+a', '-b']);
    });

    it.each(['before the log', 'after the log'])('is repeated after a crash %s', async (when) => {
      await hub.start(a, b, c);
      const store = when === 'before the log' ? hub.changeLog : hub.catalogCopy;
      if (when === 'before the log') store.pause();
      else hub.changeLog.subscribe(() => hub.catalogCopy.pause());
      await hub.put(a2);
      await hub.restart();
      expect((await hub.loggedShort()).at(-1)).toBe('+a');
      const count = (await hub.logged()).length;
      await hub.restart();
      expect(await hub.logged()).toHaveLength(count);
    });

    it.each(['before the log', 'after the log'])(
      'that is taken back after a crash %s is announced once more',
      async (when) => {
        const tagged = definition('api', 'a', { version: 2, tags: ['eu'] });
        await hub.start(a, b, c);
        if (when === 'before the log') hub.changeLog.pause();
        else hub.changeLog.subscribe(() => hub.catalogCopy.pause());
        // Workers may see it from here on.
        hub.catalog.put(tagged);
        await settle();
        expect(hub.distributor.definitionOf(acme, 'api/a' as never)?.hash).toBe(tagged.hash);
        hub.crash();
        hub.catalog.put(a);
        await hub.start();
        const entries = (await hub.logged()).filter(
          ({ body }) => body.type === 'definition' && body.id === 'a',
        );
        // From what was before, and from what workers may have seen of the change.
        expect(entries.slice(-2).map(({ body }) => body)).toMatchObject([
          { hash: a.hash, before: a.visibility, after: a.visibility },
          { hash: a.hash, before: tagged.visibility, after: a.visibility },
        ]);
        const count = (await hub.logged()).length;
        await hub.restart();
        expect(await hub.logged()).toHaveLength(count);
      },
    );

    it('of a new organisation that is taken back after a crash is announced as removed', async () => {
      await hub.start(a);
      hub.changeLog.subscribe(() => hub.catalogCopy.pause());
      const theirs = definition('api', 'x', { organisation: other });
      await hub.put(theirs);
      hub.crash();
      hub.catalog.remove(theirs);
      await hub.start();
      expect(await hub.loggedShort(other)).toEqual(['+x', '-x']);
    });

    it('is shown to nobody while it cannot be noted on disk', async () => {
      await hub.start(a, b);
      hub.catalogCopy.failAlways();
      await hub.put(a2);
      expect(hub.distributor.definitionOf(acme, 'api/a' as never)?.hash).toBe(a.hash);
      hub.catalogCopy.recover();
      await hub.clock.advanceAsync(500);
      expect(hub.distributor.definitionOf(acme, 'api/a' as never)?.hash).toBe(a2.hash);
      expect((await hub.loggedShort()).slice(2)).toEqual(['+a']);
    });
  });

  describe('the saved copy', () => {
    it('is what a hub starts from while the catalog is away', async () => {
      await hub.start(a, b);
      hub.catalog.failAlways();
      await hub.restart();
      expect(hub.inForce()).toEqual(['a', 'b']);
      expect(hub.people.at(-1)).toEqual({ organisations: [organisation()], users: [user('u')] });
      expect(hub.distributor.notReady()).toContain('does not answer');
    });

    it('of an earlier release takes nothing that gateways refuse, and tells who has it', async () => {
      const misfit = (body: string) => ({ ...a, body: Buffer.from(body), hash: 'of an earlier release' });
      await hub.start(misfit('{"listen_port":"x"}'), b);
      hub.catalog.remove(a);
      await hub.restart();
      expect(hub.inForce()).toEqual(['b']);
      expect((await hub.loggedShort()).at(-1)).toBe('-a');
      await hub.put(misfit('{"listen_port":8e3}'));
      hub.catalog.put(misfit('{"listen_port":8000}'));
      await hub.restart();
      expect(hub.distributor.definitionOf(acme, definitionKey('api', 'a'))?.body.toString()).toBe(
        '{"listen_port":8000}',
      );
      expect((await hub.loggedShort()).at(-1)).toBe('+a');
    });

    it('holds no note of a change when it is read after a crash', async () => {
      await hub.start(a, b);
      hub.changeLog.pause();
      await hub.put(a2);
      hub.catalog.failAlways();
      await hub.restart();
      expect(hub.inForce()).toEqual(['a', 'b']);
    });

    it('without people refuses nobody', async () => {
      hub.catalogCopy.failNext(storeAway(), { method: 'writePeople', times: 1_000 });
      hub.catalog.put(a);
      void hub.distributor.start();
      await settle();
      hub.catalog.failAlways();
      hub.people.length = 0;
      await hub.restart();
      expect(hub.inForce()).toEqual(['a']);
      expect(hub.people).toEqual([]);
    });

    it('gets changes of people alone', async () => {
      await hub.start(a);
      hub.catalog.users = [user('u'), user('v')];
      await hub.distributor.reload();
      expect((await hub.catalogCopy.read())?.users.map(({ id }) => id)).toEqual(['u', 'v']);
    });
  });

  describe('held removals', () => {
    const ten = several('api', 'a', 10);

    it('stay in force until a person accepts them', async () => {
      await hub.start(...ten);
      await hub.remove(...ten);
      expect(hub.inForce()).toHaveLength(10);
      expect(hub.heldIds).toHaveLength(10);
      expect(await hub.loggedShort()).toHaveLength(10);
      expect(hub.metrics.value('causeway_catalog_held_removals', { organisation: acme })).toBe(10);
      expect(await hub.distributor.accept()).toBe(10);
      expect(hub.inForce()).toEqual([]);
      expect(hub.heldIds).toEqual([]);
      expect(await hub.loggedShort()).toHaveLength(20);
      expect(hub.metrics.value('causeway_catalog_held_removals', { organisation: acme })).toBe(0);
    });

    it('let edits and additions through', async () => {
      await hub.start(...ten);
      await hub.remove(...ten.slice(1));
      await hub.put(definition('api', 'a1', { version: 2 }), b);
      expect((await hub.loggedShort()).slice(10)).toEqual(['+a1', '+b']);
      expect(hub.heldIds).toHaveLength(9);
    });

    it('are cleared by what comes back', async () => {
      await hub.start(...ten);
      await hub.remove(...ten);
      await hub.put(...ten);
      expect(hub.heldIds).toEqual([]);
      expect(await hub.distributor.accept()).toBe(0);
      expect(await hub.loggedShort()).toHaveLength(10);
    });

    it('are accepted one organisation at a time', async () => {
      const theirs = several('api', 'x', 4).map((one) => ({ ...one, organisation: other }));
      await hub.start(...ten, ...theirs);
      await hub.remove(...ten, ...theirs);
      expect(await hub.distributor.accept(other)).toBe(4);
      expect(hub.inForce(other)).toEqual([]);
      expect(hub.inForce()).toHaveLength(10);
    });

    it('are accepted as they were shown: what went missing since is asked for again', async () => {
      await hub.start(...ten);
      await hub.remove(...ten.slice(0, 8));
      hub.catalog.pause();
      const accepting = hub.distributor.accept();
      hub.catalog.remove(...ten);
      hub.catalog.resume();
      expect(await accepting).toBe(8);
      await settle();
      expect(hub.inForce()).toEqual(['a10', 'a9']);
      expect(hub.heldIds).toEqual(['a10', 'a9']);
    });

    it('are accepted although the load after it fails', async () => {
      await hub.start(...ten);
      await hub.remove(...ten);
      hub.catalog.failNext();
      await hub.distributor.accept();
      expect(hub.inForce()).toHaveLength(10);
      await hub.clock.advanceAsync(500);
      expect(hub.inForce()).toEqual([]);
    });

    it('of a trickle stay held when time passes', async () => {
      await hub.start(...ten);
      for (const one of ten.slice(0, 6)) {
        await hub.remove(one);
        await hub.clock.advanceAsync(1_000);
      }
      expect(hub.inForce()).toHaveLength(5);
      await hub.clock.advanceAsync(3_600_000);
      await hub.distributor.reload();
      expect(hub.heldIds).toEqual(['a6']);
      expect(hub.inForce()).toHaveLength(5);
    });

    it.each([-86_400_000, 86_400_000])(
      'of a trickle are seen across a jump of the clock by %d ms',
      async (jumpMs) => {
        await hub.start(...ten);
        await hub.remove(...ten.slice(0, 4));
        hub.clock.jumpWallClock(jumpMs);
        await hub.remove(...ten.slice(4, 8));
        expect(hub.heldIds).toHaveLength(4);
      },
    );

    it('keep the people of their organisation', async () => {
      hub.catalog.organisations.push(organisation(other));
      hub.catalog.users.push(user('v', other));
      const theirs = several('api', 'x', 4).map((one) => ({ ...one, organisation: other }));
      await hub.start(a, ...theirs);
      hub.catalog.organisations.pop();
      hub.catalog.users.pop();
      await hub.remove(...theirs);
      expect(hub.people.at(-1)?.organisations.map(({ id }) => id)).toEqual([acme, other]);
      expect(hub.people.at(-1)?.users.map(({ id }) => id)).toEqual(['u', 'v']);
      await hub.restart();
      expect(hub.people.at(-1)?.users.map(({ id }) => id)).toEqual(['u', 'v']);
      await hub.distributor.accept();
      expect(hub.people.at(-1)?.organisations.map(({ id }) => id)).toEqual([acme]);
      expect(hub.people.at(-1)?.users.map(({ id }) => id)).toEqual(['u']);
    });

    it('are held again after a restart', async () => {
      await hub.start(...ten);
      await hub.remove(...ten);
      await hub.restart();
      expect(hub.inForce()).toHaveLength(10);
      expect(hub.heldIds).toHaveLength(10);
      await hub.distributor.accept();
      await hub.restart();
      expect(hub.inForce()).toEqual([]);
    });

    it('are named in the log once, and again when others are', async () => {
      await hub.start(...ten);
      const lines = () => hub.log.lines.filter(({ message }) => message.startsWith('removals held')).length;
      await hub.remove(...ten);
      await hub.distributor.reload();
      expect(lines()).toBe(1);
      hub.catalog.put(...ten.slice(0, 1));
      await settle();
      expect(lines()).toBe(1);
      await hub.remove(...ten);
      expect(lines()).toBe(2);
    });

    it('are shipped at once where holding is switched off', async () => {
      hub = new DistributorFixture(false);
      await hub.start(...ten);
      await hub.remove(...ten);
      expect(hub.inForce()).toEqual([]);
      expect(hub.heldIds).toEqual([]);
    });
  });

  it('reports what is quarantined once, and when it is well again', async () => {
    await hub.start(a);
    const said = (part: string) => hub.log.lines.filter(({ message }) => message.includes(part)).length;
    const bad = { source: 'x.json', reason: 'no JSON' };
    hub.catalog.quarantined = [bad, bad, { source: 'x.json', reason: 'and more' }];
    await hub.distributor.reload();
    await hub.distributor.reload();
    expect(said('quarantined, and there is no good version')).toBe(2);
    expect(hub.distributor.quarantined()).toHaveLength(3);
    hub.catalog.quarantined = [{ source: 'x.json', reason: 'worse' }];
    await hub.distributor.reload();
    expect(said('quarantined, and there is no good version')).toBe(3);
    expect(said('no longer')).toBe(0);
    hub.catalog.quarantined = [];
    await hub.distributor.reload();
    expect(said('no longer')).toBe(1);
    expect(hub.metrics.value('causeway_catalog_quarantined', {})).toBe(0);
  });

  describe('stop', () => {
    it('ends the wait for a store that is away', async () => {
      await hub.start(a, b);
      hub.changeLog.failAlways();
      await hub.put(a2);
      await hub.distributor.stop();
      expect(hub.clock.pendingTimers).toBe(0);
      hub.changeLog.recover();
      await hub.restart();
      expect((await hub.loggedShort()).at(-1)).toBe('+a');
    });

    it('leaves no retry behind', async () => {
      hub.catalog.failAlways();
      await hub.start(a);
      await hub.distributor.stop();
      expect(hub.clock).toBeInstanceOf(FakeClock);
      expect(hub.clock.pendingTimers).toBe(0);
      await hub.put(b);
      expect(hub.catalog.loads).toBe(1);
    });
  });
});
