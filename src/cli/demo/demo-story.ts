import { z } from 'zod';
import type { Credentials } from '../../app/credentials-file.js';
import { sessionName } from '../../domain/key-names.js';
import { describeError } from '../../errors/causeway-error.js';
import type { HubApi } from '../hub-api.js';
import type { DemoCatalog } from './demo-catalog.js';
import { check, DemoFailure, waitFor } from './demo-check.js';
import { readHubStatus } from './demo-hub.js';
import type { DemoCell, DemoStep } from './demo-table.js';
import { DemoWorker } from './demo-worker.js';

/** What the example catalog has, and what the demo does to it. */
const edited = 'aurora-catalogue';
const editedWhileAway = 'aurora-status';
const removed = 'aurora-orders-us';
const addedForEu = 'aurora-demo-eu';
const addedForUs = 'aurora-demo-us';
const othersApi = 'birchwood-flights';
const reportedRecords = { 'eu-1': 600, 'us-1': 400, other: 200 } as const;

export interface DemoStage {
  readonly credentials: Credentials;
  readonly api: HubApi;
  readonly catalog: DemoCatalog;
  /** Where the workers keep their copies. */
  readonly folder: string;
  readonly aborted: AbortSignal;
  /** Told after each step that really happened. */
  readonly onStep: (step: DemoStep) => Promise<void>;
}

export interface DemoOutcome {
  /** Changes delivered, all workers together; each came once. */
  readonly delivered: number;
  /** What the zone missed while it was cut off, and received when it came back. */
  readonly missed: number;
  readonly resumedAfter: number;
  readonly reported: number;
  /** Of another organisation than the worker's. */
  readonly leftOut: number;
}

type WorkerName = 'eu-1' | 'eu-2' | 'us-1' | 'other';

/** The story. Rejects with a `DemoFailure` that names the step as soon as something is not as it should be. */
export class DemoStory {
  readonly #stage: DemoStage;
  readonly workers: Readonly<Record<WorkerName, DemoWorker>>;
  /** What each worker has to have received as changes, by now. */
  readonly #due = new Map<DemoWorker, string[]>();
  /** Name of the step under way. */
  #running = '';

  constructor(stage: DemoStage, other: { readonly organisation: string; readonly apiKey: string }) {
    this.#stage = stage;
    const { credentials, folder } = stage;
    const own = { organisation: credentials.organisation, apiKey: credentials.api_key };
    const worker = (name: WorkerName, zone: string, tag: string, who: typeof own) =>
      new DemoWorker({ name, zone, tags: [tag], ...who, hub: credentials.listen, folder });
    this.workers = {
      'eu-1': worker('eu-1', 'eu', 'eu', own),
      'eu-2': worker('eu-2', 'eu', 'eu', own),
      'us-1': worker('us-1', 'us', 'us', own),
      other: worker('other', 'eu', 'eu', other),
    };
    for (const one of Object.values(this.workers)) this.#due.set(one, []);
  }

  async tell(): Promise<DemoOutcome> {
    try {
      return await Promise.race([this.#tell(), untilAborted(this.#stage.aborted)]);
    } catch (thrown) {
      if (thrown instanceof DemoFailure) throw thrown;
      const { aborted } = this.#stage;
      const reason = aborted.aborted ? String(aborted.reason) : describeError(thrown);
      throw new DemoFailure(this.#running, reason, thrown);
    }
  }

  async #tell(): Promise<DemoOutcome> {
    const { catalog } = this.#stage;
    const { 'eu-1': eu1, 'eu-2': eu2, 'us-1': us1, other } = this.workers;
    const own = [eu1, eu2, us1];
    await this.#firstLoad();
    const [changedKey, revokedKey, revokedLater] = await this.#fetchKeys();

    const put = (id: string) => `put api/${id}`;
    await this.#step('API edited (tags eu, us)', () => catalog.rename(edited, 'Catalogue, edited'), own, [
      put(edited),
    ]);
    await this.#step(
      'API added (tag eu)',
      () => catalog.add(addedForEu, edited, ['eu']),
      [eu1, eu2],
      [put(addedForEu)],
    );
    await this.#step(
      'API removed',
      () => catalog.remove(addedForEu),
      [eu1, eu2],
      [`removed api/${addedForEu}`],
    );
    await this.#step(
      "the other organisation's API edited",
      () => catalog.rename(othersApi, 'Flights, edited'),
      [other],
      [put(othersApi)],
    );
    await this.#step('key changed', () => this.#changeKey(changedKey, 'once'), own, [
      `key-changed ${changedKey}`,
    ]);
    await this.#step('key revoked', () => this.#revokeKey(revokedKey), own, [`key-removed ${revokedKey}`]);
    await this.#checkKeys('key revoked', own, changedKey, 'once', revokedKey);

    const away = await this.#cutOff(us1, changedKey, revokedLater);
    await this.#comeBack(us1, away.sequence, away.missed);
    await this.#checkKeys('zone us comes back', own, changedKey, 'again', revokedLater);
    const analytics = await this.#report();
    const delivered = await this.#checkEverything();
    return { delivered, missed: away.missed.length, resumedAfter: away.sequence, ...analytics };
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.workers).map((worker) => worker.stop()));
  }

  async #firstLoad(): Promise<void> {
    const step = this.#begin('first load');
    const cells: Record<string, DemoCell> = {};
    await Promise.all(
      Object.values(this.workers).map(async (worker) => {
        const startMs = performance.now();
        await worker.start();
        const complete = await this.#wait(step, `the snapshot of ${worker.name}`, () =>
          worker.seen.find(({ event }) => event.type === 'snapshot-complete'),
        );
        await this.#checkView(step, worker);
        const definitions = [...worker.client.definitions()].length;
        check(step, definitions > 0, `${worker.name} received nothing`);
        cells[worker.name] = { what: `${definitions} in`, ms: complete.atMs - startMs };
      }),
    );
    await this.#done({ name: step, cells });
  }

  /** Three keys, asked for by name, so that there is something to change and to revoke. */
  async #fetchKeys(): Promise<readonly [string, string, string]> {
    const step = this.#begin('three keys fetched on demand');
    const { api, credentials } = this.#stage;
    const { organisation } = credentials;
    const page = z
      .object({ keys: z.array(z.object({ name: z.string() })) })
      .parse(JSON.parse((await api.call('GET', '/keys', { organisation })).toString('utf8')));
    const [first, second, third] = page.keys.map(({ name }) => name);
    check(step, third !== undefined && second !== undefined && first !== undefined, 'too few example keys');
    const names = [first, second, third] as const;
    const cells: Record<string, DemoCell> = {};
    for (const worker of Object.values(this.workers)) {
      const startMs = performance.now();
      const found = await Promise.all(names.map((name) => worker.client.readKey(sessionName(name))));
      const ms = performance.now() - startMs;
      const count = found.filter((key) => key !== undefined).length;
      const expected = worker === this.workers.other ? 0 : names.length;
      check(step, count === expected, `${worker.name} got ${count} keys and not ${expected}`);
      cells[worker.name] = { what: count === 0 ? 'not for it' : `${count} keys`, ms };
    }
    await this.#done({ name: step, cells });
    return names;
  }

  /** Does something and sees it arrive where it should. */
  async #step(
    name: string,
    act: () => Promise<unknown>,
    receivers: readonly DemoWorker[],
    changes: readonly string[],
  ): Promise<void> {
    this.#begin(name);
    const startMs = performance.now();
    await act();
    const cells = await this.#arrive(name, startMs, receivers, changes);
    await this.#done({ name, cells });
  }

  async #arrive(
    step: string,
    startMs: number,
    receivers: readonly DemoWorker[],
    changes: readonly string[],
  ): Promise<Record<string, DemoCell>> {
    const cells: Record<string, DemoCell> = {};
    for (const worker of receivers) {
      const due = this.#due.get(worker) ?? [];
      const before = due.length;
      due.push(...changes);
      const arrived = await this.#wait(step, `${changes.join(', ')} at ${worker.name}`, () => {
        const received = worker.changes().slice(before);
        return received.length >= changes.length ? received : undefined;
      });
      const got = arrived.map(({ what }) => what);
      check(step, sameItems(got, changes), `${worker.name} received ${got.join(', ')}`);
      const ms = Math.max(...arrived.map(({ atMs }) => atMs)) - startMs;
      const verb = changes.length === 1 ? shortVerb(changes[0] ?? '') : `${changes.length} in`;
      cells[worker.name] = { what: verb, ms };
    }
    return cells;
  }

  async #cutOff(
    worker: DemoWorker,
    changedKey: string,
    revokedKey: string,
  ): Promise<{ sequence: number; missed: readonly string[] }> {
    const step = this.#begin('zone us cut off; 5 changes meanwhile');
    const { api, catalog, credentials } = this.#stage;
    const { 'eu-1': eu1, 'eu-2': eu2 } = this.workers;
    const before = await catalog.viewOf(worker.organisation, worker.tags);
    await worker.stop();
    const sequence = worker.ofType('acknowledged').at(-1)?.sequence ?? 0;

    const startMs = performance.now();
    await catalog.rename(editedWhileAway, 'Status page, edited');
    await catalog.add(addedForUs, removed, ['us']);
    await catalog.remove(removed);
    await this.#changeKey(changedKey, 'again');
    await this.#revokeKey(revokedKey);
    const shared = [`put api/${editedWhileAway}`, `key-changed ${changedKey}`, `key-removed ${revokedKey}`];
    const missed = [...shared, `put api/${addedForUs}`, `removed api/${removed}`];
    const cells = await this.#arrive(step, startMs, [eu1, eu2], shared);
    await this.#wait(step, `a lag of ${missed.length} entries of zone ${worker.zone}`, async () => {
      const lag = (await zoneLags(api)).find(
        (zone) => zone.zone === worker.zone && zone.organisation === credentials.organisation,
      );
      return lag?.lag_entries === missed.length ? lag : undefined;
    });
    const difference = await worker.differsFrom(before);
    check(step, difference === undefined, `the copy of the zone that is cut off changed: ${difference}`);
    const held = await worker.client.readKey(sessionName(changedKey));
    check(step, held !== undefined, 'the zone that is cut off does not serve its key');
    cells[worker.name] = { what: 'serves its copy', ms: undefined };
    await this.#done({ name: step, cells });
    return { sequence, missed };
  }

  async #comeBack(worker: DemoWorker, after: number, missed: readonly string[]): Promise<void> {
    const step = this.#begin('zone us comes back');
    const welcomes = worker.ofType('welcome').length;
    const startMs = performance.now();
    await worker.start();
    const cells = await this.#arrive(step, startMs, [worker], missed);
    const welcome = worker.ofType('welcome')[welcomes];
    check(step, welcome?.mode === 'resume', 'it received a snapshot and not what it missed');
    check(step, welcome.sequence === after, `it resumed after ${welcome.sequence} and not after ${after}`);
    await this.#wait(step, 'the word that it is level', () => worker.ofType('level')[1]);
    await this.#checkView(step, worker);
    const { ms } = cells[worker.name] ?? { ms: undefined };
    cells[worker.name] = { what: `all ${missed.length} in`, ms };
    await this.#done({ name: step, cells });
  }

  async #report(): Promise<{ reported: number; leftOut: number }> {
    const step = this.#begin('analytics sent home');
    const { api, credentials } = this.#stage;
    const cells: Record<string, DemoCell> = {};
    let reported = 0;
    let accepted = 0;
    for (const [name, count] of Object.entries(reportedRecords)) {
      const worker = this.workers[name as WorkerName];
      const records = analyticsRecords(worker, count);
      // One record of another organisation than the worker's: the hub must not store it.
      const foreign = { ...records[0], org_id: credentials.organisation };
      const sent = worker === this.workers.other ? [...records, foreign] : records;
      const startMs = performance.now();
      const outcome = await worker.client.report(sent);
      const ms = performance.now() - startMs;
      check(step, outcome.status === 'accepted', `${name}: ${outcome.message}`);
      check(step, outcome.accepted === count, `${name}: ${outcome.accepted} accepted and not ${count}`);
      reported += sent.length;
      accepted += outcome.accepted;
      cells[name] = { what: `${outcome.accepted} taken`, ms };
    }
    await this.#wait(step, `${accepted} records in the store`, async () => {
      const { analytics } = await readHubStatus(api);
      return analytics.stored_records === accepted && analytics.spooled_batches === 0 ? true : undefined;
    });
    await this.#done({ name: step, cells });
    return { reported, leftOut: reported - accepted };
  }

  /** Nothing lost, nothing twice, nothing that is somebody else's. Resolves to how many changes there were. */
  async #checkEverything(): Promise<number> {
    const step = this.#begin('nothing lost, nothing twice');
    let delivered = 0;
    for (const worker of Object.values(this.workers)) {
      await this.#checkView(step, worker);
      const changes = worker.changes();
      const due = this.#due.get(worker) ?? [];
      const got = changes.map(({ what }) => what);
      check(step, sameItems(got, due), `${worker.name} received ${got.length} changes and not ${due.length}`);
      const sequences = changes.map(({ sequence }) => sequence);
      check(step, new Set(sequences).size === sequences.length, `${worker.name} received a change twice`);
      const isOrdered = sequences.every(
        (sequence, index) => index === 0 || sequence > (sequences[index - 1] ?? 0),
      );
      check(step, isOrdered, `${worker.name} received changes out of order`);
      delivered += changes.length;
    }
    return delivered;
  }

  async #checkView(step: string, worker: DemoWorker): Promise<void> {
    const expected = await this.#stage.catalog.viewOf(worker.organisation, worker.tags);
    const difference = await worker.differsFrom(expected);
    check(step, difference === undefined, difference ?? '');
  }

  async #checkKeys(
    step: string,
    workers: readonly DemoWorker[],
    changed: string,
    mark: string,
    revoked: string,
  ): Promise<void> {
    for (const worker of workers) {
      const key = await worker.client.readKey(sessionName(changed));
      const isNew = key?.value.includes(`"alias":"changed ${mark}"`) === true;
      check(step, isNew, `${worker.name} does not hold the key as it was changed`);
      const gone = await worker.client.readKey(sessionName(revoked));
      check(step, gone === undefined, `${worker.name} still holds the key that was revoked`);
    }
  }

  async #changeKey(name: string, mark: string): Promise<void> {
    const { api, credentials } = this.#stage;
    const query = { organisation: credentials.organisation };
    const path = `/keys/${encodeURIComponent(name)}`;
    const { session } = z
      .object({ session: z.record(z.string(), z.unknown()) })
      .parse(JSON.parse((await api.call('GET', path, query)).toString('utf8')));
    await api.call('PUT', path, query, Buffer.from(JSON.stringify({ ...session, alias: `changed ${mark}` })));
  }

  async #revokeKey(name: string): Promise<void> {
    const { api, credentials } = this.#stage;
    await api.call('DELETE', `/keys/${encodeURIComponent(name)}`, { organisation: credentials.organisation });
  }

  #wait<Found>(
    step: string,
    what: string,
    find: () => Found | undefined | Promise<Found | undefined>,
  ): Promise<Found> {
    return waitFor(step, what, find, this.#stage.aborted);
  }

  #begin(step: string): string {
    this.#running = step;
    return step;
  }

  #done(step: DemoStep): Promise<void> {
    return this.#stage.onStep(step);
  }
}

function untilAborted(aborted: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(new Error(String(aborted.reason)));
    if (aborted.aborted) fail();
    else aborted.addEventListener('abort', fail, { once: true });
  });
}

async function zoneLags(api: HubApi) {
  const shape = z.object({
    zones: z.array(z.object({ organisation: z.string(), zone: z.string(), lag_entries: z.number() })),
  });
  return shape.parse(JSON.parse((await api.call('GET', '/status')).toString('utf8'))).zones;
}

/** Records as a gateway writes them. */
function analyticsRecords(worker: DemoWorker, count: number): readonly Readonly<Record<string, unknown>>[] {
  const now = new Date();
  return Array.from({ length: count }, (_item, index) => ({
    method: 'GET',
    host: 'upstream.example.com',
    path: `/items/${index}`,
    raw_path: `/items/${index}`,
    content_length: 0,
    user_agent: 'causeway-demo',
    day: now.getDate(),
    month: now.getMonth() + 1,
    year: now.getFullYear(),
    hour: now.getHours(),
    response_code: 200,
    api_key: '00000000',
    timestamp: now.toISOString(),
    api_version: 'Non Versioned',
    api_name: edited,
    api_id: edited,
    org_id: worker.organisation,
    request_time: index % 40,
    ip_address: '192.0.2.1',
    latency: { total: index % 40, upstream: index % 30, gateway: index % 10 },
    tags: [`zone-${worker.zone}`],
    track_path: false,
    expireAt: now.toISOString(),
  }));
}

function shortVerb(change: string): string {
  if (change.startsWith('put')) return 'put';
  if (change.startsWith('removed')) return 'removed';
  return change.startsWith('key-removed') ? 'revoked' : 'key';
}

function sameItems(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}
