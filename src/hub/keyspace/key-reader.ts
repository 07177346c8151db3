import { decryptPrivateKeys } from '../../domain/certificate-pem.js';
import { type KeyName, parseKeyName, sessionNamesOf, sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { KeyStore, ReadOptions, StoredValue } from '../../ports/key-store.js';
import type { Log, Obfuscate } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { SingleFlight } from '../../std/single-flight.js';
import { TokenBucket } from '../../std/token-bucket.js';
import { type ApiOwners, ownReadings } from './oauth-scope.js';
import { type SessionReading, SessionReadings } from './session-readings.js';

export interface KeyReaderPorts {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly obfuscate: Obfuscate;
  readonly apiOwners: ApiOwners;
  /** A session was given out: `id` is the raw key or its hash, as stored. */
  readonly onSession?: (id: string, organisation: WorkerIdentity['organisation']) => void;
}

export interface KeyReaderOptions {
  /** Sessions stand under the hash of their key. */
  readonly hashKeys: boolean;
  /** Secret with which the control plane encrypts private keys. Default empty: it does not. */
  readonly certificateSecret?: string;
}

interface Question {
  readonly asked: string;
  readonly parsed: KeyName;
  /** Names in the store that can answer it, best first. Empty: refused by its name. */
  readonly candidates: readonly string[];
}

/** Made once, because it is what nearly every read counts. */
const foundLabels = { result: 'found' };

/** Reads of the store that may share a call. */
interface Reads {
  readonly flights: SingleFlight<StoredValue | undefined>;
  readonly load: (names: readonly string[]) => ReturnType<KeyStore['getMany']>;
}

type Outcome = 'found' | 'not-found' | 'denied' | 'unreadable';

/**
 * Reads the control plane's keys for workers: the one place where a name from a worker becomes a read.
 *
 * Scope has two gates. Before the store: a name that says whose it is (certificate, organisation session,
 * OAuth item) is not even read for somebody else. After the store: a session is given only to the
 * organisation in it. Both refuse by answering as if there was nothing; only metrics and log can tell.
 *
 * Equal reads that overlap share one store call, also across organisations, because the gate stands behind
 * it. Nothing is remembered: a key may appear at any moment.
 */
export class KeyReader {
  readonly #ports: KeyReaderPorts;
  readonly #options: KeyReaderOptions;
  readonly #sessions = new SessionReadings();
  /** By what is asked for: only equal questions share an answer. */
  readonly #reads = new Map<number, Reads>();
  readonly #denialLines: TokenBucket;
  readonly #unreadableLines: TokenBucket;

  constructor(ports: KeyReaderPorts, options: KeyReaderOptions) {
    this.#ports = ports;
    this.#options = options;
    const rationed = { capacity: 10, tokensPerMinute: 10 };
    this.#denialLines = new TokenBucket(rationed, ports.clock.monotonicMs());
    this.#unreadableLines = new TokenBucket(rationed, ports.clock.monotonicMs());
  }

  /**
   * One answer per name, in order; undefined: nothing there for this worker. Rejects with LIMIT_EXCEEDED
   * for too many names and with STORE_UNAVAILABLE when the store fails: an error is never "not there".
   * `options.ttl` false is cheaper, for who does not look at `remainingTtlMs`. A value that is larger than
   * `options.valueBytesMax` comes with its size alone, before it is known whose it is; one that is larger
   * than `storedValueBytesMax` is answered as not found.
   */
  async read(
    identity: WorkerIdentity,
    names: readonly string[],
    options: ReadOptions = {},
  ): Promise<readonly (StoredValue | undefined)[]> {
    if (names.length > limits.keysPerCallMax) {
      this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'keysPerCallMax' });
      throw new CausewayError(
        'LIMIT_EXCEEDED',
        `${names.length} names in one call; keysPerCallMax is ${limits.keysPerCallMax}`,
      );
    }
    const [only] = names;
    if (names.length === 1 && only !== undefined) return [await this.readOne(identity, only, options)];
    const questions = names.map((name) => this.#questionOf(identity, name));
    const wanted = new Set<string>();
    for (const { candidates } of questions) {
      for (const name of candidates) wanted.add(name);
    }
    const values = await this.#load([...wanted], options);
    return questions.map((question) =>
      this.#answer(
        identity,
        question,
        question.candidates.map((name) => values.get(name)),
      ),
    );
  }

  /** As `read`, for one name. */
  async readOne(
    identity: WorkerIdentity,
    name: string,
    options: ReadOptions = {},
  ): Promise<StoredValue | undefined> {
    const question = this.#questionOf(identity, name);
    const { candidates } = question;
    const [only] = candidates;
    if (candidates.length === 1 && only !== undefined) {
      const { flights, load } = this.#readsOf(options);
      return this.#answer(identity, question, [await flights.fetchOne(only, load)]);
    }
    const values = await this.#load(candidates, options);
    return this.#answer(
      identity,
      question,
      candidates.map((candidate) => values.get(candidate)),
    );
  }

  /** Something happened to this name: what was remembered or is being read may be stale. */
  invalidate(name: string): void {
    const parsed = parseKeyName(name);
    const names = parsed.kind === 'bare' ? sessionNamesOf(parsed.id, this.#options.hashKeys) : [name];
    for (const one of names) {
      for (const { flights } of this.#reads.values()) flights.forget(one);
    }
  }

  async #load(
    names: readonly string[],
    options: ReadOptions,
  ): Promise<ReadonlyMap<string, StoredValue | undefined>> {
    if (names.length === 0) return new Map();
    const { flights, load } = this.#readsOf(options);
    const values = await flights.fetch(names, load);
    return new Map(names.map((name, index) => [name, values[index]]));
  }

  #readsOf({ ttl = true, valueBytesMax = limits.storedValueBytesMax }: ReadOptions): Reads {
    const key = ttl ? valueBytesMax : -valueBytesMax;
    let reads = this.#reads.get(key);
    if (reads !== undefined) return reads;
    const { store, metrics } = this.#ports;
    reads = {
      flights: new SingleFlight<StoredValue | undefined>(() =>
        metrics.add('causeway_store_errors_total', { store: 'keys' }),
      ),
      load: (names) => store.getMany(names, { ttl, valueBytesMax }),
    };
    this.#reads.set(key, reads);
    return reads;
  }

  #questionOf(identity: WorkerIdentity, asked: string): Question {
    if (Buffer.byteLength(asked) > limits.keyNameBytesMax) {
      this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'keyNameBytesMax' });
      return { asked, parsed: { kind: 'unreadable' }, candidates: [] };
    }
    const parsed = parseKeyName(asked);
    return { asked, parsed, candidates: this.#candidates(identity, asked, parsed) };
  }

  #candidates(identity: WorkerIdentity, asked: string, parsed: KeyName): readonly string[] {
    switch (parsed.kind) {
      case 'session':
        return [asked];
      case 'bare':
        return sessionNamesOf(parsed.id, this.#options.hashKeys);
      case 'organisation-session':
        return parsed.organisation === identity.organisation ? [asked] : [];
      case 'certificate': {
        const mayRead = parsed.organisation === undefined || parsed.organisation === identity.organisation;
        return mayRead ? [asked] : [];
      }
      case 'oauth':
        return ownReadings(parsed.readings, identity.organisation, this.#ports.apiOwners).length > 0
          ? [asked]
          : [];
      case 'counter':
      case 'unreadable':
        return [];
    }
  }

  #answer(
    identity: WorkerIdentity,
    question: Question,
    values: readonly (StoredValue | undefined)[],
  ): StoredValue | undefined {
    let outcome: Outcome = question.candidates.length === 0 ? 'denied' : 'not-found';
    for (const [index, name] of question.candidates.entries()) {
      const stored = values[index];
      if (stored === undefined) continue;
      if (stored.oversize !== undefined) {
        if (stored.oversize <= limits.storedValueBytesMax) return stored;
        this.#tellOversize(name, stored.oversize);
        outcome = 'unreadable';
        continue;
      }
      const { kind } = question.parsed;
      const isSession = kind === 'session' || kind === 'bare';
      const session =
        isSession || kind === 'organisation-session' ? this.#sessions.read(name, stored.value) : undefined;
      // The gate behind the store. Names that are not sessions have passed theirs before it.
      if (isSession && session?.owner !== identity.organisation) {
        outcome = 'denied';
        continue;
      }
      if (isSession) this.#ports.onSession?.(name.slice(sessionPrefix.length), identity.organisation);
      const answer =
        session !== undefined
          ? this.#decodable(name, stored, session)
          : kind === 'certificate'
            ? this.#inClear(name, stored)
            : stored;
      if (answer !== undefined) {
        this.#ports.metrics.add('causeway_keys_read_total', foundLabels);
        return answer;
      }
      outcome = 'unreadable';
    }
    this.#ports.metrics.add('causeway_keys_read_total', { result: outcome });
    if (outcome === 'denied') this.#tellDenied(identity, question);
    return undefined;
  }

  /** A gateway cannot use a session with a value of the wrong type, and says nothing of use about it. */
  #decodable(
    name: string,
    stored: StoredValue,
    { respelt, problem }: SessionReading,
  ): StoredValue | undefined {
    if (problem === undefined) return respelt === undefined ? stored : { ...stored, value: respelt };
    if (this.#unreadableLines.take(this.#ports.clock.monotonicMs())) {
      this.#ports.log.error('a session that no gateway can decode is answered as not found', {
        code: 'STORE_ITEM_UNREADABLE',
        name: this.#ports.obfuscate(name),
        reason: problem,
      });
    }
    return undefined;
  }

  /** Gateways of today refuse a certificate whose private key is still encrypted, so the hub decrypts it. */
  #inClear(name: string, stored: StoredValue): StoredValue | undefined {
    const value = decryptPrivateKeys(stored.value, this.#options.certificateSecret ?? '');
    if (value !== undefined) return value === stored.value ? stored : { ...stored, value };
    if (this.#unreadableLines.take(this.#ports.clock.monotonicMs())) {
      this.#ports.log.error(
        'a private key cannot be decrypted, its certificate is answered as not found; does security.private_certificate_encoding_secret have the value that the control plane encrypts with?',
        { code: 'STORE_ITEM_UNREADABLE', name },
      );
    }
    return undefined;
  }

  #tellOversize(name: string, bytes: number): void {
    this.#ports.metrics.add('causeway_limit_hits_total', { limit: 'storedValueBytesMax' });
    if (!this.#unreadableLines.take(this.#ports.clock.monotonicMs())) return;
    this.#ports.log.error('a stored value is too large to be read; it is answered as not found', {
      code: 'STORE_ITEM_UNREADABLE',
      limit: 'storedValueBytesMax',
      name: this.#ports.obfuscate(name),
      bytes,
    });
  }

  /** A worker may ask for anything as often as it likes, so the lines are rationed; the metric is not. */
  #tellDenied(identity: WorkerIdentity, { asked, parsed }: Question): void {
    // Old gateways ask for counters as a matter of course.
    if (parsed.kind === 'counter' || parsed.kind === 'unreadable') return;
    // And every gateway for `orgkey.<token>` of each token it does not know.
    if (parsed.kind === 'organisation-session') return;
    if (!this.#denialLines.take(this.#ports.clock.monotonicMs())) return;
    this.#ports.log.warn('a worker asked for a name that is not in its scope; answered as not found', {
      code: 'OUT_OF_SCOPE',
      organisation: identity.organisation,
      user: identity.user.id,
      name: this.#ports.obfuscate(asked),
    });
  }
}
