import { CausewayError } from '../../errors/causeway-error.js';

export interface MongoUrl {
  /** Secret. What the driver takes. */
  readonly url: string;
  readonly database: string;
  /** `user` of the URL, for messages. */
  readonly user: string | undefined;
  /** `host:port` of the first host, for messages. */
  readonly firstHost: string;
  /** Options in the URL that mean nothing here, and were left out. */
  readonly ignored: readonly string[];
}

const databaseDefault = 'tyk_analytics';

/** In lower case. Those of the field's other drivers have no meaning here, and are no reason not to start. */
const knownOptions = new Set(
  [
    ...[
      'appName',
      'authMechanism',
      'authMechanismProperties',
      'authSource',
      'compressors',
      'connectTimeoutMS',
    ],
    ...[
      'directConnection',
      'heartbeatFrequencyMS',
      'journal',
      'loadBalanced',
      'localThresholdMS',
      'maxConnecting',
    ],
    ...['maxIdleTimeMS', 'maxPoolSize', 'maxStalenessSeconds', 'minPoolSize', 'proxyHost', 'proxyPassword'],
    ...[
      'proxyPort',
      'proxyUsername',
      'readConcernLevel',
      'readPreference',
      'readPreferenceTags',
      'replicaSet',
    ],
    ...['retryReads', 'retryWrites', 'serverMonitoringMode', 'serverSelectionTimeoutMS', 'socketTimeoutMS'],
    ...['srvMaxHosts', 'srvServiceName', 'ssl', 'timeoutMS', 'tls', 'tlsAllowInvalidCertificates'],
    ...['tlsAllowInvalidHostnames', 'tlsCAFile', 'tlsCertificateKeyFile', 'tlsCertificateKeyFilePassword'],
    ...['tlsInsecure', 'w', 'wTimeoutMS', 'waitQueueTimeoutMS', 'zlibCompressionLevel'],
  ].map((name) => name.toLowerCase()),
);

/**
 * Takes a MongoDB URL apart as far as a hub has to know it, and puts it together as the driver wants it: user and
 * password are encoded where somebody forgot to, `connect=direct` of an older driver becomes `directConnection`, and
 * unknown options are left out. Throws CONFIG_INVALID; its message repeats nothing of the text.
 */
export function parseMongoUrl(text: string): MongoUrl {
  const trimmed = text.trim();
  if (trimmed === '') {
    throw invalid('is empty', 'give it as mongodb://user:password@host:27017/tyk_analytics');
  }
  const scheme = /^(mongodb(?:\+srv)?:\/\/)(.*)$/is.exec(trimmed);
  if (scheme === null) {
    throw invalid(
      'is no URL of MongoDB',
      'it begins with mongodb:// or mongodb+srv://; for PostgreSQL set analytics.type to postgres and give analytics.connection_string',
    );
  }
  const [, prefix = '', rest = ''] = scheme;
  const { userinfo, hosts, path, query } = takeApart(rest);
  const credentials = userinfo === undefined ? undefined : readUserinfo(userinfo);
  const { kept, ignored } = readOptions(query);
  return {
    url: `${prefix.toLowerCase()}${credentials?.text ?? ''}${hosts}/${path}${kept === '' ? '' : `?${kept}`}`,
    database: decoded(path) || databaseDefault,
    user: credentials?.user,
    firstHost: hosts.split(',')[0] ?? hosts,
    ignored,
  };
}

/** Hosts, database and options, as they stand behind the user. */
const behindUser =
  /^((?:\[[^\]]+\]|[^@/?,:[]+)(?::\d+)?(?:,(?:\[[^\]]+\]|[^@/?,:[]+)(?::\d+)?)*)(?:\/([^@/?]*))?(?:\?((?:[a-z]+=[^&]*&?)*))?$/i;

/** A password that nobody encoded may hold any of the separators: the user ends where the rest makes sense. */
function takeApart(rest: string): {
  readonly userinfo: string | undefined;
  readonly hosts: string;
  readonly path: string;
  readonly query: string;
} {
  for (let at = -1; at !== rest.length; at = nextAt(rest, at)) {
    const match = behindUser.exec(rest.slice(at + 1));
    if (match === null) continue;
    const [, hosts = '', path = '', query = ''] = match;
    return { userinfo: at === -1 ? undefined : rest.slice(0, at), hosts, path, query };
  }
  throw invalid(
    'cannot be read',
    'give it as mongodb://user:password@host:27017/tyk_analytics, with user and password URL-encoded',
  );
}

function nextAt(text: string, from: number): number {
  const at = text.indexOf('@', from + 1);
  return at === -1 ? text.length : at;
}

function readUserinfo(text: string): { readonly text: string; readonly user: string } {
  const [user = '', password] = splitOnce(text, ':');
  const encode = (part: string) => encodeURIComponent(decoded(part));
  const written = password === undefined ? encode(user) : `${encode(user)}:${encode(password)}`;
  return { text: `${written}@`, user: decoded(user) };
}

function readOptions(query: string): { readonly kept: string; readonly ignored: readonly string[] } {
  const kept: string[] = [];
  const ignored: string[] = [];
  for (const pair of query.split('&').filter((one) => one !== '')) {
    const [name = '', value = ''] = splitOnce(pair, '=');
    if (name.toLowerCase() === 'connect') {
      if (value.toLowerCase() === 'direct') kept.push('directConnection=true');
    } else if (knownOptions.has(name.toLowerCase())) kept.push(pair);
    else ignored.push(name);
  }
  return { kept: kept.join('&'), ignored };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** A per cent sign that was never encoded stays one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(found: string, remedy: string): CausewayError {
  return new CausewayError('CONFIG_INVALID', `analytics.mongo_url ${found}: ${remedy}`);
}
