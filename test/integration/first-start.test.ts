import { randomBytes } from 'node:crypto';
import {
  access,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { organisationId } from '../../src/domain/identifiers.js';
import { isVisible, type ViewScope } from '../../src/domain/view.js';
import { type FirstStart, seedFirstStart } from '../../src/stores/folder/first-start.js';
import { FolderCatalog } from '../../src/stores/folder/folder-catalog.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { RecordingMetrics } from '../memory/recording-metrics.js';
import { silentLog } from '../memory/silent-log.js';

const examplesPath = fileURLToPath(new URL('../../examples/control-plane', import.meta.url));

let folder: string;
let catalogPath: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'first-start-'));
  catalogPath = join(folder, 'data', 'catalog');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function seed(): Promise<FirstStart | undefined> {
  return seedFirstStart({ examplesPath, catalogPath, random: randomBytes });
}

async function seeded(): Promise<FirstStart> {
  const start = await seed();
  if (start === undefined) throw new Error('not a first start');
  return start;
}

function loadCatalog() {
  const catalog = new FolderCatalog({
    path: catalogPath,
    clock: new SystemClock(),
    metrics: new RecordingMetrics(),
    log: silentLog,
  });
  return catalog.load(() => []);
}

const withoutCommit = (start: FirstStart) => ({ ...start, commit: undefined });

describe('the examples', () => {
  it('load without complaint and show every case', async () => {
    const start = await seeded();
    await start.commit();
    const state = await loadCatalog();
    expect(state.quarantined).toEqual([]);
    expect(state.organisations.filter(({ hybridEnabled }) => hybridEnabled)).toHaveLength(2);
    expect(state.organisations.filter(({ hybridEnabled }) => !hybridEnabled)).toHaveLength(1);
    const apis = state.definitions.filter(({ kind }) => kind === 'api');
    expect(apis.length).toBeGreaterThanOrEqual(14);
    expect(apis.filter(({ oas }) => oas !== undefined).length).toBeGreaterThanOrEqual(4);
    expect(apis.some(({ visibility }) => visibility.tags.length === 0)).toBe(true);
    expect(state.definitions.filter(({ kind }) => kind === 'policy').length).toBeGreaterThanOrEqual(4);
    expect(state.definitions.filter(({ kind }) => kind === 'client-idp')).toHaveLength(1);

    const organisation = state.organisations.find(({ id }) => id === start.organisation);
    expect(organisation).toMatchObject({ name: 'Aurora Books', hybridEnabled: true });
    const user = state.users.find(({ accessKey }) => accessKey === start.apiKey);
    expect(user).toMatchObject({ organisation: start.organisation, active: true });

    const main = organisationId(start.organisation);
    const counts = (tags: string[], segmented: boolean) => {
      const scope: ViewScope = { organisation: main, segmented, tags, owner: undefined };
      return apis.filter((api) => api.organisation === main && isVisible('api', api.visibility, scope))
        .length;
    };
    const [all, eu, us] = [counts([], false), counts(['eu'], true), counts(['us'], true)];
    expect(all).toBeGreaterThan(eu);
    expect(eu).toBeGreaterThan(0);
    expect(us).toBeGreaterThan(0);
    expect(eu).not.toBe(us);
  });

  it('refer only to what there is, within one organisation', async () => {
    const start = await seeded();
    await start.commit();
    const { definitions } = await loadCatalog();
    const owners = new Map(definitions.map(({ kind, id, organisation }) => [`${kind}/${id}`, organisation]));
    const sessions = start.keys.map(({ value }) => JSON.parse(value.toString()));
    const policies = definitions
      .filter(({ kind }) => kind === 'policy')
      .map(({ body }) => JSON.parse(body.toString()));
    for (const { org_id, access_rights, apply_policies } of [...sessions, ...policies]) {
      for (const api of Object.keys(access_rights)) expect(owners.get(`api/${api}`), api).toBe(org_id);
      for (const policy of apply_policies ?? []) expect(owners.get(`policy/${policy}`), policy).toBe(org_id);
    }
    for (const { body, oas, id, organisation } of definitions) {
      if (oas === undefined) continue;
      const { info, server, upstream } = JSON.parse(oas.toString())['x-tyk-api-gateway'];
      const classic = JSON.parse(body.toString());
      expect(info).toMatchObject({ id, orgId: organisation, name: classic.name, dbId: classic.id });
      expect(server.listenPath.value).toBe(classic.proxy.listen_path);
      expect(upstream.url).toBe(classic.proxy.target_url);
      expect(server.gatewayTags?.tags ?? []).toEqual(classic.tags);
    }
  });

  it('get secrets of their own', async () => {
    const start = await seeded();
    await start.commit();
    const { users } = await loadCatalog();
    const secrets = [...users.map(({ accessKey }) => accessKey), ...start.keys.map(({ key }) => key)];
    expect(new Set(secrets).size).toBe(users.length + start.keys.length);
    for (const { accessKey } of users) expect(accessKey).toMatch(/^[0-9a-f]{32}$/);
    for (const { key, name, organisation, ttlMs } of start.keys) {
      expect(key).toMatch(new RegExp(`^${organisation}[0-9a-f]{32}$`));
      expect(name).toBe(`apikey-${key}`);
      expect(ttlMs).toBeUndefined();
    }
    const names = await readdir(join(catalogPath, 'users'));
    for (const name of names) {
      const { mode } = await stat(join(catalogPath, 'users', name));
      expect(mode & 0o077).toBe(0);
    }
  });
});

describe('a first start', () => {
  it('leaves nothing behind and happens once', async () => {
    await (await seeded()).commit();
    expect(await readdir(join(folder, 'data'))).toEqual(['catalog']);
    expect(await seed()).toBeUndefined();
  });

  it('fills a folder that is there and empty, also where it cannot be replaced', async () => {
    await mkdir(catalogPath, { recursive: true });
    await (await seeded()).commit();
    expect((await loadCatalog()).organisations).toHaveLength(3);

    await rm(catalogPath, { recursive: true });
    await mkdir(join(folder, 'elsewhere'));
    await symlink(join(folder, 'elsewhere'), catalogPath);
    await (await seeded()).commit();
    expect((await loadCatalog()).organisations).toHaveLength(3);
    expect(await readdir(join(folder, 'data'))).toEqual(['catalog']);
  });

  it('never touches a folder that holds anything', async () => {
    await mkdir(join(catalogPath, 'apis'), { recursive: true });
    expect(await seed()).toBeUndefined();
    expect(await readdir(catalogPath)).toEqual(['apis']);

    await rm(catalogPath, { recursive: true });
    const start = await seeded();
    await mkdir(catalogPath);
    await writeFile(join(catalogPath, 'mine.txt'), 'mine');
    await expect(start.commit()).rejects.toMatchObject({ code: 'DATA_FOLDER_UNUSABLE' });
    expect(await readdir(catalogPath)).toEqual(['mine.txt']);
    expect(await seed()).toBeUndefined();
    expect(await readdir(join(folder, 'data'))).toEqual(['catalog']);
  });

  it('begins anew when killed before all was made', async () => {
    await seeded();
    await rm(`${catalogPath}.first-start/secrets.json`);
    await writeFile(`${catalogPath}.first-start/catalog/apis/half.json`, '{');
    await (await seeded()).commit();
    const state = await loadCatalog();
    expect(state.quarantined).toEqual([]);
    await expect(access(join(catalogPath, 'apis/half.json'))).rejects.toThrow();
  });

  it('goes on with the same secrets when killed before the catalog was in place', async () => {
    const before = await seeded();
    const after = await seeded();
    expect(withoutCommit(after)).toEqual(withoutCommit(before));
    await after.commit();
    expect((await loadCatalog()).users.map(({ accessKey }) => accessKey)).toContain(before.apiKey);
  });

  it('cleans up when killed after the catalog was in place', async () => {
    await seeded();
    await rename(`${catalogPath}.first-start/catalog`, catalogPath);
    expect(await seed()).toBeUndefined();
    expect(await readdir(join(folder, 'data'))).toEqual(['catalog']);
  });

  it('goes on when killed while files were being copied into place', async () => {
    const before = await seeded();
    await mkdir(catalogPath);
    await writeFile(`${catalogPath}.first-start/placing`, '');
    await cp(`${catalogPath}.first-start/catalog/apis`, join(catalogPath, 'apis'), { recursive: true });
    await writeFile(join(catalogPath, 'apis/aurora-status.json'), '{"half');
    const after = await seeded();
    expect(after.apiKey).toBe(before.apiKey);
    await after.commit();
    expect((await loadCatalog()).quarantined).toEqual([]);
    expect(await readFile(join(catalogPath, 'apis/aurora-status.json'), 'utf8')).toContain('aurora-status');
  });

  it('says so when the folder cannot be made', async () => {
    await writeFile(join(folder, 'data'), 'a file in the way');
    await expect(seed()).rejects.toMatchObject({ code: 'DATA_FOLDER_UNUSABLE' });
  });
});
