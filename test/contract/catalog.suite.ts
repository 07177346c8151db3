import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogTable } from '../../src/domain/catalog-row.js';
import type { Definition } from '../../src/domain/definition.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import type { Catalog, CatalogState } from '../../src/ports/catalog.js';
import { quoteLongIntegers } from '../../src/std/quote-long-integers.js';
import { eventually } from './fixture.js';

/** A catalog under test, and the control plane behind it. */
export interface CatalogFixture {
  readonly catalog: Catalog;
  readonly form: Definition['form'];
  /** Writes a row, or another version of it. JSON object with an `_id`; people as databases spell them. */
  put(table: CatalogTable, row: string): Promise<void>;
  remove(table: CatalogTable, id: string): Promise<void>;
  /** Makes of an API something that cannot be used. */
  spoilApi(id: string): Promise<void>;
  cut(): Promise<void>;
  heal(): Promise<void>;
  dispose(): Promise<void>;
}

export const organisation = '66b1a2c3d4e5f60718293a01';
const otherOrganisation = '66b1a2c3d4e5f60718293b02';

let count = 0;
export function newId(): string {
  count += 1;
  return `5f5f5f5f5f5f${count.toString(16).padStart(12, '0')}`;
}

export function apiRow(apiId: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    _id: newId(),
    api_id: apiId,
    org_id: organisation,
    name: `The ${apiId}`,
    active: true,
    proxy: { listen_path: `/${apiId}/`, target_url: 'http://127.0.0.1:1', strip_listen_path: true },
    version_data: { not_versioned: true, versions: { RGVmYXVsdA: { name: 'RGVmYXVsdA' } } },
    tags: ['eu'],
    tags_disabled: false,
    ...more,
  };
}

export function policyRow(name: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    _id: newId(),
    org_id: organisation,
    name,
    rate: 10,
    per: 1,
    quota_max: -1,
    active: true,
    access_rights: { orders: { api_id: 'orders', api_name: 'Orders', versions: ['Default'], limit: null } },
    ...more,
  };
}

export function oasDocument(title: string) {
  return {
    openapi: '3.0.3',
    info: { title, version: '1' },
    paths: { '/orders/{id}': { get: { operationId: 'read' } } },
    'x-tyk-api-gateway': {
      info: { name: title },
      upstream: { url: 'x' },
      server: { listenPath: { value: '/x/' } },
    },
  };
}

export async function seedPeople(fixture: Pick<CatalogFixture, 'put'>): Promise<void> {
  const put = (table: CatalogTable, row: unknown) => fixture.put(table, JSON.stringify(row));
  await put('organisations', {
    _id: organisation,
    owner_name: 'Main',
    hybrid_enabled: true,
    event_options: { key_event: { redis: true } },
  });
  await put('organisations', {
    _id: otherOrganisation,
    owner_name: 'Other',
    hybrid_enabled: false,
    event_options: {},
  });
  const user = {
    _id: newId(),
    orgid: organisation,
    emailaddress: 'ada@example.com',
    accesskey: 'key-of-ada',
  };
  await put('users', { ...user, active: true, user_group_ids: ['team-a', 'team-b'] });
  await put('users', {
    ...{ _id: newId(), orgid: organisation, emailaddress: 'old@example.com', accesskey: 'key-of-old' },
    ...{ active: false, user_group_ids: [] },
  });
}

/** Does what the hub does: remembers what is in force. */
export class Loader {
  readonly #catalog: Catalog;
  state: CatalogState | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  readonly lastGood = (source: string): readonly Definition[] =>
    this.state?.definitions.filter((definition) => definition.source === source) ?? [];

  async load(): Promise<CatalogState> {
    this.state = await this.#catalog.load(this.lastGood);
    return this.state;
  }
}

/** By kind and id. */
export function named(state: CatalogState, id: string, kind: Definition['kind'] = 'api'): Definition {
  const found = state.definitions.find((definition) => definition.id === id && definition.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind} ${id}: ${JSON.stringify(state.quarantined)}`);
  return found;
}

/** What a body says, with every digit of its numbers. */
export function said(body: Buffer): Record<string, unknown> {
  return JSON.parse(quoteLongIntegers(body.toString('utf8'))) as Record<string, unknown>;
}

const ids = (state: CatalogState) => state.definitions.map(({ kind, id }) => `${kind}/${id}`).sort();

export function describeCatalog(name: string, open: () => Promise<CatalogFixture>): void {
  describe(`catalog: ${name}`, () => {
    let fixture: CatalogFixture;
    let loader: Loader;
    const put = (table: CatalogTable, row: unknown) => fixture.put(table, JSON.stringify(row));

    beforeEach(async () => {
      fixture = await open();
      loader = new Loader(fixture.catalog);
      await seedPeople(fixture);
    });
    afterEach(() => fixture.dispose());

    it('reads organisations, users and definitions of every kind', async () => {
      const policy = policyRow('Gold');
      await put('apis', apiRow('orders'));
      await put('policies', policy);
      await put('client_idps', {
        ...{
          _id: newId(),
          client_idp_id: 'idp',
          org_id: organisation,
          name: 'Readers',
          issuer: 'https://id/',
        },
        ...{ jwks_uri: 'https://id/jwks', scope_claim_name: 'scope', tags: ['eu'] },
        api_mappings: { orders: { scope_to_policy: { 'orders:read': policy._id } } },
      });
      const state = await loader.load();
      expect(state.quarantined).toEqual([]);
      expect(state.organisations).toEqual([
        { id: organisation, name: 'Main', hybridEnabled: true },
        { id: otherOrganisation, name: 'Other', hybridEnabled: false },
      ]);
      expect(state.users.map(({ id: _, ...user }) => user)).toEqual([
        {
          ...{ organisation, emailAddress: 'ada@example.com', accessKey: 'key-of-ada', active: true },
          groups: ['team-a', 'team-b'],
        },
        {
          ...{ organisation, emailAddress: 'old@example.com', accessKey: 'key-of-old', active: false },
          groups: [],
        },
      ]);
      expect(ids(state)).toEqual(['api/orders', 'client-idp/idp', `policy/${policy._id}`]);
      expect(named(state, 'orders')).toMatchObject({
        ...{ organisation, name: 'The orders', form: fixture.form, oas: undefined },
        visibility: { tags: ['eu'], tagsDisabled: false, ownerUsers: [], ownerGroups: [] },
      });
      expect(said(named(state, 'idp', 'client-idp').body)['api_mappings']).toEqual({
        orders: { scope_to_policy: { 'orders:read': policy._id } },
      });
    });

    it('follows edits, additions and removals, and leaves the rest as it was', async () => {
      const edited = apiRow('edited');
      const removed = apiRow('removed');
      await put('apis', edited);
      await put('apis', removed);
      await put('apis', apiRow('same'));
      const before = await loader.load();

      await put('apis', { ...edited, name: 'Another name' });
      await fixture.remove('apis', removed._id);
      await put('apis', apiRow('added'));
      const after = await loader.load();
      expect(ids(after)).toEqual(['api/added', 'api/edited', 'api/same']);
      expect(named(after, 'edited').name).toBe('Another name');
      expect(named(after, 'edited').hash).not.toBe(named(before, 'edited').hash);
      expect(named(after, 'same')).toBe(named(before, 'same'));
      expect(after.users[0]).toBe(before.users[0]);
      expect(after.organisations[0]).toBe(before.organisations[0]);
    });

    it('gives the same objects while nothing changes, also when a row is written again as it was', async () => {
      const row = apiRow('orders');
      await put('apis', row);
      await put('policies', policyRow('Gold'));
      const first = await loader.load();
      const second = await loader.load();
      await put('apis', row);
      const third = await loader.load();
      for (const later of [second, third]) {
        expect(later.definitions).toHaveLength(2);
        for (const [index, definition] of later.definitions.entries()) {
          expect(definition).toBe(first.definitions[index]);
        }
      }
    });

    it('quarantines what cannot be used by name, and keeps its last good version', async () => {
      const row = apiRow('orders');
      await put('apis', row);
      await put('apis', apiRow('other'));
      const before = await loader.load();
      await fixture.spoilApi(row._id);
      const spoilt = await loader.load();
      expect(spoilt.quarantined).toHaveLength(1);
      expect(spoilt.quarantined[0]?.source).toContain(row._id);
      expect(spoilt.quarantined[0]?.reason).toContain('proxy');
      expect(named(spoilt, 'orders')).toBe(named(before, 'orders'));
      expect(named(spoilt, 'other')).toBe(named(before, 'other'));

      await put('apis', { ...row, name: 'Well again' });
      const healed = await loader.load();
      expect(healed.quarantined).toEqual([]);
      expect(named(healed, 'orders').name).toBe('Well again');
    });

    it('serves no API of an organisation that does not exist, and names a second one of the same id', async () => {
      const stray = apiRow('stray', { org_id: 'nobody' });
      const second = { ...apiRow('orders'), _id: 'ffffffffffffffffffffffff' };
      await put('apis', apiRow('orders'));
      await put('apis', stray);
      await put('apis', second);
      const state = await loader.load();
      expect(ids(state)).toEqual(['api/orders']);
      const reasons = state.quarantined.map(({ source, reason }) => `${source} ${reason}`).sort();
      expect(reasons.join('\n')).toContain(second._id);
      // A slip of the pen in a folder; in a database what a deleted organisation left behind.
      expect(reasons).toHaveLength(fixture.form === 'plain' ? 2 : 1);
      if (fixture.form === 'plain') expect(reasons.join('\n')).toContain('there is no organisation "nobody"');
    });

    it('rejects while the control plane is away, and is as before when it is back', async () => {
      await put('apis', apiRow('orders'));
      const before = await loader.load();
      await fixture.cut();
      for (let attempt = 0; attempt < 2; attempt++) {
        const error = await fixture.catalog.load(loader.lastGood).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(CausewayError);
        expect((error as CausewayError).code).toBe('STORE_UNAVAILABLE');
      }
      await fixture.heal();
      const after = await eventually('the catalog to be back', () => loader.load().catch(() => undefined));
      expect(named(after, 'orders')).toBe(named(before, 'orders'));
      expect(after.users).toHaveLength(2);
    });

    it('tells of changes', async () => {
      await put('apis', apiRow('orders'));
      await loader.load();
      let told = 0;
      const unsubscribe = fixture.catalog.subscribe(() => {
        told += 1;
      });
      await put('apis', apiRow('added'));
      const state = await eventually('the change to be told', async () => {
        if (told === 0) return undefined;
        const loaded = await loader.load();
        return loaded.definitions.length === 2 ? loaded : undefined;
      });
      expect(ids(state)).toEqual(['api/added', 'api/orders']);
      unsubscribe();
    });

    it('says who owns an API', async () => {
      await put('apis', apiRow('owned', { user_owners: ['ada'], user_group_owners: ['team-a'] }));
      await put('apis', apiRow('free', { tags: [], tags_disabled: true }));
      const state = await loader.load();
      expect(named(state, 'owned').visibility).toMatchObject({
        ownerUsers: ['ada'],
        ownerGroups: ['team-a'],
      });
      expect(named(state, 'free').visibility).toEqual({
        ...{ tags: [], tagsDisabled: true, ownerUsers: [], ownerGroups: [] },
      });
    });

    it('passes fields through that it does not know, and 64-bit numbers', async () => {
      const row = JSON.stringify(
        apiRow('orders', {
          field_of_tomorrow: { deep: [1.5, true, null, 'text', { largest: 1 }] },
          expire_analytics_after: 2,
          config_data: { an_id: 3, smallest: 4 },
        }),
      )
        .replace('"largest":1', '"largest":9223372036854775807')
        .replace('"an_id":3', '"an_id":9007199254740993')
        .replace('"smallest":4', '"smallest":-9223372036854775808');
      await fixture.put('apis', row);
      const body = said(named(await loader.load(), 'orders').body);
      expect(body['field_of_tomorrow']).toEqual({
        deep: [1.5, true, null, 'text', { largest: '9223372036854775807' }],
      });
      expect(body['config_data']).toEqual({ an_id: '9007199254740993', smallest: '-9223372036854775808' });
      expect(body['expire_analytics_after']).toBe(2);
      expect(body['proxy']).toEqual((JSON.parse(row) as { proxy: unknown }).proxy);
    });

    it('has the OpenAPI document beside the definition', async () => {
      const document = oasDocument('Orders');
      const row = apiRow('orders', { is_oas: true, oas_doc: document });
      await put('apis', row);
      const state = await loader.load();
      const { body, oas } = named(state, 'orders');
      expect(JSON.parse(String(oas))).toEqual(document);
      expect(said(body)).not.toHaveProperty('oas_doc');
      expect(said(body)['id']).toBe(row._id);
      expect(said(body)).not.toHaveProperty('_id');
      await put('apis', { ...row, oas_doc: oasDocument('Orders, new') });
      expect(String(named(await loader.load(), 'orders').oas)).toContain('Orders, new');
    });

    it('serves exactly the rights that were written', { timeout: 60_000 }, async () => {
      const policy = policyRow('Gold');
      await fc.assert(
        fc.asyncProperty(accessRights, async (rights) => {
          const row = JSON.stringify({ ...policy, access_rights: {} }).replace(
            '"access_rights":{}',
            () => `"access_rights":${rights}`,
          );
          await fixture.put('policies', row);
          const { body } = named(await loader.load(), policy._id, 'policy');
          expect(said(body)['access_rights']).toEqual(JSON.parse(quoteLongIntegers(rights)));
        }),
        { numRuns: 40 },
      );
    });
  });
}

const word = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,11}$/).filter((text) => text !== '__proto__');
/** As JSON text: more digits than a JavaScript number has. */
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const integer = fc.integer().map(String);
const fraction = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((number) => String(number / 64));
const text = fc
  .string({ unit: 'grapheme-composite', maxLength: 12 })
  .map((one) => JSON.stringify(one.replaceAll('\0', '')));
const texts = fc.array(text, { maxLength: 3 }).map((items) => `[${items.join(',')}]`);

function object(members: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> {
  return fc.record(members, { requiredKeys: [] }).map(
    (value) =>
      `{${Object.entries(value)
        .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
        .join(',')}}`,
  );
}

const limit = object({
  ...{ rate: fraction, per: fraction, throttle_interval: fraction, throttle_retry_limit: integer },
  ...{
    max_query_depth: integer,
    quota_max: long,
    quota_renews: long,
    quota_remaining: long,
    quota_renewal_rate: long,
  },
  smoothing: object({ enabled: fc.constantFrom('true', 'false'), threshold: integer }),
});

/** The rights of a policy, as a gateway's structs have them. */
const accessRights = fc
  .dictionary(
    word,
    object({
      ...{ api_name: text, api_id: text, versions: texts, allowance_scope: text },
      allowed_urls: fc
        .array(object({ url: text, methods: texts }), { maxLength: 2 })
        .map((items) => `[${items.join(',')}]`),
      limit: fc.oneof(limit, fc.constant('null')),
      field_access_rights: fc
        .array(object({ type_name: text, field_name: text, limits: object({ max_query_depth: integer }) }), {
          maxLength: 2,
        })
        .map((items) => `[${items.join(',')}]`),
      disable_introspection: fc.constantFrom('true', 'false'),
      ...{ restricted_types: fc.constant('[{"name":"Query","fields":["a"]}]'), unheard_of: text },
    }),
    { maxKeys: 4, noNullPrototype: true },
  )
  .map(
    (rights) =>
      `{${Object.entries(rights)
        .map(([id, json]) => `${JSON.stringify(id)}:${json}`)
        .join(',')}}`,
  );
