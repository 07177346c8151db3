import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Definition } from '../../src/domain/definition.js';
import { limits } from '../../src/domain/limits.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import type { CatalogState } from '../../src/ports/catalog.js';
import type { Clock } from '../../src/ports/clock.js';
import { FolderCatalog, type FolderCatalogOptions } from '../../src/stores/folder/folder-catalog.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { RecordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';

const clock = new SystemClock();
/** Settling takes five times as long, so that a busy machine is not taken for a slow writer. */
const slowClock: Clock = {
  nowMs: () => clock.nowMs(),
  monotonicMs: () => clock.monotonicMs() / 5,
  after: (delayMs, run) => clock.after(delayMs < 1_000 ? delayMs * 5 : delayMs, run),
};
const deadlineMs = 10_000;

let folder: string;
let path: string;
let followers: Follower[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'folder-catalog-'));
  path = join(folder, 'catalog');
  for (const name of ['organisations', 'users', 'apis', 'policies', 'client-idps']) {
    await mkdir(join(path, name), { recursive: true });
  }
  await write('organisations/main.json', { id: 'org', owner_name: 'Main', hybrid_enabled: true });
  await write('users/ada.json', {
    id: 'ada',
    org_id: 'org',
    email_address: 'ada@a',
    access_key: 'k',
    active: true,
  });
});

afterEach(async () => {
  for (const follower of followers) follower.close();
  followers = [];
  await rm(folder, { recursive: true, force: true });
});

async function write(source: string, content: unknown): Promise<void> {
  await writeFile(join(path, source), typeof content === 'string' ? content : JSON.stringify(content));
}

function api(id: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    api_id: id,
    org_id: 'org',
    name: id,
    proxy: { listen_path: `/${id}/`, target_url: 'http://127.0.0.1:1' },
    ...more,
  };
}

function oasDocument(title: string) {
  return {
    openapi: '3.0.3',
    info: { title, version: '1' },
    paths: {},
    'x-tyk-api-gateway': { info: { name: title }, upstream: {}, server: { listenPath: { value: '/x/' } } },
  };
}

function newCatalog(options: Partial<FolderCatalogOptions> = {}): FolderCatalog {
  return new FolderCatalog({ path, clock, metrics: new RecordingMetrics(), log: silentLog, ...options });
}

/** Does what the hub does: loads at each call, remembers what is in force. */
class Follower {
  readonly catalog: FolderCatalog;
  state: CatalogState | undefined;
  error: unknown;
  loads = 0;
  calls = 0;
  /** Ids of the APIs in each state that differed from the one before. */
  readonly history: string[][] = [];
  readonly #unsubscribe: () => void;
  #wanted = false;
  #running = false;

  constructor(catalog = newCatalog()) {
    this.catalog = catalog;
    followers.push(this);
    this.#unsubscribe = catalog.subscribe(() => {
      this.calls += 1;
      this.#wanted = true;
      void this.#run();
    });
  }

  static async start(catalog = newCatalog()): Promise<Follower> {
    const follower = new Follower(catalog);
    follower.#wanted = true;
    await follower.#run();
    return follower;
  }

  close(): void {
    this.#unsubscribe();
  }

  lastGood = (source: string): readonly Definition[] =>
    this.state?.definitions.filter((definition) => definition.source === source) ?? [];

  apis(): string[] {
    const apis = this.state?.definitions.filter((definition) => definition.kind === 'api') ?? [];
    return apis.map((definition) => definition.id).sort();
  }

  named(id: string): Definition | undefined {
    return this.state?.definitions.find((definition) => definition.id === id);
  }

  reasons(): string[] {
    return this.state?.quarantined.map(({ source, reason }) => `${source}: ${reason}`) ?? [];
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!condition()) {
      if (performance.now() > end)
        throw new Error(`waited in vain until ${what}; ${JSON.stringify(this.reasons())}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#wanted) {
      this.#wanted = false;
      this.loads += 1;
      try {
        this.state = await this.catalog.load(this.lastGood);
        this.error = undefined;
        const apis = this.apis();
        if (JSON.stringify(apis) !== JSON.stringify(this.history.at(-1))) this.history.push(apis);
      } catch (thrown) {
        this.error = thrown;
      }
    }
    this.#running = false;
  }
}

const nothing = () => [];

describe('loading', () => {
  it('reads every kind, and keeps the identity of what did not change', async () => {
    const text = `  ${JSON.stringify(api('orders', { tags: ['eu'] }))}\n`;
    await write('apis/orders.json', text);
    await write('policies/gold.json', { _id: '66b1a2c3d4e5f60718293a01', id: 'gold', org_id: 'org' });
    await write('client-idps/idp.json', { client_idp_id: 'idp', org_id: 'org' });
    const catalog = newCatalog();
    const first = await catalog.load(nothing);
    expect(first.quarantined).toEqual([]);
    expect(first.organisations).toEqual([{ id: 'org', name: 'Main', hybridEnabled: true }]);
    expect(first.users).toMatchObject([{ id: 'ada', accessKey: 'k' }]);
    expect(first.definitions.map(({ kind, id }) => `${kind}/${id}`)).toEqual([
      'api/orders',
      'client-idp/idp',
      'policy/66b1a2c3d4e5f60718293a01',
    ]);
    expect(first.definitions[0]?.body.toString()).toBe(text);

    await write('apis/more.json', api('more'));
    await utimes(join(path, 'policies/gold.json'), 1, 1);
    const second = await catalog.load(nothing);
    expect(second.definitions).toHaveLength(4);
    for (const before of [...first.definitions, ...first.users, ...first.organisations]) {
      expect([...second.definitions, ...second.users, ...second.organisations]).toContain(before);
    }
  });

  it('counts an absent folder below as empty, an emptied catalog as empty, a vanished one as trouble', async () => {
    await write('apis/orders.json', api('orders'));
    const catalog = newCatalog();
    expect((await catalog.load(nothing)).definitions).toHaveLength(1);
    await rm(join(path, 'client-idps'), { recursive: true });
    await rm(join(path, 'apis/orders.json'));
    expect((await catalog.load(nothing)).definitions).toEqual([]);
    await rename(path, `${path}.away`);
    await expect(catalog.load(nothing)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await writeFile(path, 'a file now');
    await expect(catalog.load(nothing)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await rm(path);
    await rename(`${path}.away`, path);
    expect((await catalog.load(nothing)).organisations).toHaveLength(1);
    await rm(join(path, 'apis'), { recursive: true });
    await writeFile(join(path, 'apis'), 'a file now');
    await expect(catalog.load(nothing)).rejects.toBeInstanceOf(CausewayError);
  });

  it('puts OAS APIs together from two files or from one', async () => {
    await write('apis/search.json', api('search', { is_oas: true }));
    await write('apis/search-oas.json', oasDocument('one'));
    const merged = { api_definition: api('merged', { is_oas: true }), oas: oasDocument('merged') };
    await write('apis/merged.json', JSON.stringify(merged, null, 1));
    const catalog = newCatalog();
    const first = (await catalog.load(nothing)).definitions;
    expect(first.map(({ oas }) => oas?.toString())).toEqual([
      JSON.stringify(merged.oas, null, 1).replaceAll('\n', '\n '),
      JSON.stringify(oasDocument('one')),
    ]);
    await write('apis/search-oas.json', oasDocument('two'));
    const second = (await catalog.load(nothing)).definitions;
    expect(second[0]).toBe(first[0]);
    expect(second[1]?.hash).not.toBe(first[1]?.hash);
    expect(second[1]?.body).toEqual(first[1]?.body);
    expect((await catalog.load(nothing)).definitions[1]).toBe(second[1]);
  });

  it('names what is wrong and serves the rest', async () => {
    await write('apis/good.json', api('good'));
    await write('apis/broken.json', '{"api_id": "x",\n  oops}');
    await write('apis/stranger.json', { ...api('stranger'), org_id: 'elsewhere' });
    await write('apis/twin.json', api('good'));
    await write('apis/lonely-oas.json', oasDocument('lonely'));
    await write('apis/half.json', api('half', { is_oas: true }));
    await write('apis/bent.json', api('bent', { is_oas: true }));
    await write('apis/bent-oas.json', '{');
    await write('policies/short.json', { _id: 'abc', org_id: 'org' });
    await write('users/eve.json', { id: 'eve', org_id: 'org', access_key: 'k', active: true });
    await write('users/who.json', { id: 'who', org_id: 'nowhere', access_key: 'w', active: true });
    await write('organisations/twin.json', { id: 'org', hybrid_enabled: false });
    await mkdir(join(path, 'apis/folder.json'));
    execFileSync('mkfifo', [join(path, 'apis/pipe.json')]);
    await symlink('circle.json', join(path, 'apis/circle.json'));
    await symlink('nowhere.json', join(path, 'apis/dangling.json'));
    await write('apis/.hidden.json', '{');
    await write('apis/notes.txt', '{');
    const state = await newCatalog().load(nothing);
    expect(state.definitions.map(({ source }) => source)).toEqual(['apis/good.json']);
    expect(state.users.map(({ id }) => id)).toEqual(['ada']);
    expect(state.quarantined.map(({ source, reason }) => `${source}: ${reason}`)).toEqual([
      'apis/bent-oas.json: not JSON: close brace expected at 1:2',
      'apis/broken.json: not JSON: invalid symbol at 2:3',
      'apis/circle.json: a symbolic link that leads in a circle',
      'apis/dangling.json: a symbolic link that leads nowhere',
      'apis/folder.json: not a regular file',
      'apis/half.json: is_oas is true and there is no apis/half-oas.json',
      'apis/lonely-oas.json: there is no apis/lonely.json to go with it',
      'apis/pipe.json: not a regular file',
      'apis/stranger.json: org_id: there is no organisation "elsewhere"',
      'apis/twin.json: the api id "good" is already that of apis/good.json',
      'organisations/twin.json: the organisation id "org" is already that of organisations/main.json',
      'policies/short.json: _id: expected 24 hex digits',
      'users/eve.json: the access_key is already that of users/ada.json',
      'users/who.json: org_id: there is no organisation "nowhere"',
    ]);
  });

  it('keeps the last good version of what breaks, over a restart too', async () => {
    await write('apis/orders.json', api('orders'));
    const catalog = newCatalog();
    const good = await catalog.load(nothing);
    const lastGood = (source: string) =>
      good.definitions.filter((definition) => definition.source === source);
    await write('apis/orders.json', '{"api_id": "orders", "org');
    await write('users/ada.json', '{');
    await write('organisations/main.json', '[]');
    const broken = await catalog.load(lastGood);
    expect(broken.definitions).toEqual(good.definitions);
    expect(broken.users).toEqual(good.users);
    expect(broken.organisations).toEqual(good.organisations);
    expect(broken.quarantined.map(({ source }) => source)).toEqual([
      'apis/orders.json',
      'organisations/main.json',
      'users/ada.json',
    ]);
    const restarted = await newCatalog().load(lastGood);
    expect(restarted.definitions).toEqual(good.definitions);
    expect(restarted.organisations).toEqual([]);
    expect((await newCatalog().load(nothing)).definitions).toEqual([]);
  });

  it('lets the one in force keep a disputed id, over a restart too', async () => {
    await write('apis/z.json', api('orders', { name: 'first' }));
    const catalog = newCatalog();
    const good = await catalog.load(nothing);
    await write('apis/a.json', api('orders', { name: 'second' }));
    expect((await catalog.load(nothing)).definitions).toEqual(good.definitions);
    const lastGood = (source: string) =>
      good.definitions.filter((definition) => definition.source === source);
    const restarted = await newCatalog().load(lastGood);
    expect(restarted.definitions.map(({ name }) => name)).toEqual(['first']);
    expect((await newCatalog().load(nothing)).definitions.map(({ name }) => name)).toEqual(['second']);
  });

  it('does not read a file over the limit', async () => {
    const handle = await open(join(path, 'apis/huge.json'), 'w');
    await handle.truncate(100 * 1024 * 1024);
    await handle.close();
    const metrics = new RecordingMetrics();
    const before = process.memoryUsage().arrayBuffers;
    const state = await newCatalog({ metrics }).load(nothing);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(limits.catalogFileBytesMax);
    expect(metrics.value('causeway_limit_hits_total', { limit: 'catalogFileBytesMax' })).toBe(1);
    expect(state.quarantined).toEqual([
      {
        source: 'apis/huge.json',
        reason: '104857600 bytes are more than the limit of 16777216 (catalogFileBytesMax)',
      },
    ]);
  });

  it('names a file it may not read, and takes it once it may', async (context) => {
    await write('apis/orders.json', api('orders'));
    await chmod(join(path, 'apis/orders.json'), 0);
    const readable = await readFile(join(path, 'apis/orders.json')).then(
      () => true,
      () => false,
    );
    if (readable) context.skip('permissions do not bind this user');
    const catalog = newCatalog();
    const state = await catalog.load(nothing);
    expect(state.quarantined).toEqual([
      { source: 'apis/orders.json', reason: 'no permission to read it (EACCES)' },
    ]);
    await chmod(join(path, 'apis/orders.json'), 0o600);
    expect((await catalog.load(nothing)).definitions).toHaveLength(1);
  });
});

describe('watching', () => {
  it('sees edits, additions, renames and moves into place, soon', async () => {
    await write('apis/orders.json', api('orders'));
    const follower = await Follower.start(newCatalog({ clock: slowClock }));
    await write('apis/orders.json', api('orders', { name: 'edited' }));
    await follower.until('edited', () => follower.named('orders')?.name === 'edited');
    await write('apis/more.json', api('more'));
    await follower.until('added', () => follower.apis().length === 2);

    const beside = join(folder, 'beside.json');
    await writeFile(beside, JSON.stringify(api('orders', { name: 'moved over' })));
    await rename(beside, join(path, 'apis/orders.json'));
    await follower.until('moved over', () => follower.named('orders')?.name === 'moved over');

    await rename(join(path, 'apis/more.json'), join(path, 'apis/other.json'));
    await follower.until('renamed', () => follower.named('more')?.source === 'apis/other.json');
    expect(follower.reasons()).toEqual([]);
    expect(follower.history).toEqual([['orders'], ['more', 'orders']]);
  });

  it('takes the second of two quick saves', async () => {
    await write('apis/orders.json', api('orders'));
    const follower = await Follower.start();
    for (let round = 0; round < 20; round++) {
      await write('apis/orders.json', api('orders', { name: `first ${round}` }));
      await follower.until('first', () => follower.named('orders')?.name === `first ${round}`);
      await write('apis/orders.json', api('orders', { name: `second ${round}` }));
      await follower.until('second', () => follower.named('orders')?.name === `second ${round}`);
    }
  });

  it('waits for a file that is still being written', async () => {
    await write('apis/orders.json', api('orders'));
    const follower = await Follower.start(newCatalog({ clock: slowClock }));
    const text = JSON.stringify(api('orders', { name: 'complete', padding: 'x'.repeat(5_000) }));
    const handle = await open(join(path, 'apis/orders.json'), 'w');
    let quarantined = false;
    const loads = follower.loads;
    for (let at = 0; at < text.length; at += 1_000) {
      await handle.write(text.slice(at, at + 1_000));
      await new Promise((resolve) => setTimeout(resolve, 20));
      quarantined ||= follower.reasons().length > 0;
    }
    await handle.close();
    await follower.until('complete', () => follower.named('orders')?.name === 'complete');
    expect(quarantined).toBe(false);
    expect(follower.loads).toBeGreaterThan(loads);
    expect(follower.history).toEqual([['orders']]);
  });

  it('quarantines what stays broken and recovers when it is mended', async () => {
    await write('apis/orders.json', api('orders', { name: 'good' }));
    const follower = await Follower.start();
    await write('apis/orders.json', '{"api_id":');
    await follower.until('quarantined', () => follower.reasons().length === 1);
    expect(follower.named('orders')?.name).toBe('good');
    await write('apis/orders.json', api('orders', { name: 'mended' }));
    await follower.until('mended', () => follower.named('orders')?.name === 'mended');
    expect(follower.reasons()).toEqual([]);
    expect(follower.history).toEqual([['orders']]);
  });

  it('sees an OAS API arrive in two files, in either order, without complaint', async () => {
    const follower = await Follower.start(newCatalog({ clock: slowClock }));
    await write('apis/a-oas.json', oasDocument('a'));
    await write('apis/a.json', api('a', { is_oas: true }));
    await write('apis/b.json', api('b', { is_oas: true }));
    await write('apis/b-oas.json', oasDocument('b'));
    await follower.until('both', () => follower.apis().length === 2);
    expect(follower.reasons()).toEqual([]);
  });

  it('sees a removal of many as one act, and a save that removes first as an edit', async () => {
    for (let index = 0; index < 100; index++) await write(`apis/api-${index}.json`, api(`api-${index}`));
    const follower = await Follower.start(newCatalog({ clock: slowClock }));
    await rm(join(path, 'apis/api-0.json'));
    await write('apis/api-1.json', api('api-1', { name: 'edited meanwhile' }));
    await follower.until('edited', () => follower.named('api-1')?.name === 'edited meanwhile');
    await write('apis/api-0.json', api('api-0', { name: 'saved' }));
    await follower.until('saved', () => follower.named('api-0')?.name === 'saved');
    expect(follower.history).toHaveLength(1);

    for (let index = 0; index < 90; index++) {
      await rm(join(path, `apis/api-${index}.json`));
      if (index % 30 === 0) {
        await write('apis/api-99.json', api('api-99', { name: `edit ${index}` }));
        await follower.until('edit', () => follower.named('api-99')?.name === `edit ${index}`);
      }
    }
    await follower.until('removed', () => follower.apis().length < 100);
    expect(follower.apis()).toHaveLength(10);
    expect(follower.history.map(({ length }) => length)).toEqual([100, 10]);
  });

  it('sees an emptied folder', async () => {
    await write('apis/orders.json', api('orders'));
    const follower = await Follower.start();
    await rm(join(path, 'apis'), { recursive: true });
    await follower.until('empty', () => follower.apis().length === 0);
    await mkdir(join(path, 'apis'));
    await write('apis/again.json', api('again'));
    await follower.until('back', () => follower.apis().length === 1);
    await write('apis/more.json', api('more'));
    await follower.until('watched again', () => follower.apis().length === 2);
  });

  it('tells of a folder that vanished, keeps what was, and of its return', async () => {
    await write('apis/orders.json', api('orders'));
    const follower = await Follower.start(newCatalog({ clock: slowClock }));
    const before = follower.state;
    await rename(path, `${path}.away`);
    await follower.until('away', () => follower.error !== undefined);
    expect(follower.error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(follower.state).toBe(before);
    await rename(`${path}.away`, path);
    await follower.until('back', () => follower.error === undefined);
    await write('apis/more.json', api('more'));
    await follower.until('watched again', () => follower.apis().length === 2);

    await rm(path, { recursive: true });
    await follower.until('gone', () => follower.error !== undefined);
    expect(follower.apis()).toEqual(['more', 'orders']);
    await mkdir(join(path, 'organisations'), { recursive: true });
    await mkdir(join(path, 'apis'));
    await write('organisations/main.json', { id: 'org', hybrid_enabled: true });
    await write('apis/new.json', api('new'));
    await follower.until('replaced', () => follower.error === undefined && follower.apis().join() === 'new');
    expect(follower.history).toEqual([['orders'], ['more', 'orders'], ['more', 'new', 'orders'], ['new']]);
  });

  it('follows a mounted volume that swaps all its files by one link', async () => {
    await rm(join(path, 'apis'), { recursive: true });
    await mkdir(join(path, 'apis/..one'), { recursive: true });
    await mkdir(join(path, 'apis/..two'));
    await write('apis/..one/orders.json', api('orders', { name: 'one' }));
    await write('apis/..two/orders.json', api('orders', { name: 'two' }));
    await symlink('..one', join(path, 'apis/..data'));
    await symlink('..data/orders.json', join(path, 'apis/orders.json'));
    const follower = await Follower.start();
    expect(follower.named('orders')?.name).toBe('one');
    await symlink('..two', join(path, 'apis/..new'));
    await rename(join(path, 'apis/..new'), join(path, 'apis/..data'));
    await follower.until('two', () => follower.named('orders')?.name === 'two');
  });

  it('finds by comparing what no event told of', async () => {
    const target = join(folder, 'elsewhere.json');
    await writeFile(target, JSON.stringify(api('orders', { name: 'one' })));
    await symlink(target, join(path, 'apis/orders.json'));
    const hasty: Clock = { ...slowClock, after: (delayMs, run) => clock.after(Math.min(delayMs, 50), run) };
    const follower = await Follower.start(newCatalog({ clock: hasty }));
    await writeFile(target, JSON.stringify(api('orders', { name: 'other' })));
    await follower.until('other', () => follower.named('orders')?.name === 'other');
    await rm(target);
    await follower.until('dangling', () => follower.reasons().length === 1);
    expect(follower.reasons()).toEqual(['apis/orders.json: a symbolic link that leads nowhere']);
    expect(follower.named('orders')?.name).toBe('other');
  });

  it('makes few loads of a burst of edits', async () => {
    for (let index = 0; index < 500; index++) await write(`apis/api-${index}.json`, api(`api-${index}`));
    const follower = await Follower.start();
    const loads = follower.loads;
    const writer = `
      const fs = require('node:fs');
      for (let index = 0; index < 500; index++) {
        const file = process.argv[1] + '/apis/api-' + index + '.json';
        fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file)), name: 'burst' }));
      }`;
    expect(spawnSync(process.execPath, ['-e', writer, path]).status).toBe(0);
    await follower.until(
      'all',
      () => follower.state?.definitions.every(({ name }) => name === 'burst') === true,
    );
    expect(follower.loads - loads).toBeLessThanOrEqual(20);
  });

  it('stops when nobody listens', async () => {
    const follower = await Follower.start();
    follower.close();
    const calls = follower.calls;
    await write('apis/orders.json', api('orders'));
    const state = await follower.catalog.load(nothing);
    expect(state.definitions).toHaveLength(1);
    expect(follower.calls).toBe(calls);
  });
});
