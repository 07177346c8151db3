import { type Definition, definitionKey, sameVisibility } from './definition.js';
import type { Organisation, User } from './organisation.js';
import { bySource, type Claim, type Resolved, resolveClaims, type SourceProblem } from './resolve-claims.js';
import { letStandInsGiveWay, standsThere } from './stand-ins.js';

/** What the sources say, each list in the order of its sources. */
export interface CatalogClaims {
  readonly organisations: readonly Claim<Organisation>[];
  readonly users: readonly Claim<User>[];
  readonly definitions: readonly Claim<Definition>[];
}

export interface AssembledCatalog {
  readonly organisations: readonly Organisation[];
  readonly users: readonly User[];
  readonly definitions: readonly Definition[];
  readonly quarantined: readonly SourceProblem[];
  /** Sources left out because their organisation does not exist. */
  readonly orphans: readonly string[];
}

export interface AssemblyOptions {
  /**
   * What becomes of an item whose organisation does not exist. In a folder it is a slip of the pen: `quarantined`. A
   * database keeps rows of organisations that were deleted: `left-out`, they are nobody's. As long as a row of the
   * organisations cannot be read it is not known who is an orphan, and nobody is left out.
   */
  readonly orphans: 'quarantined' | 'left-out';
}

/**
 * Makes one state of what sources (files, rows) say each for themselves, and checks what only shows when they are
 * seen together: unknown organisations, names taken twice.
 *
 * It remembers what is in force, by source: the last good organisations and users, and the objects it gave out, so
 * that what did not change keeps its identity.
 */
export class CatalogAssembly {
  #organisations: ReadonlyMap<string, Organisation> = new Map();
  #users: ReadonlyMap<string, User> = new Map();
  #definitions: ReadonlyMap<string, Definition> = new Map();

  readonly #options: AssemblyOptions;

  constructor(options: AssemblyOptions) {
    this.#options = options;
  }

  assemble(claims: CatalogClaims, lastGood: (source: string) => readonly Definition[]): AssembledCatalog {
    const quarantined: SourceProblem[] = [];
    const organisations = this.#resolveOrganisations(claims.organisations, quarantined);
    const known = new Set<string>(organisations.map((organisation) => organisation.id));
    const isSure = !claims.organisations.some(({ problem }) => problem !== undefined);
    const orphans: string[] = [];
    const withoutOrphans = <Item extends { readonly organisation: string }>(given: readonly Claim<Item>[]) =>
      this.#options.orphans === 'quarantined' || !isSure
        ? given
        : given.filter(({ source, item, organisation = item?.organisation }) => {
            const isOrphan = organisation !== undefined && !known.has(organisation);
            if (isOrphan) orphans.push(source);
            return !isOrphan;
          });
    const users = this.#resolveUsers(withoutOrphans(claims.users), known, quarantined);
    const own = withoutOrphans(claims.definitions);
    const definitions = this.#resolveDefinitions(own, known, lastGood, quarantined);
    return { organisations, users, definitions, quarantined: quarantined.sort(bySource), orphans };
  }

  #resolveOrganisations(given: readonly Claim<Organisation>[], quarantined: SourceProblem[]): Organisation[] {
    const before = this.#organisations;
    const claims = given.map((claim) => ({ ...claim, item: same(before.get(claim.source), claim.item) }));
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
    given: readonly Claim<User>[],
    known: ReadonlySet<string>,
    quarantined: SourceProblem[],
  ): User[] {
    const before = this.#users;
    const lastGood = (source: string) => listOf(before.get(source));
    const claims = given
      .map((claim) => ({ ...claim, item: same(before.get(claim.source), claim.item) }))
      .map((claim) => requireOrganisation(claim, known));
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
    given: readonly Claim<Definition>[],
    known: ReadonlySet<string>,
    lastGood: (source: string) => readonly Definition[],
    quarantined: SourceProblem[],
  ): Definition[] {
    const before = this.#definitions;
    const claims = given
      .map((claim) => ({ ...claim, item: keep(before.get(claim.source), claim.item) }))
      .map((claim) => requireOrganisation(claim, known));
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
    const stood = (source: string, place: string) =>
      [...listOf(before.get(source)), ...lastGood(source)].some((former) => standsThere(former, place));
    const { items, gaveWay } = letStandInsGiveWay(resolved.items, stood);
    const missing = new Set(given.filter((claim) => claim.missing).map(({ source }) => source));
    quarantined.push(...resolved.quarantined, ...gaveWay.filter(({ source }) => !missing.has(source)));
    this.#definitions = bySourceOf(items);
    return items.map(({ item }) => item);
  }
}

/** The object given out before when nothing about it changed: it may have been written with equal content. */
function keep(former: Definition | undefined, definition: Definition | undefined): Definition | undefined {
  if (former === undefined || definition === undefined || former === definition) return definition;
  const equal =
    former.hash === definition.hash &&
    former.id === definition.id &&
    former.kind === definition.kind &&
    former.organisation === definition.organisation &&
    former.name === definition.name &&
    sameVisibility(former.visibility, definition.visibility);
  return equal ? former : definition;
}

/** People are small: they are compared whole. */
function same<Item>(former: Item | undefined, item: Item | undefined): Item | undefined {
  return former !== undefined && JSON.stringify(former) === JSON.stringify(item) ? former : item;
}

function requireOrganisation<Item extends { readonly organisation: string }>(
  claim: Claim<Item>,
  known: ReadonlySet<string>,
): Claim<Item> {
  if (claim.item === undefined || known.has(claim.item.organisation)) return claim;
  const reason = `org_id: there is no organisation ${JSON.stringify(claim.item.organisation)}`;
  return { ...claim, item: undefined, problem: { source: claim.source, reason } };
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
