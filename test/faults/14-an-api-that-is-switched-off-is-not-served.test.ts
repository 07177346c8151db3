import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogTable } from '../../src/domain/catalog-row.js';
import {
  apiRow,
  type CatalogFixture,
  Loader,
  named,
  oasDocument,
  organisation,
  seedPeople,
} from '../contract/catalog.suite.js';
import { openFolderFixture, openPostgresFixture } from '../contract/catalog-fixtures.js';
import { startPostgres } from '../services/postgres.js';

const postgres = await startPostgres();
afterAll(() => postgres?.stop());

let fixture: CatalogFixture;
let loader: Loader;
afterEach(() => fixture.dispose());
const put = (table: CatalogTable, row: unknown) => fixture.put(table, JSON.stringify(row));

async function open(opening: Promise<CatalogFixture>): Promise<void> {
  fixture = await opening;
  loader = new Loader(fixture.catalog);
}
async function served(): Promise<string[]> {
  return (await loader.load()).definitions.map(({ id }) => id).sort();
}

/** An API with an OpenAPI document whose own switch is in this position. */
function oasRow(id: string, active: boolean) {
  const document = oasDocument(id);
  const extension = document['x-tyk-api-gateway'];
  const info = { ...extension.info, state: { active } };
  return apiRow(id, {
    is_oas: true,
    oas_doc: { ...document, 'x-tyk-api-gateway': { ...extension, info } },
  });
}

describe.skipIf(postgres === undefined).each([
  ['a column for each field', false],
  ['definitions whole', true],
])('PostgreSQL, %s', (_name, documents) => {
  beforeEach(async () => {
    await open(openPostgresFixture(postgres!, { documents }));
    await seedPeople(fixture);
  });

  it('serves an API again and again as it is switched, and calls it neither gone nor broken', async () => {
    const orders = apiRow('orders');
    await put('apis', orders);
    await put('apis', apiRow('stock'));
    expect(await served()).toEqual(['orders', 'stock']);
    const before = named(await loader.load(), 'orders');

    await put('apis', { ...orders, active: false });
    expect(await served()).toEqual(['stock']);
    expect(loader.state).toMatchObject({
      quarantined: [],
      switchedOff: [{ organisation, kind: 'api', id: 'orders', source: before.source }],
    });

    await put('apis', orders);
    expect(await served()).toEqual(['orders', 'stock']);
    expect(named(await loader.load(), 'orders').hash).toBe(before.hash);
    expect(loader.state?.switchedOff).toEqual([]);

    await fixture.remove('apis', orders._id);
    expect(await served()).toEqual(['stock']);
    expect(loader.state?.switchedOff).toEqual([]);
  });

  it('looks at the switch in the OpenAPI document too', async () => {
    await put('apis', oasRow('on', true));
    await put('apis', oasRow('off', false));
    await put('apis', { ...oasRow('both', true), active: false });
    expect(await served()).toEqual(['on']);
    expect(loader.state?.switchedOff.map(({ id }) => id).sort()).toEqual(['both', 'off']);
    expect(loader.state?.quarantined).toEqual([]);
  });

  it('raises no alarm over what is wrong with an API that nobody serves', async () => {
    await put('apis', apiRow('orders', { active: false, cache_options: 'text' }));
    await put('apis', { ...apiRow('stock', { is_oas: true }), active: false });
    expect(await served()).toEqual([]);
    expect(loader.state?.quarantined).toEqual([]);
    expect(loader.state?.switchedOff.map(({ id }) => id).sort()).toEqual(['orders', 'stock']);
  });
});

describe('a folder', () => {
  it('serves what a gateway would serve from its own, whatever the switch says', async () => {
    await open(openFolderFixture());
    await seedPeople(fixture);
    await put('apis', apiRow('orders', { active: false }));
    expect(await served()).toEqual(['orders']);
    expect(loader.state?.switchedOff).toEqual([]);
  });
});
