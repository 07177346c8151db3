import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogTable } from '../../src/domain/catalog-row.js';
import type { CatalogState } from '../../src/ports/catalog.js';
import { FolderCatalog } from '../../src/stores/folder/folder-catalog.js';
import { openPostgresCatalog } from '../../src/stores/postgres/postgres-catalog.js';
import {
  apiRow,
  Loader,
  named,
  newId,
  oasDocument,
  organisation,
  policyRow,
  seedPeople,
} from '../contract/catalog.suite.js';
import { environment, openPostgresFixture, postgresConfiguration } from '../contract/catalog-fixtures.js';
import { temporaryFolder } from '../contract/fixture.js';
import { RecordingLog } from '../memory/silent-log.js';
import { startPostgres } from '../services/postgres.js';

const postgres = await startPostgres();
afterAll(() => postgres?.stop());

const deletedOrganisation = '66b1a2c3d4e5f60718293fff';

describe.skipIf(postgres === undefined)('a database', () => {
  let fixture: Awaited<ReturnType<typeof openPostgresFixture>>;
  let catalog: ReturnType<typeof openPostgresCatalog>;
  let loader: Loader;
  let log: RecordingLog;
  const put = (table: CatalogTable, row: unknown) => fixture.put(table, JSON.stringify(row));
  const ids = (state: CatalogState) => state.definitions.map(({ id }) => id).sort();
  const reasons = (state: CatalogState) => state.quarantined.map(({ reason }) => reason);

  beforeEach(async () => {
    fixture = await openPostgresFixture(postgres!);
    log = new RecordingLog();
    catalog = openPostgresCatalog(postgresConfiguration(fixture.url), { ...environment(), log });
    loader = new Loader(catalog);
    await seedPeople(fixture);
    await put('apis', apiRow('orders'));
    await put('policies', policyRow('Gold', { _id: '66b1a2c3d4e5f60718293c01' }));
  });
  afterEach(async () => {
    await catalog.stop(0);
    await fixture.dispose();
  });

  it('may hold what is no business of any worker, and nothing is quarantined', async () => {
    // Drafts, and what belongs to nobody.
    await put('apis', apiRow('', { name: 'A draft' }));
    await put('apis', apiRow('nobodys', { org_id: '' }));
    await put('policies', policyRow('A draft', { org_id: null }));
    // Switched off, and wrong in any way.
    await put('apis', apiRow('off', { active: false, cache_options: 'text' }));
    // What an organisation left behind that was deleted, broken or not.
    await put('apis', apiRow('left-behind', { org_id: deletedOrganisation }));
    await put(
      'apis',
      apiRow('broken-and-left-behind', { org_id: deletedOrganisation, cache_options: 'text' }),
    );
    await put('policies', policyRow('Left behind', { org_id: deletedOrganisation }));
    await put('client_idps', {
      ...{ _id: newId(), client_idp_id: 'left-behind', org_id: deletedOrganisation, issuer: 'x' },
    });
    // Administrators of all, users who are invited and have no key, and those of a deleted organisation.
    await put('users', { _id: newId(), orgid: '', accesskey: 'of-an-administrator', active: true });
    await put('users', { _id: newId(), orgid: organisation, accesskey: null, active: true });
    await put('users', { _id: newId(), orgid: deletedOrganisation, accesskey: 'left-behind', active: true });
    // Groups, whatever they keep about who is in them.
    await put('user_groups', { _id: newId(), org_id: organisation, users: 3 });
    // Internal, without a path of its own; and one without a proxy at all.
    await put(
      'apis',
      apiRow('internal', { internal: true, proxy: { listen_path: '', target_url: 'http://x' } }),
    );
    await put('apis', apiRow('bare', { proxy: {}, version_data: null }));

    const state = await loader.load();
    expect(state.quarantined).toEqual([]);
    expect(ids(state)).toEqual(['66b1a2c3d4e5f60718293c01', 'bare', 'internal', 'orders']);
    expect(state.users.map(({ accessKey }) => accessKey).sort()).toEqual(['key-of-ada', 'key-of-old']);
  });

  it('is told of all the same, once, and counted', async () => {
    await put('apis', apiRow('left-behind', { org_id: deletedOrganisation }));
    await put('apis', apiRow('', { name: 'A draft' }));
    await loader.load();
    await loader.load();
    const lines = log.lines.filter(({ message }) => message.includes('no business of any worker'));
    expect(lines).toMatchObject([
      { level: 'info', fields: { table: 'apis', 'no id': 1, 'organisation unknown': 1 } },
    ]);
  });

  it('of which nothing can be used is told of as a warning: it is read in another way than it was meant', async () => {
    await fixture.direct.run((session) => session.query(`update tyk_apis set org_id = ''`));
    await loader.load();
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'no row of a table is of use to any worker' }),
    );
  });

  it('leaves nobody out as long as it cannot be read which organisations there are', async () => {
    await loader.load();
    await fixture.direct.run((session) =>
      session.query(`update tyk_organisations set owner_name = null, hybrid_enabled = null`),
    );
    await fixture.direct.run((session) =>
      session.query(`alter table tyk_organisations alter column hybrid_enabled type text using 'perhaps'`),
    );
    const fresh = openPostgresCatalog(postgresConfiguration(fixture.url), { ...environment(), log });
    const state = await fresh.load(loader.lastGood);
    await fresh.stop(0);
    // Not gone: what is in force stays, and the row to mend is named.
    expect(ids(state)).toEqual(['66b1a2c3d4e5f60718293c01', 'orders']);
    expect(reasons(state)).toContainEqual(expect.stringMatching(/^hybrid_enabled: /));
  });

  it('still has what is broken quarantined, until it is mended', async () => {
    const broken = apiRow('stock', { cache_options: { cache_timeout: 'an hour' } });
    await put('apis', broken);
    expect(reasons(await loader.load())).toEqual([
      'cache_options.cache_timeout: expected a whole number of 64 bits, received string',
    ]);
    await put('apis', { ...broken, cache_options: { cache_timeout: 60 } });
    const state = await loader.load();
    expect(state.quarantined).toEqual([]);
    expect(named(state, 'stock').name).toBe('The stock');
  });
});

describe('a folder', () => {
  it('has a slip of the pen named, and takes all files that a gateway takes', async () => {
    const folder = await temporaryFolder();
    const catalog = new FolderCatalog({ path: folder.path, ...environment() });
    const write = async (file: string, content: unknown) => {
      const { mkdir } = await import('node:fs/promises');
      await mkdir(join(folder.path, file, '..'), { recursive: true });
      await writeFile(join(folder.path, file), JSON.stringify(content));
    };
    await write('organisations/main.json', { id: organisation, hybrid_enabled: true });
    const { _id, ...api } = apiRow('orders');
    await write('apis/orders.json', { ...api, id: _id });
    await write('apis/typo.json', { ...api, api_id: 'typo', org_id: deletedOrganisation });
    await write('apis/tools.json', { ...api, api_id: 'tools', is_oas: true, application_protocol: 'mcp' });
    await write('apis/tools-mcp.json', oasDocument('tools'));
    // Gateways know a policy by its own id, too.
    await write('policies/gold.json', { id: 'gold', org_id: organisation, name: 'Gold' });
    const state = await catalog.load(() => []);
    expect(state.quarantined).toEqual([
      { source: 'apis/typo.json', reason: `org_id: there is no organisation "${deletedOrganisation}"` },
    ]);
    expect(state.definitions.map(({ id, oas }) => [id, oas !== undefined])).toEqual([
      ['orders', false],
      ['tools', true],
      ['gold', false],
    ]);
    await folder.remove();
  });
});
