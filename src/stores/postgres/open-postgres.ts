import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { Client, QueryResultRow } from 'pg';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import { type PostgresAddress, parseConnectionString } from './connection-string.js';
import { explainPostgresError, isConnectionTrouble } from './postgres-errors.js';

export interface PostgresOptions {
  /** Secret. libpq keywords or a URL. */
  readonly connectionString: string;
  /** No extended queries, and so nothing that is prepared: for poolers that hand out another server each time. */
  readonly preferSimpleProtocol: boolean;
  readonly connectionsMax: number;
  /** Idle connections are closed after this. */
  readonly idleTimeoutMs?: number;
  /** For one statement, from sending it to its last row. */
  readonly queryTimeoutMs?: number;
  readonly clock: Clock;
}

/** A value of a statement. Lists become arrays of text. */
export type PostgresValue = string | number | boolean | null | readonly string[];

/** One connection, lent. Not to be used after `use` has settled. Every value of a row is text, or null. */
export interface PostgresSession {
  query<Row extends QueryResultRow>(text: string, values?: readonly PostgresValue[]): Promise<Row[]>;
  /** The same with rows as lists. */
  list(text: string, values?: readonly PostgresValue[]): Promise<(string | null)[][]>;
}

interface Connection {
  readonly client: Client;
  idleTimer: Timer | undefined;
  broken: boolean;
}

const idleTimeoutMsDefault = 60_000;
const queryTimeoutMsDefault = 30_000;

/**
 * Connections to one control plane's PostgreSQL, opened when they are needed. Of several hosts the first that takes
 * the connection is used, and with `target_session_attrs=read-write` the first that is a primary; a connection that
 * breaks, or whose server was demoted, is replaced at its next use, which is how a fail-over is followed.
 *
 * The driver's own pool knows one host only.
 */
export class Postgres {
  readonly address: PostgresAddress;
  readonly #options: PostgresOptions;
  readonly #idle: Connection[] = [];
  readonly #lent = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  #closed = false;

  /** Throws CONFIG_INVALID when the connection string cannot be read. Connects to nothing. */
  constructor(options: PostgresOptions) {
    this.#options = options;
    this.address = parseConnectionString(options.connectionString);
  }

  /**
   * Lends a connection. Rejects with STORE_UNAVAILABLE, naming the option and the remedy, when there is none to be
   * had; what `use` throws passes, for `explain`.
   */
  async run<Result>(use: (session: PostgresSession) => Promise<Result>): Promise<Result> {
    const connection = await this.#take();
    this.#lent.add(connection);
    try {
      return await use(this.#sessionOf(connection.client));
    } catch (thrown) {
      if (isConnectionTrouble(thrown)) connection.broken = true;
      throw thrown;
    } finally {
      this.#lent.delete(connection);
      this.#giveBack(connection);
    }
  }

  /** What `thrown` means for the operator. */
  explain(thrown: unknown): CausewayError {
    return explainPostgresError(thrown, this.address, this.address.hosts[0]);
  }

  /** Closes idle connections: the next use gets a fresh one. */
  refresh(): void {
    for (const connection of this.#idle.splice(0)) this.#end(connection);
  }

  /** Closes everything; what is lent fails where it is. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    this.refresh();
    for (const { client } of this.#lent) client.end().catch(() => undefined);
  }

  async #take(): Promise<Connection> {
    for (;;) {
      if (this.#closed) throw new CausewayError('SHUTTING_DOWN', 'the connections to PostgreSQL are closed');
      const idle = this.#idle.pop();
      if (idle !== undefined) {
        idle.idleTimer?.cancel();
        idle.idleTimer = undefined;
        if (!idle.broken) return idle;
        this.#end(idle);
        continue;
      }
      if (this.#open < this.#options.connectionsMax) break;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#open += 1;
    try {
      return await this.#connect();
    } catch (thrown) {
      this.#open -= 1;
      this.#waiting.shift()?.();
      throw thrown;
    }
  }

  #giveBack(connection: Connection): void {
    if (this.#closed || connection.broken) {
      this.#end(connection);
    } else {
      this.#idle.push(connection);
      connection.idleTimer = this.#options.clock.after(
        this.#options.idleTimeoutMs ?? idleTimeoutMsDefault,
        () => {
          const index = this.#idle.indexOf(connection);
          if (index === -1) return;
          this.#idle.splice(index, 1);
          this.#end(connection);
        },
      );
    }
    this.#waiting.shift()?.();
  }

  #end(connection: Connection): void {
    connection.idleTimer?.cancel();
    connection.broken = true;
    this.#open -= 1;
    connection.client.end().catch(() => undefined);
  }

  async #connect(): Promise<Connection> {
    let failure: CausewayError | undefined;
    for (const at of this.address.hosts) {
      try {
        return await this.#connectTo(at);
      } catch (thrown) {
        const error = explainPostgresError(thrown, this.address, at);
        if (error.code === 'CONFIG_INVALID') throw error;
        failure ??= error;
      }
    }
    throw failure ?? new CausewayError('INTERNAL', 'a connection string without a host');
  }

  async #connectTo(at: PostgresAddress['hosts'][number]): Promise<Connection> {
    const { sslMode } = this.address;
    const withTls = sslMode !== 'disable' && sslMode !== 'allow' && !at.host.startsWith('/');
    const connection = await this.#openOne(at, withTls).catch((thrown: unknown) => {
      const mayChange = sslMode === 'prefer' || sslMode === 'allow';
      if (!mayChange || at.host.startsWith('/') || !isAboutTls(thrown)) throw thrown;
      return this.#openOne(at, !withTls);
    });
    if (!this.address.writable) return connection;
    const [state] = await this.#sessionOf(connection.client).query<{ transaction_read_only: string }>(
      'show transaction_read_only',
    );
    if (state?.transaction_read_only !== 'on') return connection;
    connection.client.end().catch(() => undefined);
    throw new CausewayError(
      'STORE_UNAVAILABLE',
      `analytics.connection_string: ${at.host}:${at.port} is no primary, and target_session_attrs asks for one; name the primary among the hosts`,
    );
  }

  async #openOne(at: PostgresAddress['hosts'][number], withTls: boolean): Promise<Connection> {
    const { Client: PgClient } = (await import('pg')).default;
    const { address } = this;
    const client = new PgClient({
      host: at.host,
      port: at.port,
      ...(address.user === undefined ? {} : { user: address.user }),
      ...(address.password === undefined ? {} : { password: address.password }),
      ...(address.database === undefined ? {} : { database: address.database }),
      ssl: withTls ? await this.#tls() : false,
      connectionTimeoutMillis: address.connectTimeoutMs,
      query_timeout: this.#options.queryTimeoutMs ?? queryTimeoutMsDefault,
      keepAlive: true,
      application_name: address.applicationName,
      // Everything is asked for as text, and stays text: numbers keep their digits.
      types: { getTypeParser: () => (text: string) => text },
    } as ConstructorParameters<typeof PgClient>[0]);
    const connection: Connection = { client, idleTimer: undefined, broken: false };
    client.on('error', () => {
      connection.broken = true;
    });
    try {
      await client.connect();
      for (const [name, value] of Object.entries(address.settings)) {
        await client.query(
          `select set_config(${client.escapeLiteral(name)}, ${client.escapeLiteral(value)}, false)`,
        );
      }
    } catch (thrown) {
      client.end().catch(() => undefined);
      throw thrown;
    }
    return connection;
  }

  async #tls(): Promise<ConnectionOptions> {
    const { sslMode, sslRootCert, sslCert, sslKey } = this.address;
    const checksAuthority =
      sslMode.startsWith('verify') || (sslMode === 'require' && sslRootCert !== undefined);
    return {
      rejectUnauthorized: checksAuthority,
      ...(sslRootCert === undefined || sslRootCert === 'system'
        ? {}
        : { ca: await pemFile('sslrootcert', sslRootCert) }),
      ...(sslCert === undefined ? {} : { cert: await pemFile('sslcert', sslCert) }),
      ...(sslKey === undefined ? {} : { key: await pemFile('sslkey', sslKey) }),
      ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    };
  }

  #sessionOf(client: Client): PostgresSession {
    const simple = this.#options.preferSimpleProtocol;
    return {
      query: async <Row extends QueryResultRow>(text: string, values: readonly PostgresValue[] = []) => {
        if (simple || values.length === 0)
          return (await client.query<Row>(inline(client, text, values))).rows;
        return (await client.query<Row>(text, values as unknown[])).rows;
      },
      list: async (text, values = []) => {
        const prepared =
          simple || values.length === 0
            ? { text: inline(client, text, values) }
            : { text, values: values as unknown[] };
        return (await client.query<(string | null)[]>({ ...prepared, rowMode: 'array' })).rows;
      },
    };
  }
}

/** The statement with its values written into it: one simple query, which nothing has to prepare. */
function inline(client: Client, text: string, values: readonly PostgresValue[]): string {
  const literal = (value: PostgresValue): string => {
    if (value === null) return 'null';
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value === 'string') return client.escapeLiteral(value);
    return `array[${value.map((one) => client.escapeLiteral(one)).join(',')}]::text[]`;
  };
  return text.replace(/\$(\d+)/g, (_all, number: string) => literal(values[Number(number) - 1] ?? null));
}

/** Worth a second try with TLS instead of cleartext, or the other way round. */
function isAboutTls(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  return (
    code === '28000' || code.startsWith('ERR_SSL') || /does not support SSL/i.test(describeError(thrown))
  );
}

async function pemFile(keyword: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new CausewayError(
      'CONFIG_INVALID',
      `analytics.connection_string: the file of ${keyword} cannot be read; correct its path and rights`,
      { detail: describeError(cause), cause },
    );
  }
}
