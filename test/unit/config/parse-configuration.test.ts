import { describe, expect, test } from 'vitest';
import { allOptions } from '../../../src/config/option-index.js';
import { type ConfigurationInput, parseConfiguration } from '../../../src/config/parse-configuration.js';

function parse(
  file: unknown,
  env: ConfigurationInput['env'] = {},
  overrides?: ConfigurationInput['overrides'],
) {
  const text = typeof file === 'string' ? file : JSON.stringify(file, undefined, 2);
  const parsed = parseConfiguration({ file: { path: 'tyk_sink.conf', text }, env, overrides });
  // What a database means for analytics is said of every one of them: test/faults/24.
  return { ...parsed, warnings: parsed.warnings.filter(({ kind }) => kind !== 'not-yet') };
}
const texts = (findings: readonly { text: string }[]) => findings.map((finding) => finding.text);

describe('the table', () => {
  test('has each path and each environment name once', () => {
    const paths = allOptions.map((option) => option.path);
    const names = allOptions.flatMap((option) => option.env);
    expect(new Set(paths).size).toBe(paths.length);
    expect(new Set(names).size).toBe(names.length);
  });

  test('names our own options by their path', () => {
    for (const option of allOptions.filter(({ path }) => path.startsWith('causeway.'))) {
      expect(option.env).toEqual([option.path.replaceAll('.', '_').toUpperCase()]);
    }
  });
});

describe('precedence', () => {
  test('flag over environment over file over default', () => {
    const file = { listen_port: 1001 };
    const env = { TYK_MDCB_LISTENPORT: '1002' };
    expect(parseConfiguration({ env: {} }).configuration.listenPort).toBe(9091);
    expect(parse(file).configuration.listenPort).toBe(1001);
    expect(parse(file, env).configuration.listenPort).toBe(1002);
    const withFlag = parse(file, env, { listen_port: '1003' });
    expect(withFlag.configuration.listenPort).toBe(1003);
    expect(withFlag.origins.get('listen_port')).toBe('flag');
    expect(parse(file, env, { listen_port: 0 }).configuration.listenPort).toBe(0);
  });

  test('the first environment name over the others', () => {
    const both = { TYK_LOGLEVEL: 'debug', TYK_MDCB_LOGLEVEL: 'error' };
    expect(parse({ log_level: 'warn' }, both).configuration.logLevel).toBe('error');
    expect(parse({ log_level: 'warn' }, { TYK_LOGLEVEL: 'debug' }).configuration.logLevel).toBe('debug');
  });

  test('a new name over its old one, in the same source', () => {
    const parsed = parse({ healthcheck_port: 1001, http_port: 1002 });
    expect(parsed.configuration.http.port).toBe(1002);
    expect(texts(parsed.warnings)).toEqual([
      'healthcheck_port is the old name of http_port, which is set too (tyk_sink.conf:3), so that it is ignored (tyk_sink.conf:2)',
    ]);
    const stronger = parse({ http_port: 1002 }, { TYK_MDCB_HEALTHCHECKPORT: '1003' });
    expect(stronger.configuration.http.port).toBe(1003);
    expect(stronger.origins.get('http_port')).toBe('env TYK_MDCB_HEALTHCHECKPORT');
  });

  test('an empty variable empties a text, and leaves a number, a bool or a choice alone', () => {
    const file = { storage: { host: 'redis', port: 1, addrs: ['a:1'] }, hash_keys: true, log_level: 'warn' };
    const { configuration, problems } = parse(file, {
      TYK_MDCB_STORAGE_HOST: '',
      TYK_MDCB_STORAGE_PORT: '',
      TYK_MDCB_STORAGE_ADDRS: '',
      TYK_MDCB_HASHKEYS: '',
      TYK_MDCB_LOGLEVEL: '',
    });
    expect(problems).toEqual([]);
    expect(configuration.storage.nodes).toEqual([{ host: '127.0.0.1', port: 1 }]);
    expect(configuration.hashKeys).toBe(true);
    expect(configuration.logLevel).toBe('warn');
  });
});

describe('old and foreign names', () => {
  test('an old name is read, with one warning', () => {
    const parsed = parse({
      healthcheck_port: 1001,
      storage: { redis_use_ssl: true },
      aggregates_ignore_tags: ['x-'],
    });
    expect(parsed.configuration.http.port).toBe(1001);
    expect(parsed.configuration.storage.tls).toBeDefined();
    expect(parsed.configuration.analytics.ignoreTagPrefixes).toEqual(['key-', 'x-']);
    expect(texts(parsed.warnings)).toEqual([
      'healthcheck_port is the old name of http_port; please use the new one (tyk_sink.conf:2)',
      'storage.redis_use_ssl is the old name of storage.use_ssl; please use the new one (tyk_sink.conf:4)',
      'aggregates_ignore_tags is the old name of ignore_tag_prefix_list; please use the new one (tyk_sink.conf:6)',
    ]);
  });

  test('an unknown key warns with the nearest name', () => {
    const parsed = parse({
      listen_prt: 1,
      listenPort: 1,
      storage: { enabled_cluster: false },
      mongo_url: '',
      'storage.host': 'a',
      quite_something_else: 1,
    });
    expect(parsed.problems).toEqual([]);
    expect(texts(parsed.warnings)).toEqual([
      '"listen_prt" is not an option and is ignored; did you mean listen_port? (tyk_sink.conf:2)',
      '"listenPort" is not an option and is ignored; did you mean listen_port? (tyk_sink.conf:3)',
      '"storage.enabled_cluster" is not an option and is ignored; did you mean storage.enable_cluster? (tyk_sink.conf:5)',
      '"mongo_url" is not an option and is ignored; did you mean analytics.mongo_url? (tyk_sink.conf:7)',
      '"storage.host" is not an option and is ignored; did you mean storage.host with an object for each part of its name? (tyk_sink.conf:8)',
      '"quite_something_else" is not an option and is ignored (tyk_sink.conf:9)',
    ]);
  });

  test('a key in another case is read, as Go reads it', () => {
    const parsed = parse({ Listen_Port: 1001, Storage: { HOST: 'redis' } });
    expect(parsed.configuration.listenPort).toBe(1001);
    expect(parsed.configuration.storage.nodes).toEqual([{ host: 'redis', port: 6379 }]);
    expect(parsed.warnings).toHaveLength(3);
    expect(parse('{"listen_port": 1, "LISTEN_PORT": 2}').configuration.listenPort).toBe(2);
  });

  test('the security object is found under its misprinted key', () => {
    const parsed = parse({ 'basic-config-and-security/security': { secret: 'well-kept' } });
    expect(parsed.configuration.security.secret).toBe('well-kept');
    expect(texts(parsed.warnings)).toEqual([
      '"basic-config-and-security/security" is read as security (tyk_sink.conf:2)',
    ]);
  });

  test('an unknown variable warns with the nearest name, those of Kubernetes and of other parts do not', () => {
    const parsed = parseConfiguration({
      env: {
        TYK_MDCB_LISTEN_PRT: '1',
        CAUSEWAY_DATA_PAHT: '/data',
        TYK_GW_SECRET: 'of the gateway',
        PATH: '/bin',
        CAUSEWAY_SERVICE_HOST: '10.0.0.1',
        CAUSEWAY_SERVICE_PORT_HTTP: '8181',
        CAUSEWAY_PORT: 'tcp://10.0.0.1:9091',
        CAUSEWAY_PORT_9091_TCP_ADDR: '10.0.0.1',
        TYK_MDCB_PORT: 'tcp://10.0.0.1:9091',
        CAUSEWAY_API_KEY: 'of the command line',
      },
      knownEnvironmentNames: ['CAUSEWAY_API_KEY'],
    });
    expect(texts(parsed.warnings.slice(1))).toEqual([
      '"TYK_MDCB_LISTEN_PRT" is not an environment variable of ours and is ignored; did you mean TYK_MDCB_LISTENPORT?',
      '"CAUSEWAY_DATA_PAHT" is not an environment variable of ours and is ignored; did you mean CAUSEWAY_DATA_PATH?',
    ]);
  });

  test('what has no effect says so once, and only when it was set', () => {
    expect(parse({ license: '', analytics: { driver: 'mongo-go' } }).warnings).toEqual([]);
    const parsed = parse({
      license: 'abc',
      storage: { optimisation_max_idle: 2000 },
      analytics: { driver: 'mgo' },
    });
    expect(texts(parsed.warnings)).toEqual([
      'storage.optimisation_max_idle is accepted and has no effect. Commands share a few pipelined connections, there is no pool to size. (tyk_sink.conf:4)',
      'analytics.driver is accepted and has no effect. There is one MongoDB driver, and both names mean it. (tyk_sink.conf:7)',
      'license is accepted and has no effect. Causeway needs no licence. (tyk_sink.conf:2)',
    ]);
  });
});

describe('problems', () => {
  test('are reported all at once, each with path, what was found and what would be right', () => {
    const parsed = parse(
      {
        listen_port: 70000,
        hash_keys: 'yes',
        log_level: 'loud',
        ignore_tag_prefix_list: 'a,b',
        security: { secret: 12345 },
        server_options: { min_version: 1 },
        storage: { port: '6379', hosts: { 'redis-1': 'x' }, addrs: ['redis-1'] },
        healthcheck: [],
        sync_worker_config: { group_key_ttl: 10 },
      },
      {
        TYK_MDCB_SESSIONTIMEOUT: 'soon',
        TYK_MDCB_ENABLEOWNERSHIP: 'on',
        TYK_MDCB_ANALYTICSSTORAGE_HOSTS: 'a',
      },
    );
    expect(texts(parsed.problems)).toEqual([
      'healthcheck: found a list, expected an object, for example {} (tyk_sink.conf:21)',
      'listen_port: found number 70000, expected a whole number from 0 to 65535, for example 9091 (tyk_sink.conf:2)',
      'server_options.min_version: found number 1, expected one of 0 (TLS 1.2), 769 (TLS 1.0), 770 (TLS 1.1), 771 (TLS 1.2), 772 (TLS 1.3) (tyk_sink.conf:10)',
      'security.secret: found a number, expected a string (tyk_sink.conf:7)',
      'storage.port: found string "6379", expected a whole number from 0 to 65535, for example 6379 (tyk_sink.conf:13)',
      'storage.hosts["redis-1"]: found string "x", expected a port from 1 to 65535, for example "6379" (tyk_sink.conf:14)',
      'storage.addrs[0]: found string "redis-1", expected host:port, for example redis-1:6379 (tyk_sink.conf:17)',
      'hash_keys: found string "yes", expected true or false (tyk_sink.conf:3)',
      'session_timeout: found string "soon", expected a whole number of seconds, 1 or more, for example 86400 (TYK_MDCB_SESSIONTIMEOUT)',
      'ignore_tag_prefix_list: found string "a,b", expected a list of strings, for example ["first", "second"] (tyk_sink.conf:5)',
      'analytics_storage.hosts: found string "a", expected host:port pairs with commas between them, for example redis-1:6379,redis-2:6379 (TYK_MDCB_ANALYTICSSTORAGE_HOSTS)',
      'log_level: found string "loud", expected one of debug, info, warn, error (tyk_sink.conf:4)',
      'sync_worker_config.group_key_ttl: found number 10, expected a whole number of seconds, 30 or more, for example 180 (tyk_sink.conf:23)',
      'enable_ownership: found string "on", expected true or false (TYK_MDCB_ENABLEOWNERSHIP)',
    ]);
  });

  test('are not hidden by a stronger source', () => {
    const parsed = parse({ listen_port: '9091' }, { TYK_MDCB_LISTENPORT: '1001' });
    expect(parsed.problems.map(({ path }) => path)).toEqual(['listen_port']);
    expect(parsed.configuration.listenPort).toBe(1001);
  });

  test.each([
    ['{"listen_port": 1,}', 'property name or closing brace expected at line 1, column 19'],
    ['{\n  "listen_port": 1\n  "http_port": 2\n}', 'comma expected at line 3, column 3'],
    ['{\n  // words\n}', 'invalid comment at line 2, column 3'],
    ['{"a": "b', 'unexpected end of string at line 1, column 7'],
    ['', 'the file is empty'],
    ['['.repeat(200_000), 'brackets are nested too deeply'],
  ])('%s: not JSON, with the place', (text, expected) => {
    const parsed = parse(text);
    expect(parsed.syntaxProblem).toBe(`tyk_sink.conf: not JSON: ${expected}`);
    expect(parsed.problems).toHaveLength(1);
  });

  test.each(['[]', '"text"', '12', 'true'])('%s: not an object', (text) => {
    expect(parse(text).problems[0]?.text).toMatch(/^the file: found a \w+, expected an object/);
  });

  test('a byte order mark, null values and repeated keys are no problem', () => {
    const parsed = parse('\uFEFF{"listen_port": null, "http_port": 1, "http_port": 2, "storage": null}');
    expect(parsed.problems).toEqual([]);
    expect(parsed.configuration.listenPort).toBe(9091);
    expect(parsed.configuration.http.port).toBe(2);
    expect(texts(parsed.warnings)).toEqual([
      'http_port appears more than once; the one at tyk_sink.conf:1 is used',
    ]);
  });

  test('a name from Object.prototype is a name like any other', () => {
    const parsed = parse('{"__proto__": {"a": 1}, "constructor": 1, "log_level": "constructor"}');
    expect(parsed.warnings).toHaveLength(2);
    expect(parsed.problems).toHaveLength(1);
  });
});

describe('options seen together', () => {
  test('TLS needs a certificate and its key', () => {
    const paths = (tls: object) =>
      parse({ server_options: { use_ssl: true, ...tls } }).problems.map(({ path }) => path);
    const cert = 'server_options.certificate.cert_file';
    const key = 'server_options.certificate.key_file';
    expect(paths({})).toEqual([cert, key]);
    expect(paths({ certificate: { cert_file: 'a' } })).toEqual([key]);
    expect(paths({ certificate: { cert_file: 'a', key_file: 'b' } })).toEqual([]);
    expect(paths({ ssl_certificates: ['a'] })).toEqual([]);
  });

  test('TLS versions of Redis in the wrong order', () => {
    const parsed = parse({ storage: { use_ssl: true, min_version: '1.3', max_version: '1.2' } });
    expect(texts(parsed.problems)).toEqual([
      'storage.min_version: found "1.3", expected at most "1.2", which is storage.max_version',
    ]);
  });

  test('one port for both servers', () => {
    expect(parse({ listen_port: 1001, http_port: 1001 }).problems).toHaveLength(1);
    expect(parse({ listen_port: 0, http_port: 0 }).problems).toEqual([]);
  });

  test('mongo_url wins over another database, with a warning; a flag is stronger', () => {
    const both = { analytics: { type: 'postgres', connection_string: 'pg', mongo_url: 'mongodb://a' } };
    const parsed = parse(both);
    expect(parsed.configuration.analytics).toMatchObject({ type: 'mongo', connectionString: 'mongodb://a' });
    expect(texts(parsed.warnings)).toEqual([
      'analytics.mongo_url: wins over analytics.type and analytics.connection_string',
    ]);
    expect(parse(both, {}, { 'analytics.type': 'embedded' }).configuration.analytics.type).toBe('embedded');
    expect(parse({ analytics: { mongo_url: 'mongodb://a' } }).warnings).toEqual([]);
    const other = parse({ analytics: { type: 'mongo', connection_string: 'mongodb://b' } });
    expect(other.configuration.analytics.connectionString).toBe('mongodb://b');
  });

  test('an unknown database means MongoDB, with a warning', () => {
    const parsed = parse({ analytics: { type: 'oracle' } });
    expect(parsed.configuration.analytics.type).toBe('mongo');
    expect(texts(parsed.warnings)).toEqual([
      'analytics.type: string "oracle" is not one of mongo, postgres, embedded; mongo is used (tyk_sink.conf:3)',
    ]);
    expect(parse({ analytics: { type: 'PostgreSQL' } }).configuration.analytics.type).toBe('postgres');
  });
});

describe('the configuration', () => {
  test('takes Redis addresses from addrs, then hosts, then host and port', () => {
    const nodes = (storage: object) => parse({ storage }).configuration.storage.nodes;
    const host = { host: 'one', port: 1 };
    const hosts = { hosts: { two: 2, three: '3' } };
    expect(nodes({})).toEqual([{ host: '127.0.0.1', port: 6379 }]);
    expect(nodes(host)).toEqual([host]);
    expect(nodes({ ...host, ...hosts })).toEqual([
      { host: 'two', port: 2 },
      { host: 'three', port: 3 },
    ]);
    expect(nodes({ ...host, ...hosts, addrs: ['[::1]:4'] })).toEqual([{ host: '::1', port: 4 }]);
  });

  test('uses the separate Redis for analytics only when it is enabled', () => {
    const analytics_storage = { host: 'other' };
    const off = parse({ analytics_storage }).configuration;
    expect(off.analyticsStorage).toBe(off.storage);
    const on = parse({ analytics_storage, enable_separate_analytics_store: true }).configuration;
    expect(on.analyticsStorage.nodes[0]?.host).toBe('other');
  });

  test('puts the catalog into the data folder unless it has its own', () => {
    const catalogPath = (causeway: object) => parse({ causeway }).configuration.causeway.catalogPath;
    expect(catalogPath({ data_path: '/data' })).toBe('/data/control-plane');
    expect(catalogPath({ data_path: '/data', catalog_path: '/catalog' })).toBe('/catalog');
  });

  test('takes a zero for "not set" where the field does', () => {
    const parsed = parse({
      session_timeout: 0,
      storage: { timeout: 0 },
      sync_worker_config: { group_key_ttl: 0 },
    });
    expect(parsed.problems).toEqual([]);
    expect(parsed.configuration.sessionTimeoutSeconds).toBe(86_400);
    expect(parsed.configuration.storage.timeoutMs).toBe(5_000);
    expect(parsed.configuration.syncWorker.groupKeyTtlSeconds).toBe(180);
  });
});
