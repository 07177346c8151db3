import type { Configuration } from '../config/configuration.js';
import { decryptPrivateKeys } from '../domain/certificate-pem.js';
import { sessionPrefix } from '../domain/key-names.js';
import { limits } from '../domain/limits.js';
import type { Organisation } from '../domain/organisation.js';
import {
  doubtsOf,
  folderOption,
  type SettingDoubt,
  type SettingEvidence,
} from '../domain/setting-evidence.js';
import { describeError } from '../errors/causeway-error.js';
import { ownerOfSession } from '../hub/keyspace/session-owner.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { Component } from '../ports/component.js';
import type { KeyStore } from '../ports/key-store.js';
import type { KeyStoreFacts } from '../ports/key-store-facts.js';
import type { Log } from '../ports/log.js';
import { yieldTurn } from '../std/yield-turn.js';

/** What the stores offer for a look at them. */
export interface SurveyedStores {
  readonly keyStore: KeyStore;
  /** Undefined: the key store is ours alone, and read like anything else. */
  readonly keyStoreFacts?: (() => Promise<KeyStoreFacts>) | undefined;
  /** The wall clock of the database that holds the catalog. */
  readonly catalogClockMs?: (() => Promise<number | undefined>) | undefined;
  /** Notifications by their signature; undefined: signatures are not looked at. */
  readonly notifications?: (() => SettingEvidence['notifications']) | undefined;
  /** Undefined: the catalog has not been read. */
  readonly organisations: () => readonly Organisation[] | undefined;
}

const sessionsReadMax = 200;
const certificatesReadMax = 50;
/** A start waits so long for the first look, so that it is known when the hub is said to be ready. */
const firstLookMs = 2_000;
const periodMs = 600_000;
/** With something in doubt, or a catalog that is not read yet: whoever puts it right shall see it. */
const doubtedPeriodMs = 15_000;

/** Holds the configuration against samples of the stores. Rejects with STORE_UNAVAILABLE. */
export async function surveySettings(
  configuration: Configuration,
  stores: SurveyedStores,
  clock: Clock,
): Promise<readonly SettingDoubt[]> {
  const { keyStore } = stores;
  const facts = await (stores.keyStoreFacts ?? (() => factsOf(keyStore)))();
  const owners = await ownersOf(keyStore, facts.sessionNames.slice(0, sessionsReadMax));
  const organisations = stores.organisations();
  const known = new Set<string>(organisations?.map(({ id }) => id));
  const { storage, storageType, analytics, security } = configuration;
  const secret = security.privateCertificateEncodingSecret;
  return doubtsOf(
    {
      hashKeys: configuration.hashKeys,
      hasCertificateSecret: secret !== '',
      keyDatabase: storageType === 'redis' ? storage.database : 0,
      catalogOption: catalogOptionOf(analytics.type),
    },
    {
      ...facts,
      privateKeys: await privateKeysOf(
        keyStore,
        facts.certificateNames.slice(0, certificatesReadMax),
        secret,
      ),
      clocks: [
        ...(facts.clockAheadMs === undefined ? [] : [{ store: 'redis', aheadMs: facts.clockAheadMs }]),
        ...(await catalogClock(stores, clock)),
      ],
      catalog: organisations && {
        organisations: organisations.length,
        hybridEnabled: organisations.filter(({ hybridEnabled }) => hybridEnabled).length,
        ownersKnown: owners.filter((owner) => known.has(owner)).length,
      },
      owners: owners.length,
      notifications: stores.notifications?.(),
    },
  );
}

function catalogOptionOf(type: Configuration['analytics']['type']): string {
  if (type === 'embedded') return folderOption;
  return type === 'postgres' ? 'analytics.connection_string' : 'analytics.mongo_url';
}

async function factsOf(store: KeyStore): Promise<KeyStoreFacts> {
  const first = async (prefix: string): Promise<readonly string[]> => {
    const names: string[] = [];
    for await (const page of store.scan(prefix, 100)) {
      names.push(...page);
      if (names.length >= limits.evidenceNamesMax) break;
    }
    return names.slice(0, limits.evidenceNamesMax);
  };
  return { sessionNames: await first(sessionPrefix), certificateNames: await first('cert-raw-') };
}

async function ownersOf(store: KeyStore, names: readonly string[]): Promise<readonly string[]> {
  const values = await store.getMany(names, { ttl: false });
  return names.flatMap((name, index) => {
    const stored = values[index];
    return stored === undefined ? [] : (ownerOfSession(name.slice(sessionPrefix.length), stored.value) ?? []);
  });
}

async function privateKeysOf(
  store: KeyStore,
  names: readonly string[],
  secret: string,
): Promise<SettingEvidence['privateKeys']> {
  let encrypted = 0;
  let opened = 0;
  for (const stored of await store.getMany(names, { ttl: false })) {
    if (stored === undefined) continue;
    const clear = decryptPrivateKeys(stored.value, secret);
    if (clear === stored.value) continue;
    encrypted += 1;
    if (clear !== undefined) opened += 1;
    await yieldTurn();
  }
  return { encrypted, opened };
}

/** A catalog that is away is told elsewhere, and no reason not to look at the keys. */
async function catalogClock(stores: SurveyedStores, clock: Clock): Promise<SettingEvidence['clocks']> {
  const askedMs = clock.nowMs();
  const theirs = await stores.catalogClockMs?.().catch(() => undefined);
  if (theirs === undefined) return [];
  return [{ store: 'the catalog database', aheadMs: theirs - (askedMs + clock.nowMs()) / 2 }];
}

/**
 * Looks when the hub starts, and again from time to time, whether the settings fit what the stores hold, and keeps the
 * hub from being ready with one that cannot be right.
 */
export class SettingsSurvey implements Component {
  readonly name = 'settings';
  readonly #stores: SurveyedStores;
  readonly #look: () => Promise<readonly SettingDoubt[]>;
  readonly #clock: Clock;
  readonly #log: Log;
  #doubts: readonly SettingDoubt[] = [];
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #looked = false;
  #stopped = false;

  constructor(configuration: Configuration, stores: SurveyedStores, ports: { clock: Clock; log: Log }) {
    this.#stores = stores;
    this.#look = () => surveySettings(configuration, stores, ports.clock);
    this.#clock = ports.clock;
    this.#log = ports.log;
  }

  async start(): Promise<void> {
    this.#looking = this.#lookNow();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.after(firstLookMs, resolve);
    });
    await Promise.race([this.#looking, late]);
    timer?.cancel();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  notReady(): string | undefined {
    return this.#doubts.find(({ refuses }) => refuses)?.text;
  }

  doubts(): readonly SettingDoubt[] {
    return this.#doubts;
  }

  async #lookNow(): Promise<void> {
    let nextMs = doubtedPeriodMs;
    const isWhole = this.#stores.organisations() !== undefined;
    try {
      const doubts = await this.#look();
      this.#tell(doubts);
      this.#doubts = doubts;
      this.#looked = true;
      if (doubts.length === 0 && isWhole) nextMs = periodMs;
    } catch (error) {
      // What comes back after the start shall not be taken for sound until it was looked at.
      if (!this.#looked) nextMs = firstLookMs;
      this.#log.debug('the settings could not be held against the stores', { reason: describeError(error) });
    }
    if (this.#stopped) return;
    this.#timer = this.#clock.after(nextMs, () => {
      this.#looking = this.#lookNow();
    });
  }

  /** Once for each option, though the figures of a sample differ from one to the next. */
  #tell(doubts: readonly SettingDoubt[]): void {
    const keyOf = ({ option, refuses }: SettingDoubt) => `${option} ${refuses}`;
    const told = new Set(this.#doubts.map(keyOf));
    for (const doubt of doubts) {
      if (told.has(keyOf(doubt))) continue;
      if (doubt.refuses)
        this.#log.error('a setting does not fit what the stores hold; not ready', { setting: doubt.text });
      else this.#log.warn('a setting may not fit what the stores hold', { setting: doubt.text });
    }
    const still = new Set(doubts.map(keyOf));
    for (const doubt of this.#doubts) {
      if (!still.has(keyOf(doubt)))
        this.#log.info('a setting is no longer in doubt', { option: doubt.option });
    }
  }
}
