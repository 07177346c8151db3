import { CausewayError } from '../../errors/causeway-error.js';

export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

/** A connection string, read. */
export interface PostgresAddress {
  /** Tried in this order. A host that begins with `/` is the folder of a Unix socket. Never empty. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string | undefined;
  /** Secret. */
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode;
  /** Paths of PEM files. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  /** Connect to a primary only, of several hosts. */
  readonly writable: boolean;
  /** Settings for each session: `search_path` and the like. */
  readonly settings: Readonly<Record<string, string>>;
}

const option = 'analytics.connection_string';
const portDefault = 5_432;
const connectTimeoutMsDefault = 10_000;

/**
 * Reads `host=db user=hub password='it''s' dbname=tyk` and `postgres://hub:pass@db-1,db-2:5433/tyk?sslmode=require`.
 * Names and meanings are those of libpq; any other name is a setting of the session, as the field's Go driver has it.
 * Throws CONFIG_INVALID; its message repeats nothing of the text, which holds a password.
 */
export function parseConnectionString(text: string): PostgresAddress {
  const trimmed = text.trim();
  if (trimmed === '') {
    throw invalid(
      'is empty',
      'give it as host=... user=... dbname=... or as postgres://user:password@host/database',
    );
  }
  const isUrl = /^postgres(?:ql)?:\/\//i.test(trimmed);
  if (!isUrl && /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)) {
    throw invalid(
      'is a URL of another kind of database',
      'for PostgreSQL it begins with postgres://; for MongoDB set analytics.type to mongo',
    );
  }
  return toAddress(isUrl ? pairsOfUrl(trimmed) : pairsOfKeywords(trimmed));
}

function pairsOfKeywords(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  let at = 0;
  const skipSpace = () => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  for (skipSpace(); at < text.length; skipSpace()) {
    const name = /^[^\s=]+/.exec(text.slice(at))?.[0] ?? '';
    at += name.length;
    skipSpace();
    if (name === '' || text[at] !== '=') {
      throw invalid(
        `has no "=" after its word ${pairs.size + 1}`,
        'write it as keyword=value, with spaces between',
      );
    }
    at++;
    skipSpace();
    pairs.set(name.toLowerCase(), readValue());
  }
  return pairs;

  function readValue(): string {
    const quoted = text[at] === "'";
    if (quoted) at++;
    let value = '';
    for (;;) {
      const character = text[at];
      if (character === undefined) {
        if (quoted)
          throw invalid('has a quote that is not closed', "close it, and write \\' for a quote in a value");
        return value;
      }
      if (quoted ? character === "'" : /\s/.test(character)) {
        if (quoted) at++;
        return value;
      }
      if (character === '\\' && at + 1 < text.length) at++;
      value += text[at];
      at++;
    }
  }
}

/** By hand: a URL object takes one host only. */
function pairsOfUrl(text: string): Map<string, string> {
  const match = /^[a-z]+:\/\/(?:(.*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/is.exec(text);
  if (match === null) {
    throw invalid(
      'is not a URL that can be read',
      'write postgres://user:password@host:5432/database?sslmode=require',
    );
  }
  const [, userinfo, hosts = '', database = '', query = ''] = match;
  const pairs = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) pairs.set(name.toLowerCase(), value);
  if (userinfo !== undefined) {
    const colon = userinfo.indexOf(':');
    const user = colon === -1 ? userinfo : userinfo.slice(0, colon);
    if (user !== '') pairs.set('user', decoded(user));
    if (colon !== -1) pairs.set('password', decoded(userinfo.slice(colon + 1)));
  }
  if (database !== '') pairs.set('dbname', decoded(database));
  if (hosts !== '') {
    const read = hosts.split(',').map((host) => /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host));
    if (read.includes(null))
      throw invalid('has a host that cannot be read', 'write host:port, with commas between several');
    pairs.set('host', read.map((one) => decoded((one?.[1] ?? '').replace(/^\[|\]$/g, ''))).join(','));
    pairs.set('port', read.map((one) => one?.[2] ?? '').join(','));
  }
  return pairs;
}

/** A password may hold a per cent sign that was never encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function toAddress(pairs: Map<string, string>): PostgresAddress {
  const take = (...names: readonly string[]): string | undefined => {
    let found: string | undefined;
    for (const name of names) {
      found ??= pairs.get(name) || undefined;
      pairs.delete(name);
    }
    return found;
  };
  const sslMode = (take('sslmode') ?? 'prefer').toLowerCase();
  if (!sslModes.includes(sslMode as SslMode)) {
    throw invalid('has an sslmode that does not exist', `sslmode is one of ${sslModes.join(', ')}`);
  }
  const timeout = take('connect_timeout');
  if (timeout !== undefined && !/^\d+$/.test(timeout)) {
    throw invalid('has a connect_timeout that is not a number', 'connect_timeout is in seconds');
  }
  const target = take('target_session_attrs');
  const address = {
    hosts: hostsOf(take('hostaddr', 'host') ?? 'localhost', take('port') ?? ''),
    user: take('user'),
    password: take('password'),
    database: take('dbname', 'database'),
    sslMode: sslMode as SslMode,
    sslRootCert: take('sslrootcert'),
    sslCert: take('sslcert'),
    sslKey: take('sslkey'),
    connectTimeoutMs: Number(timeout ?? 0) * 1_000 || connectTimeoutMsDefault,
    applicationName: take('application_name', 'fallback_application_name') ?? 'causeway',
    writable: target === 'read-write' || target === 'primary',
  };
  // Of libpq and the Go drivers, and without a meaning here. Times are written in UTC whatever the time zone.
  take('host', 'timezone', 'options', 'sslpassword', 'sslsni', 'gssencmode', 'channel_binding', 'passfile');
  take('default_query_exec_mode', 'statement_cache_capacity', 'client_encoding', 'krbsrvname', 'service');
  const wrong = [...pairs.keys()].find((name) => !/^[a-z_][a-z0-9_.]*$/.test(name));
  if (wrong !== undefined) throw invalid('has a keyword that is no name', 'quote values that hold spaces');
  return { ...address, settings: Object.fromEntries(pairs) };
}

function hostsOf(hostList: string, portList: string): PostgresAddress['hosts'] {
  const ports = portList.split(',');
  return hostList.split(',').map((host, index) => {
    const text = (ports.length === 1 ? ports[0] : ports[index]) || String(portDefault);
    const port = Number(text);
    if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
      throw invalid('has a port that is none', 'a port is a number from 1 to 65535');
    }
    return { host: host.trim() || 'localhost', port };
  });
}

function invalid(found: string, remedy: string): CausewayError {
  return new CausewayError('CONFIG_INVALID', `${option} ${found}: ${remedy}`);
}
