import type { Change } from '../../../src/domain/change.js';
import type { Definition, DefinitionKind, Visibility } from '../../../src/domain/definition.js';
import { hashDefinition } from '../../../src/domain/definition-hash.js';
import { organisationId } from '../../../src/domain/identifiers.js';
import type { Organisation, User } from '../../../src/domain/organisation.js';
import { Distributor } from '../../../src/hub/distribution/distributor.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';
import { MemoryCatalog } from '../../memory/memory-catalog.js';
import { MemoryCatalogCopy } from '../../memory/memory-catalog-copy.js';
import { MemoryChangeLog } from '../../memory/memory-change-log.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

export const acme = organisationId('acme');
export const other = organisationId('other');

export const everyone: Visibility = { tags: [], tagsDisabled: false, ownerUsers: [], ownerGroups: [] };

export function definition(
  kind: DefinitionKind,
  id: string,
  { version = 1, organisation = acme, ...visibility }: DefinitionOptions = {},
): Definition {
  // Not by `id`: in an API that is 24 hex digits, and nothing else is served.
  const body = Buffer.from(JSON.stringify({ name: id, version }));
  return {
    kind,
    id,
    organisation,
    name: `name of ${id}`,
    hash: hashDefinition('plain', body, undefined),
    visibility: { ...everyone, ...visibility },
    form: 'plain',
    body,
    oas: undefined,
    source: `${kind}-${id}.json`,
  };
}

interface DefinitionOptions extends Partial<Visibility> {
  readonly version?: number;
  readonly organisation?: Definition['organisation'];
}

/** `count` definitions of one kind: `p1`, `p2`... */
export function several(kind: DefinitionKind, prefix: string, count: number): readonly Definition[] {
  return Array.from({ length: count }, (_, index) => definition(kind, `${prefix}${index + 1}`));
}

export const organisation = (id = acme): Organisation => ({ id, name: `${id}`, hybridEnabled: true });
export const user = (id: string, owner = acme): User => ({
  id,
  organisation: owner,
  emailAddress: `${id}@example.org`,
  accessKey: `key of ${id}`,
  active: true,
  groups: [],
});

/** A distributor over in-memory stores. */
export class DistributorFixture {
  readonly clock = new FakeClock();
  readonly metrics = recordingMetrics();
  readonly log = new RecordingLog();
  readonly catalog = new MemoryCatalog();
  catalogCopy = new MemoryCatalogCopy();
  changeLog = new MemoryChangeLog({ clock: this.clock });
  /** What became known of people, in order. */
  readonly people: { organisations: readonly Organisation[]; users: readonly User[] }[] = [];
  readonly #holdRemovals: boolean;
  distributor: Distributor;

  constructor(holdRemovals = true) {
    this.#holdRemovals = holdRemovals;
    this.catalog.organisations = [organisation()];
    this.catalog.users = [user('u')];
    this.distributor = this.#make();
  }

  async start(...definitions: readonly Definition[]): Promise<this> {
    this.catalog.put(...definitions);
    await this.distributor.start();
    return this;
  }

  /** A crash: what was durable stays. The catalog is the operator's and outlives the hub. */
  async restart(): Promise<void> {
    this.crash();
    await this.distributor.start();
  }

  crash(): void {
    this.catalogCopy = this.catalogCopy.restart();
    this.changeLog = this.changeLog.restart();
    this.distributor = this.#make();
  }

  async put(...definitions: readonly Definition[]): Promise<void> {
    this.catalog.put(...definitions);
    await settle();
  }

  async remove(...definitions: readonly Definition[]): Promise<void> {
    this.catalog.remove(...definitions);
    await settle();
  }

  inForce(owner = acme): readonly string[] {
    const definitions = this.distributor.snapshotOf(owner)?.definitions.values() ?? [];
    return [...definitions].map(({ id }) => id).sort();
  }

  get heldIds(): readonly string[] {
    return this.distributor
      .held()
      .map(({ id }) => id)
      .sort();
  }

  async logged(owner = acme): Promise<readonly Change[]> {
    return this.changeLog.read(owner, 0, 10_000);
  }

  /** The log in short: `+id` for a put, `-id` for a removal. */
  async loggedShort(owner = acme): Promise<readonly string[]> {
    return (await this.logged(owner)).map(({ body }) =>
      body.type === 'definition' ? `${body.after === undefined ? '-' : '+'}${body.id}` : '?',
    );
  }

  #make(): Distributor {
    return new Distributor({
      catalog: this.catalog,
      catalogCopy: this.catalogCopy,
      changeLog: this.changeLog,
      clock: this.clock,
      log: this.log,
      metrics: this.metrics,
      holdRemovals: this.#holdRemovals,
      onPeople: (organisations, users) => this.people.push({ organisations, users }),
    });
  }
}
