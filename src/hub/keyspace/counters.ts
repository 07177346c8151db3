import type { OrganisationId } from '../../domain/identifiers.js';
import { hashAlgorithms, hashKey } from '../../domain/key-hash.js';
import { parseKeyName, sessionName } from '../../domain/key-names.js';
import { organisationOfRawKey } from '../../domain/key-token.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore } from '../../ports/key-store.js';
import { steadyNowMs } from '../../std/steady-time.js';
import { ownerOfSession } from './session-owner.js';

const blockedSuffix = '.BLOCKED';

/**
 * The counters that older gateways keep at the control plane: organisation quota and organisation rate
 * limit, and those of keys. Names are `quota-[<scope>-]<subject>` and `rate-limit-[<scope>-]<subject>`;
 * the subject is an organisation id or a key, raw or hashed. Source: worker-rpc reference, 3.2 and 6.1.
 */
export class Counters {
  readonly #store: KeyStore;
  readonly #clock: Clock;

  constructor(ports: { readonly store: KeyStore; readonly clock: Clock }) {
    this.#store = ports.store;
    this.#clock = ports.clock;
    // Asked now, so that it has not jumped yet.
    steadyNowMs(ports.clock);
  }

  /**
   * Adds one; the count afterwards. `ttlMs` is set when the counter begins; undefined: it stays for ever.
   * Rejects with OUT_OF_SCOPE when the name is not a counter of the worker's organisation.
   */
  async increment(identity: WorkerIdentity, name: string, ttlMs: number | undefined): Promise<number> {
    await this.#requireInScope(identity.organisation, name);
    return this.#store.increment(name, ttlMs !== undefined && ttlMs > 0 ? ttlMs : undefined);
  }

  /** Marks now in a sliding window; how many marks were in it before. Rejects as `increment`. */
  async addToWindow(identity: WorkerIdentity, name: string, windowMs: number): Promise<number> {
    if (!(windowMs > 0)) throw new CausewayError('REQUEST_INVALID', 'the window must be longer than 0');
    await this.#requireInScope(identity.organisation, name);
    return this.#store.addToWindow(name, windowMs, steadyNowMs(this.#clock));
  }

  async #requireInScope(organisation: OrganisationId, name: string): Promise<void> {
    const parsed = parseKeyName(name);
    if (parsed.kind === 'counter' && Buffer.byteLength(name) <= limits.keyNameBytesMax) {
      const { subject: whole } = parsed;
      const subject = whole.endsWith(blockedSuffix) ? whole.slice(0, -blockedSuffix.length) : whole;
      if (countsForOrganisation(subject, organisation)) return;
      const owner = await this.#ownerByKey(subject);
      if (owner === organisation) return;
    }
    // One answer for "somebody else's" and "nobody's": which of them is not the worker's business.
    throw new CausewayError('OUT_OF_SCOPE', 'no such counter');
  }

  /**
   * Where the scope ends and the subject begins is not marked. The longest reading that is a stored key
   * decides, whoever owns it: a shorter one could be made up around somebody else's counter.
   */
  async #ownerByKey(subject: string): Promise<OrganisationId | undefined> {
    const readings = readingsOf(subject);
    const sessions = await this.#store.getMany(readings.map(sessionName));
    for (const [index, reading] of readings.entries()) {
      const session = sessions[index];
      if (session !== undefined) return ownerOfSession(reading, session.value);
    }
    return organisationOfRawKey(subject);
  }
}

function countsForOrganisation(subject: string, organisation: OrganisationId): boolean {
  return (
    subject === organisation ||
    hashAlgorithms.some((algorithm) => hashKey(organisation, algorithm) === subject)
  );
}

/** The whole, and what stands behind each dash: scope and subject are ids, and ids may hold dashes. */
function readingsOf(subject: string): readonly string[] {
  const readings = [subject];
  for (let at = subject.indexOf('-'); at !== -1; at = subject.indexOf('-', at + 1)) {
    if (at + 1 < subject.length) readings.push(subject.slice(at + 1));
  }
  if (readings.length <= limits.keyReadingsMax) return readings;
  // Of a name with very many only the longest could be read wrongly; the shortest is the likeliest.
  return [...readings.slice(0, limits.keyReadingsMax - 1), ...readings.slice(-1)];
}
