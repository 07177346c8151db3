import { type Definition, definitionKey, sameVisibility } from '../../domain/definition.js';
import type { Organisation, User } from '../../domain/organisation.js';
import type { CatalogState, QuarantinedItem } from '../../ports/catalog.js';
import { type FileItem, withOas } from './decode-file.js';
import { classicSourceOf, type FileRecord, oasSourceOf } from './file-table.js';
import { bySource, type Claim, type Resolved, resolveClaims } from './resolve-claims.js';

/** An API's two files as they were when they were put together. */
interface PairedApi {
  readonly classic: FileItem;
  readonly oas: FileItem;
  readonly definition: Definition;
}

/**
 * Makes one catalog state of what the files say each for themselves: pairs APIs with their OpenAPI documents, and
 * checks what only shows when files are seen together (unknown organisations, names taken twice).
 *
 * It remembers what is in force, by source: the last good organisations and users, and the objects it gave out, so
 * that what did not change keeps its identity.
 */
export class StateAssembler {
  #organisations: ReadonlyMap<string, Organisation> = new Map();
  #users: ReadonlyMap<string, User> = new Map();
  #definitions: ReadonlyMap<string, Definition> = new Map();
  readonly #paired = new Map<string, PairedApi>();

  assemble(
    records: ReadonlyMap<string, FileRecord>,
    lastGood: (source: string) => readonly Definition[],
  ): CatalogState {
    const quarantined: QuarantinedItem[] = [];
    const sorted = [...records.values()].sort(bySource);

    const organisations = this.#resolveOrganisations(sorted, quarantined);
    const known = new Set<string>(organisations.map((organisation) => organisation.id));
    const users = this.#resolveUsers(sorted, known, quarantined);
    const definitions = this.#resolveDefinitions(sorted, records, known, lastGood, quarantined);
    return { organisations, users, definitions, quarantined: quarantined.sort(bySource) };
  }

  #resolveOrganisations(records: readonly FileRecord[], quarantined: QuarantinedItem[]): Organisation[] {
    const before = this.#organisations;
    const claims = claimsOf(records, 'organisations/', ({ item, source }) =>
      item.type === 'organisation' ? same(before.get(source), item.organisation) : undefined,
    );
    const resolved = resolveClaims(claims, {
      keyOf: (organisation) => organisation.id,
      describe: (organisation) => `the organisation id ${JSON.stringify(organisation.id)}`,
      lastGood: (source) => listOf(before.get(source)),
      inForce: (source, key) => before.get(source)?.id === key,
    });
    quarantined.push(...resolved.quarantined);
    this.#organisations = bySourceOf(resolved.items);
    return resolved.items.map(({ item }) => item);
  }

  #resolveUsers(
    records: readonly FileRecord[],
    known: ReadonlySet<string>,
    quarantined: QuarantinedItem[],
  ): User[] {
    const before = this.#users;
    const lastGood = (source: string) => listOf(before.get(source));
    const claims = claimsOf(records, 'users/', ({ item, source }) =>
      item.type === 'user' ? same(before.get(source), item.user) : undefined,
    ).map((claim) => requireOrganisation(claim, known));
    const byId = resolveClaims(claims, {
      keyOf: (user) => user.id,
      describe: (user) => `the user id ${JSON.stringify(user.id)}`,
      lastGood,
      inForce: (source, key) => before.get(source)?.id === key,
    });
    const byAccessKey = resolveClaims(
      byId.items.map((resolved) => ({ ...resolved, problem: undefined, missing: false })),
      {
        keyOf: (user) => user.accessKey,
        describe: () => 'the access_key',
        lastGood,
        inForce: (source, key) => before.get(source)?.accessKey === key,
      },
    );
    quarantined.push(...byId.quarantined, ...byAccessKey.quarantined);
    this.#users = bySourceOf(byAccessKey.items);
    return byAccessKey.items.map(({ item }) => item);
  }

  #resolveDefinitions(
    sorted: readonly FileRecord[],
    records: ReadonlyMap<string, FileRecord>,
    known: ReadonlySet<string>,
    lastGood: (source: string) => readonly Definition[],
    quarantined: QuarantinedItem[],
  ): Definition[] {
    const before = this.#definitions;
    const claims: Claim<Definition>[] = [];
    for (const record of sorted) {
      if (!/^(apis|policies|client-idps)\//.test(record.source)) continue;
      const claim = this.#claimDefinition(record, records);
      if (claim !== undefined) claims.push(requireOrganisation(claim, known));
    }
    const resolved = resolveClaims(claims, {
      keyOf,
      describe: (definition) => `the ${definition.kind} id ${JSON.stringify(definition.id)}`,
      lastGood,
      inForce: (source, key) => {
        const former = before.get(source);
        if (former !== undefined) return keyOf(former) === key;
        return lastGood(source).some((definition) => keyOf(definition) === key);
      },
    });
    quarantined.push(...resolved.quarantined);
    this.#definitions = bySourceOf(resolved.items);
    for (const source of this.#paired.keys()) if (!records.has(source)) this.#paired.delete(source);
    return resolved.items.map(({ item }) => item);
  }

  /** Undefined: the file is the second one of a pair, and in order. */
  #claimDefinition(
    record: FileRecord,
    records: ReadonlyMap<string, FileRecord>,
  ): Claim<Definition> | undefined {
    const { source, item } = record;
    const missing = record.missingSinceMs !== undefined;
    const broken = (reason: string, at = source): Claim<Definition> => {
      return { source, item: undefined, problem: { source: at, reason }, missing };
    };
    if (item.type === 'oas') {
      const classic = classicSourceOf(source);
      return records.has(classic) || missing ? undefined : broken(`there is no ${classic} to go with it`);
    }
    if (item.type === 'problem') return this.#isReported(source, records) ? undefined : broken(item.reason);
    if (item.type !== 'definition') return undefined;
    if (!item.awaitsOas) return { source, item: this.#keep(item.definition), problem: undefined, missing };

    const oasSource = oasSourceOf(source);
    const oas = records.get(oasSource)?.item;
    if (oas === undefined) return broken(`is_oas is true and there is no ${oasSource}`);
    if (oas.type === 'problem') return broken(oas.reason, oasSource);
    if (oas.type !== 'oas') return undefined;
    return {
      source,
      item: this.#pair(source, item, item.definition, oas, oas.text),
      problem: undefined,
      missing,
    };
  }

  #pair(source: string, classic: FileItem, definition: Definition, oas: FileItem, text: Buffer): Definition {
    const former = this.#paired.get(source);
    if (former?.classic === classic && former.oas === oas) return this.#keep(former.definition);
    const paired = { classic, oas, definition: this.#keep(withOas(definition, text)) };
    this.#paired.set(source, paired);
    return paired.definition;
  }

  /** A broken OpenAPI document is told once, by the definition that needs it. */
  #isReported(source: string, records: ReadonlyMap<string, FileRecord>): boolean {
    if (!source.endsWith('-oas.json')) return false;
    const classic = records.get(classicSourceOf(source))?.item;
    return classic?.type === 'definition';
  }

  /** The object given out before when nothing about it changed: a file may have been written with equal content. */
  #keep(definition: Definition): Definition {
    const former = this.#definitions.get(definition.source);
    if (former === undefined || former === definition) return definition;
    const equal =
      former.hash === definition.hash &&
      former.id === definition.id &&
      former.kind === definition.kind &&
      former.organisation === definition.organisation &&
      former.name === definition.name &&
      sameVisibility(former.visibility, definition.visibility);
    return equal ? former : definition;
  }
}

function claimsOf<Item>(
  records: readonly FileRecord[],
  prefix: string,
  itemOf: (record: FileRecord) => Item | undefined,
): Claim<Item>[] {
  return records
    .filter((record) => record.source.startsWith(prefix))
    .map((record) => {
      const { source, item } = record;
      const reason = item.type === 'problem' ? item.reason : undefined;
      return {
        source,
        item: itemOf(record),
        problem: reason === undefined ? undefined : { source, reason },
        missing: record.missingSinceMs !== undefined,
      };
    });
}

function requireOrganisation<Item extends { readonly organisation: string }>(
  claim: Claim<Item>,
  known: ReadonlySet<string>,
): Claim<Item> {
  if (claim.item === undefined || known.has(claim.item.organisation)) return claim;
  const reason = `org_id: there is no organisation ${JSON.stringify(claim.item.organisation)}`;
  return { ...claim, item: undefined, problem: { source: claim.source, reason } };
}

/** People are small: they are compared whole. */
function same<Item>(former: Item | undefined, item: Item): Item {
  return former !== undefined && JSON.stringify(former) === JSON.stringify(item) ? former : item;
}

function keyOf(definition: Definition): string {
  return `${definition.organisation}/${definitionKey(definition.kind, definition.id)}`;
}

function listOf<Item>(item: Item | undefined): readonly Item[] {
  return item === undefined ? [] : [item];
}

function bySourceOf<Item>(resolved: readonly Resolved<Item>[]): ReadonlyMap<string, Item> {
  return new Map(resolved.map(({ source, item }) => [source, item]));
}
