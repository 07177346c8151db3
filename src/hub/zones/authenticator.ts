import { createHmac, timingSafeEqual } from 'node:crypto';
import type { OrganisationId } from '../../domain/identifiers.js';
import { limits } from '../../domain/limits.js';
import type { Organisation, User } from '../../domain/organisation.js';
import type { WorkerIdentity, WorkerProtocol } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Metrics } from '../../ports/metrics.js';
import { FailedLogins } from './failed-logins.js';

export interface LoginRequest {
  readonly protocol: WorkerProtocol;
  readonly apiKey: string | undefined;
  /** Undefined: that of the key's user. */
  readonly organisation: string | undefined;
  /** Of the peer, without its port: failures are counted by it. */
  readonly address: string;
  /** Tells connections of one address apart; 0 or undefined: nobody asks. */
  readonly port?: number;
}

export type RevocationReason =
  | 'user-removed'
  | 'user-inactive'
  /** The worker may be about to learn its new key: closing at once is not a must. */
  | 'key-changed'
  | 'organisation-removed'
  | 'organisation-not-hybrid';

export interface Revocation {
  readonly organisation: OrganisationId;
  readonly user: string;
  readonly reason: RevocationReason;
}

interface Account {
  readonly user: User;
  readonly digest: Buffer;
}

interface People {
  readonly organisations: ReadonlyMap<OrganisationId, Organisation>;
  /** By organisation and user. */
  readonly accounts: ReadonlyMap<string, Account>;
  /** By the hex of the digest; several users may share a key by mistake. */
  readonly byDigest: ReadonlyMap<string, readonly Account[]>;
}

/**
 * Who a worker is. Keys are found by their HMAC under a key that lives only in this process, so neither the
 * look-up nor its timing says anything about a key that was tried.
 *
 * A refused key always gets the same answer, whatever was wrong with it. Failures are counted per address,
 * but the key is looked at first: whoever has a good one is let in however often others behind the same
 * address failed.
 */
export class Authenticator {
  readonly #metrics: Metrics;
  readonly #hmacKey: Uint8Array;
  readonly #failedLogins: FailedLogins;
  readonly #listeners = new Set<(revocation: Revocation) => void>();
  /** With which key an identity was proved. */
  readonly #provedBy = new WeakMap<WorkerIdentity, Buffer>();
  #people: People | undefined;

  /** `hmacKey`: at least 32 random bytes, made anew for each process. */
  constructor(
    ports: { readonly clock: Clock; readonly metrics: Metrics },
    options: { readonly hmacKey: Uint8Array; readonly failedLoginsPerMinuteMax?: number },
  ) {
    if (options.hmacKey.length < 32) throw new Error('hmacKey must have at least 32 bytes');
    this.#metrics = ports.metrics;
    this.#hmacKey = options.hmacKey;
    this.#failedLogins = new FailedLogins(
      ports.clock,
      options.failedLoginsPerMinuteMax ?? limits.failedLoginsPerMinuteMax,
    );
  }

  /**
   * Replaces all that is known, then tells the listeners who lost access. Cheap enough for each catalog
   * change: one HMAC per user.
   */
  setPeople(organisations: readonly Organisation[], users: readonly User[]): void {
    const before = this.#people;
    const accounts = new Map<string, Account>();
    const byDigest = new Map<string, Account[]>();
    for (const user of users) {
      const account = { user, digest: this.#digest(user.accessKey) };
      accounts.set(accountKey(user.organisation, user.id), account);
      if (user.accessKey === '') continue;
      const hex = account.digest.toString('hex');
      byDigest.set(hex, [...(byDigest.get(hex) ?? []), account]);
    }
    this.#people = {
      organisations: new Map(organisations.map((one) => [one.id, one])),
      accounts,
      byDigest,
    };
    if (before !== undefined) this.#tellRevoked(before, this.#people);
  }

  /** Calls back for each user whose sessions have to end. Returns the way to unsubscribe. */
  onRevoked(listener: (revocation: Revocation) => void): () => void {
    const own: typeof listener = (revocation) => listener(revocation);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * Throws API_KEY_REFUSED, ORGANISATION_REFUSED, LOGIN_RATE_LIMITED, or CATALOG_NOT_READY while nobody is
   * known yet, which counts as no failure.
   */
  login(request: LoginRequest): WorkerIdentity {
    const { protocol } = request;
    try {
      const identity = this.#identify(request);
      this.#metrics.add('causeway_logins_total', { protocol, result: 'accepted' });
      return identity;
    } catch (error) {
      const result = error instanceof CausewayError ? resultOf(error) : 'failed';
      this.#metrics.add('causeway_logins_total', { protocol, result });
      throw error;
    }
  }

  /**
   * Whether a session may go on. Takes the object that `login` returned: of a copy it cannot tell whether
   * the key has changed since.
   */
  isStillAllowed(identity: WorkerIdentity): boolean {
    const people = this.#people;
    if (people === undefined) return false;
    const account = people.accounts.get(accountKey(identity.organisation, identity.user.id));
    if (account === undefined || !account.user.active) return false;
    if (people.organisations.get(identity.organisation)?.hybridEnabled !== true) return false;
    const provedBy = this.#provedBy.get(identity);
    return provedBy === undefined || timingSafeEqual(provedBy, account.digest);
  }

  #identify(request: LoginRequest): WorkerIdentity {
    const people = this.#people;
    if (people === undefined) {
      throw new CausewayError('CATALOG_NOT_READY', 'the hub does not know its users yet; try again');
    }
    const accounts = this.#accountsOf(people, request.apiKey ?? '');
    if (accounts.length === 0) throw this.#refusedKey(request.address);
    const { user, digest } = chooseAccount(accounts, request.organisation);
    const organisation = people.organisations.get(user.organisation);
    if (organisation?.hybridEnabled !== true) {
      throw new CausewayError(
        'ORGANISATION_REFUSED',
        organisation === undefined
          ? `organisation ${user.organisation} is not known`
          : `organisation ${user.organisation} is not hybrid-enabled: set hybrid_enabled in its record at the control plane`,
      );
    }
    const identity: WorkerIdentity = {
      organisation: user.organisation,
      user: { id: user.id, groups: user.groups },
    };
    this.#provedBy.set(identity, digest);
    return identity;
  }

  #accountsOf(people: People, apiKey: string): readonly Account[] {
    const digest = this.#digest(apiKey);
    const candidates = people.byDigest.get(digest.toString('hex')) ?? [];
    return candidates.filter((one) => one.user.active && timingSafeEqual(one.digest, digest));
  }

  /** A key of another organisation is a mistake in a config file, not a guess: only bad keys are counted. */
  #refusedKey(address: string): CausewayError {
    if (this.#failedLogins.note(address)) {
      return new CausewayError('API_KEY_REFUSED', 'the API key is not valid');
    }
    this.#metrics.add('causeway_limit_hits_total', { limit: 'failedLoginsPerMinuteMax' });
    return new CausewayError('LOGIN_RATE_LIMITED', 'too many failed logins; try again in a minute');
  }

  #tellRevoked(before: People, after: People): void {
    for (const [key, account] of before.accounts) {
      const { organisation, active, id } = account.user;
      const hadAccess = active && before.organisations.get(organisation)?.hybridEnabled === true;
      const reason = hadAccess ? revocationReason(account, after.accounts.get(key), after) : undefined;
      if (reason === undefined) continue;
      for (const listener of [...this.#listeners]) listener({ organisation, user: id, reason });
    }
  }

  #digest(apiKey: string): Buffer {
    return createHmac('sha256', this.#hmacKey).update(apiKey, 'utf8').digest();
  }
}

function chooseAccount(accounts: readonly Account[], organisation: string | undefined): Account {
  const chosen = accounts.find((one) => organisation === undefined || one.user.organisation === organisation);
  if (chosen === undefined) {
    throw new CausewayError(
      'ORGANISATION_REFUSED',
      `the API key is not valid for organisation ${organisation?.slice(0, 64)}`,
    );
  }
  if (
    organisation === undefined &&
    accounts.some((one) => one.user.organisation !== chosen.user.organisation)
  ) {
    throw new CausewayError('ORGANISATION_REFUSED', 'the API key belongs to several organisations; name one');
  }
  return chosen;
}

function revocationReason(
  before: Account,
  after: Account | undefined,
  people: People,
): RevocationReason | undefined {
  const organisation = people.organisations.get(before.user.organisation);
  if (organisation === undefined) return 'organisation-removed';
  if (!organisation.hybridEnabled) return 'organisation-not-hybrid';
  if (after === undefined) return 'user-removed';
  if (!after.user.active) return 'user-inactive';
  return timingSafeEqual(before.digest, after.digest) ? undefined : 'key-changed';
}

function resultOf({ code }: CausewayError): string {
  switch (code) {
    case 'API_KEY_REFUSED':
      return 'key-refused';
    case 'ORGANISATION_REFUSED':
      return 'organisation-refused';
    case 'LOGIN_RATE_LIMITED':
      return 'rate-limited';
    case 'CATALOG_NOT_READY':
      return 'not-ready';
    default:
      return 'failed';
  }
}

function accountKey(organisation: OrganisationId, user: string): string {
  return JSON.stringify([organisation, user]);
}
