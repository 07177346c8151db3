import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DefinitionChange } from '../../../src/domain/change.js';
import { type Definition, type DefinitionKind, definitionKey } from '../../../src/domain/definition.js';
import { organisationId, zoneId } from '../../../src/domain/identifiers.js';
import type { ViewScope } from '../../../src/domain/view.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import {
  DefinitionCursors,
  type DefinitionHolder,
  isDefinitionCursor,
} from '../../../src/hub/distribution/definition-cursors.js';
import { ReloadSignals } from '../../../src/hub/distribution/reload-signals.js';
import { ViewRegistry } from '../../../src/hub/distribution/view-registry.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { silentLog } from '../../memory/silent-log.js';

const organisation = organisationId('5e9d9544a1dcd60001d0ed20');
const holdMs = 20_000;
const reloadKinds: readonly DefinitionKind[] = ['api', 'policy'];

function scopeOf(...tags: readonly string[]): ViewScope {
  return { organisation, segmented: tags.length > 0, tags, owner: undefined };
}

function holder(member: string, ...tags: readonly string[]): DefinitionHolder {
  return { member, zone: zoneId('zone-a'), scope: scopeOf(...tags) };
}

let clock: FakeClock;
let changeLog: MemoryChangeLog;
let definitions: Map<string, Definition>;
let revision: number;
let ready: boolean;
let signals: ReloadSignals;

beforeEach(() => {
  clock = new FakeClock();
  changeLog = new MemoryChangeLog({ clock });
  definitions = new Map();
  revision = 0;
  ready = true;
  restart();
});

function restart(): void {
  const views = new ViewRegistry();
  signals = new ReloadSignals({
    clock,
    log: silentLog,
    cursors: new DefinitionCursors({ changeLog, clock }),
    viewOf: (scope) => {
      if (!ready) throw new CausewayError('CATALOG_NOT_READY', 'not yet');
      const snapshot = { organisation, revision, definitions: new Map(definitions) };
      return views.viewOf(snapshot as never, scope);
    },
  });
}

/** Edits a definition: in force, in the log, then told. */
async function put(kind: DefinitionKind, id: string, content: string, ...tags: string[]): Promise<void> {
  const body = Buffer.from(content);
  const hash = createHash('sha256').update(body).digest('hex');
  const visibility = { tags, tagsDisabled: false, ownerUsers: [], ownerGroups: [] };
  const key = definitionKey(kind, id);
  const before = definitions.get(key)?.visibility;
  const made: Definition = {
    kind,
    id,
    organisation,
    name: id,
    hash,
    visibility,
    form: 'plain',
    body,
    oas: undefined,
    source: id,
  };
  definitions.set(key, made);
  revision += 1;
  const change: DefinitionChange = { type: 'definition', kind, id, hash, before, after: visibility };
  await changeLog.append([{ organisation, atMs: clock.nowMs(), body: change }]);
  signals.changed(organisation);
}

class Waiter {
  answer: boolean | undefined;
  atMs = Number.NaN;
  readonly abandon: () => void;

  constructor(who: DefinitionHolder, kinds = reloadKinds) {
    this.abandon = signals.wait(who, kinds, holdMs, (changed) => {
      if (this.answer !== undefined) throw new Error('answered twice');
      this.answer = changed;
      this.atMs = clock.monotonicMs();
    });
  }
}

async function fetchAll(who: DefinitionHolder): Promise<void> {
  await signals.fetch(who, ['policy']);
  await signals.fetch(who, ['api']);
}

describe('a poll', () => {
  test('is held for its whole time when nothing changes', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs - 1);
    expect(waiter.answer).toBeUndefined();
    await clock.advanceAsync(1);
    expect(waiter.answer).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  test('is answered at once when the view changes, for whom it changes', async () => {
    const eu = holder('a', 'eu');
    const us = holder('b', 'us');
    await fetchAll(eu);
    await fetchAll(us);
    const [first, second] = [new Waiter(eu), new Waiter(us)];
    await settle();
    await put('api', 'one', 'x', 'eu');
    expect(first.answer).toBe(true);
    expect(second.answer).toBeUndefined();
    await put('policy', 'p', 'x');
    expect(second.answer).toBe(true);
  });

  test('is answered when a definition leaves the view', async () => {
    await put('api', 'one', 'x', 'eu');
    const who = holder('a', 'eu');
    await fetchAll(who);
    const waiter = new Waiter(who);
    await put('api', 'one', 'x', 'us');
    expect(waiter.answer).toBe(true);
  });

  test('is not answered when content comes back to what the worker has', async () => {
    await put('api', 'one', 'x', 'eu');
    const who = holder('a', 'eu');
    await fetchAll(who);
    await put('api', 'one', 'y', 'eu');
    await put('api', 'one', 'x', 'eu');
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(waiter.answer).toBe(false);
  });

  test('begun after an edit is answered at once', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    await put('api', 'one', 'x', 'eu');
    expect(new Waiter(who).answer).toBe(true);
  });

  test('given up is not answered and leaves nothing behind', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    const waiter = new Waiter(who);
    waiter.abandon();
    await put('api', 'one', 'x', 'eu');
    await clock.advanceAsync(holdMs);
    expect(waiter.answer).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });

  test('can be let go by its kind', async () => {
    const who = holder('a');
    await fetchAll(who);
    await signals.fetch(who, ['client-idp']);
    const [reload, providers] = [new Waiter(who), new Waiter(who, ['client-idp'])];
    signals.release('client-idp');
    expect([reload.answer, providers.answer]).toEqual([undefined, false]);
    signals.release();
    expect(reload.answer).toBe(false);
  });

  test('during a start without a catalog is held, and answered when there is one', async () => {
    ready = false;
    const waiter = new Waiter(holder('a', 'eu'));
    await clock.advanceAsync(5_000);
    expect(waiter.answer).toBeUndefined();
    ready = true;
    await put('api', 'one', 'x', 'eu');
    expect(waiter.answer).toBe(true);
  });
});

describe('a burst of edits', () => {
  test('is one signal, and one more when the worker has fetched in between', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    const first = new Waiter(who);
    await put('api', 'one', '1', 'eu');
    expect(first.answer).toBe(true);
    const second = new Waiter(who);
    for (const content of ['2', '3', '4']) await put('api', 'one', content, 'eu');
    await clock.advanceAsync(900);
    expect(second.answer).toBeUndefined();
    await clock.advanceAsync(200);
    expect(second.answer).toBe(true);
    await fetchAll(who);
    const third = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(third.answer).toBe(false);
  });

  test('is repeated to a worker that has not fetched, soon at first and then less often', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    await put('api', 'one', '1', 'eu');
    const toldAtMs: number[] = [];
    const startMs = clock.monotonicMs();
    for (let count = 0; count < 8; count++) {
      const waiter = new Waiter(who);
      while (waiter.answer === undefined) await clock.advanceAsync(1_000);
      if (waiter.answer === true) toldAtMs.push((waiter.atMs ?? startMs) - startMs);
    }
    expect(toldAtMs).toEqual([0, 5_000, 15_000, 45_000, 75_000]);
  });
});

describe('a poll that its caller gave up', () => {
  /** A gateway: it gives up on a poll after its timeout and asks anew. Resolves when it was told of a reload. */
  async function pollUntilTold(who: DefinitionHolder, timeoutMs: number, onPoll: (heldMs: number) => void) {
    for (;;) {
      const sinceMs = clock.monotonicMs();
      const waiter = new Waiter(who);
      while (waiter.answer === undefined && clock.monotonicMs() - sinceMs < timeoutMs) {
        await clock.advanceAsync(Math.min(50, timeoutMs));
      }
      const heldMs = clock.monotonicMs() - sinceMs;
      onPoll(heldMs);
      // What comes later than its timeout it does not look at.
      if (waiter.answer === true && heldMs < timeoutMs) return;
    }
  }

  test.each([30_000, 10_000, 5_000, 3_000])(
    'with calls of %i ms hears of an edit at once',
    async (timeoutMs) => {
      const who = holder('a', 'eu');
      await fetchAll(who);
      let editedAtMs = 0;
      let timeouts = 0;
      let polls = 0;
      const told = pollUntilTold(who, timeoutMs, (heldMs) => {
        polls += 1;
        if (heldMs >= timeoutMs) timeouts += 1;
        if (polls !== 4) return;
        editedAtMs = clock.monotonicMs() + 500;
        clock.after(500, () => void put('api', 'one', 'x', 'eu'));
      });
      await told;
      expect(clock.monotonicMs() - editedAtMs).toBeLessThanOrEqual(100);
      // The first of them told how long the others may be held.
      expect(timeouts).toBe(timeoutMs < holdMs ? 1 : 0);
    },
  );

  test('takes no signal from the one that replaced it', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    const older = new Waiter(who);
    await clock.advanceAsync(10_000);
    const newer = new Waiter(who);
    expect(older.answer).toBe(false);
    await put('api', 'one', 'x', 'eu');
    expect(newer.answer).toBe(true);
  });

  test('that went out late is repeated, for nothing was fetched', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    const lost = new Waiter(who);
    await clock.advanceAsync(10_050);
    // The caller has been gone for 50 ms, and its next poll is not here yet.
    await put('api', 'one', 'x', 'eu');
    expect(lost.answer).toBe(true);
    const next = new Waiter(who);
    await clock.advanceAsync(5_000);
    expect(next.answer).toBe(true);
  });

  test('teaches nothing when the next one comes for another reason', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    new Waiter(who);
    await clock.advanceAsync(200);
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs - 1);
    expect(waiter.answer).toBeUndefined();
  });
});

describe('what a worker has', () => {
  test('is kept when its tags change: the new view is compared with it', async () => {
    await put('api', 'one', 'x', 'eu');
    await fetchAll(holder('a', 'eu'));
    await put('policy', 'p', 'x');
    const waiter = new Waiter(holder('a', 'us'));
    expect(waiter.answer).toBe(true);
    await fetchAll(holder('a', 'us'));
    const next = new Waiter(holder('a', 'us'));
    await clock.advanceAsync(holdMs);
    expect(next.answer).toBe(false);
  });

  test('is not asked for again and again where it never fetches a kind', async () => {
    const who = holder('a', 'eu');
    await signals.fetch(who, ['api']);
    const first = new Waiter(who);
    await put('policy', 'p', 'x');
    expect(first.answer).toBe(true);
    await signals.fetch(who, ['api']);
    const second = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(second.answer).toBe(false);
  });

  test('is forgotten with it, in the log too', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    expect(await changeLog.cursors()).toHaveLength(1);
    signals.forget('a');
    await settle();
    expect(await changeLog.cursors()).toEqual([]);
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(waiter.answer).toBe(false);
  });

  test('is served, and noted, when the change log is away', async () => {
    changeLog.failAlways();
    const who = holder('a', 'eu');
    expect((await signals.fetch(who, ['api'])).definitions).toEqual([]);
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(waiter.answer).toBe(false);
  });

  test('is an error and not an empty view before the catalog is there', async () => {
    ready = false;
    await expect(signals.fetch(holder('a'), ['api'])).rejects.toMatchObject({ code: 'CATALOG_NOT_READY' });
  });
});

describe('after a restart of the hub', () => {
  test('a worker is told of what changed for it meanwhile, and of nothing else', async () => {
    const [eu, us] = [holder('a', 'eu'), holder('b', 'us')];
    await fetchAll(eu);
    await fetchAll(us);
    restart();
    await put('api', 'one', 'x', 'eu');
    const [first, second] = [new Waiter(eu), new Waiter(us)];
    await settle();
    expect([first.answer, second.answer]).toEqual([true, undefined]);
    await clock.advanceAsync(holdMs);
    expect(second.answer).toBe(false);
    const third = new Waiter(us);
    await clock.advanceAsync(holdMs);
    expect(third.answer).toBe(false);
  });

  test('key events are no reason', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    const event = { kind: 'key-changed', key: 'k', hashed: true } as const;
    await changeLog.append([{ organisation, atMs: 0, body: { type: 'key', event } }]);
    restart();
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(waiter.answer).toBe(false);
  });

  test('a worker that fetched its policies before an edit and its APIs after it is told', async () => {
    const who = holder('a', 'eu');
    await signals.fetch(who, ['policy']);
    await put('policy', 'p', 'x');
    await signals.fetch(who, ['api']);
    restart();
    const waiter = new Waiter(who);
    await settle();
    expect(waiter.answer).toBe(true);
  });

  test('a worker whose place the log no longer has is told', async () => {
    changeLog = new MemoryChangeLog({ clock, entriesMax: 2 });
    restart();
    const who = holder('a', 'eu');
    await fetchAll(who);
    for (const id of ['1', '2', '3']) await put('api', id, 'x', 'us');
    restart();
    const waiter = new Waiter(who);
    await settle();
    expect(waiter.answer).toBe(true);
  });

  test('a worker of which nothing is known has half a minute to fetch, then it is told to', async () => {
    const [busy, idle] = [holder('a', 'eu'), holder('b', 'eu')];
    const polls = [new Waiter(busy), new Waiter(idle)];
    await clock.advanceAsync(1_000);
    await fetchAll(busy);
    await clock.advanceAsync(holdMs);
    expect(polls.map(({ answer }) => answer)).toEqual([false, false]);
    const next = [new Waiter(busy), new Waiter(idle)];
    await clock.advanceAsync(holdMs);
    expect(next.map(({ answer }) => answer)).toEqual([false, true]);
  });

  test('a worker that has not said its tags again is not told of old changes of others', async () => {
    const who = holder('a', 'eu');
    await fetchAll(who);
    await put('api', 'one', 'x', 'us');
    const waiter = new Waiter(who);
    await clock.advanceAsync(holdMs);
    expect(waiter.answer).toBe(false);
    restart();
    const next = new Waiter(holder('a'));
    await clock.advanceAsync(holdMs);
    expect(next.answer).toBe(false);
    restart();
    await put('api', 'two', 'x', 'us');
    expect(new Waiter(holder('a')).answer).toBeUndefined();
    await settle();
  });

  test('the place is kept in cursors that say nothing of key events', async () => {
    await fetchAll(holder('a', 'eu'));
    const cursors = await changeLog.cursors();
    expect(cursors).toHaveLength(1);
    expect(cursors.every(isDefinitionCursor)).toBe(true);
  });
});
