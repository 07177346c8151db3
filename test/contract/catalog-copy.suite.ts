import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Definition, DefinitionKind } from '../../src/domain/definition.js';
import { organisationId } from '../../src/domain/identifiers.js';
import type { Organisation, User } from '../../src/domain/organisation.js';
import type { CatalogCopy } from '../../src/ports/catalog-copy.js';
import type { OpenFixture, StoreFixture } from './fixture.js';

const orgA = organisationId('org-a');
const orgB = organisationId('org-b');

export function definition(
  id: string,
  {
    organisation = orgA,
    kind = 'api' as DefinitionKind,
    body = '{"x":1}',
    oas = undefined as Buffer | undefined,
  } = {},
): Definition {
  return {
    kind,
    id,
    organisation,
    name: `name of ${id}`,
    hash: `hash of ${body}`,
    visibility: { tags: ['edge'], tagsDisabled: false, ownerUsers: ['u'], ownerGroups: [] },
    form: 'database',
    body: Buffer.from(body),
    oas,
    source: `${id}.json`,
  };
}

const organisation: Organisation = { id: orgA, name: 'A', hybridEnabled: true };
const user: User = {
  id: 'u1',
  organisation: orgA,
  emailAddress: 'a@b',
  accessKey: 'secret',
  active: true,
  groups: ['g'],
};

export function describeCatalogCopy(name: string, open: OpenFixture<CatalogCopy>): void {
  describe(`catalog copy: ${name}`, () => {
    let fixture: StoreFixture<CatalogCopy>;
    let copy: CatalogCopy;

    beforeEach(async () => {
      fixture = await open();
      copy = fixture.store;
    });
    afterEach(() => fixture.dispose());

    /** Documents as text: comparing large buffers byte by byte takes the test runner seconds. */
    const readable = (all: readonly Definition[]) =>
      all.map((one) => ({ ...one, body: one.body.toString('latin1'), oas: one.oas?.toString('latin1') }));
    const saved = async () =>
      [...((await copy.read())?.definitions ?? [])].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));

    it('is undefined until something was saved, not empty', async () => {
      expect(await copy.read()).toBeUndefined();
      copy = await fixture.reopen();
      expect(await copy.read()).toBeUndefined();
      await copy.writePeople([], []);
      expect(await copy.read()).toEqual({ organisations: [], users: [], definitions: [] });
      copy = await fixture.reopen();
      expect(await copy.read()).toEqual({ organisations: [], users: [], definitions: [] });
    });

    it('is empty, not undefined, after the last definition went', async () => {
      await copy.writeDefinitions([definition('a')], []);
      await copy.writeDefinitions([], [{ organisation: orgA, key: 'api/a' }]);
      expect(await copy.read()).toEqual({ organisations: [], users: [], definitions: [] });
    });

    it('gives definitions back byte for byte', async () => {
      const all = [
        definition('a', {
          body: '{"big": 12345678901234567890, "é": "\\u0000"}',
          oas: Buffer.from('{"openapi":"3"}'),
        }),
        definition('b', { body: '', oas: Buffer.alloc(0) }),
        definition('c', { kind: 'policy', body: 'x'.repeat(3_000_000) }),
        definition('i'.repeat(4_000)),
      ];
      await copy.writeDefinitions(all, []);
      expect(readable(await saved())).toEqual(readable(all));
      copy = await fixture.reopen();
      expect(readable(await saved())).toEqual(readable(all));
    });

    it('replaces, adds and removes', async () => {
      await copy.writeDefinitions([definition('a'), definition('b'), definition('c')], []);
      await copy.writeDefinitions(
        [definition('b', { body: '{"y":2}' }), definition('d')],
        [
          { organisation: orgA, key: 'api/a' },
          { organisation: orgA, key: 'api/missing' },
        ],
      );
      expect((await saved()).map((one) => [one.id, one.body.toString()])).toEqual([
        ['b', '{"y":2}'],
        ['c', '{"x":1}'],
        ['d', '{"x":1}'],
      ]);
    });

    it('keeps kinds and organisations apart', async () => {
      const all = [
        definition('a'),
        definition('a', { kind: 'policy' }),
        definition('a', { kind: 'client-idp' }),
        definition('a', { organisation: orgB }),
      ];
      await copy.writeDefinitions(all, []);
      expect(await saved()).toHaveLength(4);
      await copy.writeDefinitions([], [{ organisation: orgB, key: 'api/a' }]);
      expect((await saved()).every((one) => one.organisation === orgA)).toBe(true);
      expect(await saved()).toHaveLength(3);
    });

    it('saves organisations and users as a whole', async () => {
      await copy.writePeople([organisation, { ...organisation, id: orgB }], [user]);
      await copy.writePeople([organisation], [user, { ...user, id: 'u2', active: false }]);
      copy = await fixture.reopen();
      expect(await copy.read()).toEqual({
        organisations: [organisation],
        users: [user, { ...user, id: 'u2', active: false }],
        definitions: [],
      });
    });
  });
}
