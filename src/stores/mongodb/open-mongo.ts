import type { Db, MongoClient, MongoClientOptions, ReadPreferenceMode } from 'mongodb';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import { explainMongoError } from './mongo-errors.js';
import { type MongoUrl, parseMongoUrl } from './mongo-url.js';

export interface MongoOptions {
  /** Secret. */
  readonly connectionString: string;
  readonly useSsl: boolean;
  readonly sslInsecureSkipVerify: boolean;
  readonly sslAllowInvalidHostnames: boolean;
  /** Paths of PEM files; empty: none. */
  readonly sslCaFile: string;
  readonly sslPemKeyFile: string;
  readonly sessionConsistency: 'Strong' | 'Monotonic' | 'Eventual';
  readonly directConnection: boolean;
}

/** Once a server is lost, this long is waited for another one: long enough for most elections. */
const serverSelectionTimeoutMs = 8_000;
const connectTimeoutMs = 10_000;
const socketTimeoutMs = 60_000;

/** Whom to read from, in the words of the field's first driver. */
const readPreferences: Readonly<Record<MongoOptions['sessionConsistency'], ReadPreferenceMode>> = {
  Strong: 'primary',
  Monotonic: 'secondaryPreferred',
  Eventual: 'nearest',
};

/**
 * The control plane's MongoDB. The driver watches all members of a replica set and follows the primary; what is
 * left to do here is to begin again when the first connection failed.
 */
export class Mongo {
  readonly url: MongoUrl;
  readonly #options: MongoOptions;
  #client: MongoClient | undefined;
  #connecting: Promise<MongoClient> | undefined;
  #closed = false;

  /** Throws CONFIG_INVALID when the URL cannot be read. Connects to nothing. */
  constructor(options: MongoOptions) {
    this.#options = options;
    this.url = parseMongoUrl(options.connectionString);
  }

  /** Rejects with STORE_UNAVAILABLE, naming the option and the remedy, when no server can be reached. */
  async database(): Promise<Db> {
    if (this.#closed) throw new CausewayError('SHUTTING_DOWN', 'the connections to MongoDB are closed');
    if (this.#client === undefined) {
      this.#connecting ??= this.#connect().finally(() => {
        this.#connecting = undefined;
      });
      this.#client = await this.#connecting;
    }
    return this.#client.db(this.url.database);
  }

  /** What `thrown` means for the operator. */
  explain(thrown: unknown): CausewayError {
    return explainMongoError(thrown, this.url);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client ?? (await this.#connecting?.catch(() => undefined));
    this.#client = undefined;
    await client?.close().catch(() => undefined);
  }

  async #connect(): Promise<MongoClient> {
    const driver = await import('mongodb');
    let client: MongoClient;
    try {
      client = new driver.MongoClient(this.url.url, this.#driverOptions());
    } catch (thrown) {
      // The driver's own words may hold a part of the URL.
      throw new CausewayError(
        'CONFIG_INVALID',
        'analytics.mongo_url has hosts or options that do not go together; compare it with the manual of MongoDB, "Connection Strings"',
        { detail: describeError(thrown) },
      );
    }
    try {
      await client.connect();
      return client;
    } catch (thrown) {
      await client.close().catch(() => undefined);
      throw this.explain(thrown);
    }
  }

  #driverOptions(): MongoClientOptions {
    const options = this.#options;
    const given = new Map(
      [...new URLSearchParams(this.url.url.split('?')[1] ?? '')].map(([name, value]) => [
        name.toLowerCase(),
        value,
      ]),
    );
    const has = (name: string) => given.has(name.toLowerCase());
    const tls = options.useSsl || given.get('tls') === 'true' || given.get('ssl') === 'true';
    const files = tls || this.url.url.startsWith('mongodb+srv:');
    return {
      appName: 'causeway',
      ...(has('serverSelectionTimeoutMS') ? {} : { serverSelectionTimeoutMS: serverSelectionTimeoutMs }),
      ...(has('connectTimeoutMS') ? {} : { connectTimeoutMS: connectTimeoutMs }),
      ...(has('socketTimeoutMS') ? {} : { socketTimeoutMS: socketTimeoutMs }),
      ...(has('readPreference') ? {} : { readPreference: readPreferences[options.sessionConsistency] }),
      ...(has('maxPoolSize') ? {} : { maxPoolSize: 8 }),
      ...(options.directConnection ? { directConnection: true } : {}),
      ...(options.useSsl ? { tls: true } : {}),
      ...(files && options.sslInsecureSkipVerify ? { tlsAllowInvalidCertificates: true } : {}),
      ...(files && (options.sslInsecureSkipVerify || options.sslAllowInvalidHostnames)
        ? { tlsAllowInvalidHostnames: true }
        : {}),
      ...(files && options.sslCaFile !== '' ? { tlsCAFile: options.sslCaFile } : {}),
      ...(files && options.sslPemKeyFile !== '' ? { tlsCertificateKeyFile: options.sslPemKeyFile } : {}),
    };
  }
}
