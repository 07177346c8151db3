import { type OrganisationId, organisationId } from '../domain/identifiers.js';
import type { Organisation } from '../domain/organisation.js';
import { CausewayError } from '../errors/causeway-error.js';
import type { Distributor } from '../hub/distribution/distributor.js';
import type { KeyWriter } from '../hub/keyspace/key-writer.js';
import type {
  AdminOperations,
  CatalogProblems,
  KeyPage,
  KeyQuery,
  KeyReference,
  ListedKey,
  StoredSession,
} from '../transport/http/admin-operations.js';

/** Keys looked through for one listing. */
const listedKeysMax = 100_000;

export interface AdminParts {
  readonly keyWriter: KeyWriter;
  readonly distributor: Distributor;
  readonly organisations: () => readonly Organisation[];
  readonly status: () => Promise<unknown>;
}

/** What the CLI asks of a running hub, mapped to the hub. */
export class HubAdministration implements AdminOperations {
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  status(): Promise<unknown> {
    return this.#parts.status();
  }

  async listKeys({ organisation, prefix, limit, cursor }: KeyQuery): Promise<KeyPage> {
    const owner = this.#organisation(organisation);
    const found: ListedKey[] = [];
    for await (const key of this.#parts.keyWriter.list(owner, listedKeysMax)) {
      if (!key.id.startsWith(prefix) || (cursor !== undefined && key.id <= cursor)) continue;
      const { id, hashed, remainingTtlMs } = key;
      found.push({ name: id, organisation: owner, hashed, remainingTtlMs });
    }
    found.sort((a, b) => (a.name < b.name ? -1 : 1));
    const keys = found.slice(0, limit);
    return { keys, cursor: found.length > limit ? keys[keys.length - 1]?.name : undefined };
  }

  async getKey({ organisation, name, hashed }: KeyReference): Promise<StoredSession> {
    const owner = this.#organisation(organisation);
    const { value, remainingTtlMs } = await this.#parts.keyWriter.get(owner, { key: name, hashed });
    return { name, organisation: owner, hashed, remainingTtlMs, session: value };
  }

  async putKey(
    { organisation, name, hashed }: KeyReference,
    session: Buffer,
    ttlMs: number | undefined,
  ): Promise<void> {
    const owner = this.#organisation(organisation ?? organisationOf(session));
    await this.#parts.keyWriter.put(owner, { key: name, hashed }, session, ttlMs);
  }

  async removeKey({ organisation, name, hashed }: KeyReference): Promise<void> {
    await this.#parts.keyWriter.remove(this.#organisation(organisation), { key: name, hashed });
  }

  async catalogProblems(): Promise<CatalogProblems> {
    const { distributor } = this.#parts;
    return { quarantined: distributor.quarantined(), held: distributor.held() };
  }

  async acceptCatalog(organisation: string | undefined): Promise<number> {
    return this.#parts.distributor.accept(
      organisation === undefined ? undefined : organisationId(organisation),
    );
  }

  #organisation(named: string | undefined): OrganisationId {
    const known = this.#parts.organisations();
    if (named === undefined) {
      const [only, another] = known;
      if (only !== undefined && another === undefined) return only.id;
      throw new CausewayError('REQUEST_INVALID', 'organisation: name one, there are several');
    }
    const found = known.find(({ id }) => id === named);
    if (found === undefined) throw new CausewayError('NOT_FOUND', `organisation ${named} is not known`);
    return found.id;
  }
}

function organisationOf(session: Buffer): string | undefined {
  try {
    const parsed: unknown = JSON.parse(session.toString());
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const { org_id: owner } = parsed as { org_id?: unknown };
    return typeof owner === 'string' && owner !== '' ? owner : undefined;
  } catch {
    // The writer says what is wrong with it.
    return undefined;
  }
}
