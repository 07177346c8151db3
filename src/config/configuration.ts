import { join } from 'node:path';
import type { OptionValues } from './option-table.js';
import { splitAddress } from './read-value.js';

/** TLS of one of our servers. */
export interface TlsServerConfiguration {
  readonly useSsl: boolean;
  /** PEM paths; empty when not given. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Further certificates: PEM paths or certificate ids. */
  readonly certificates: readonly string[];
  readonly minVersion: TlsVersion;
  /** IANA names, TLS 1.2 and older; empty: our choice. */
  readonly ciphers: readonly string[];
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** How to reach a Redis. */
export interface RedisConfiguration {
  /** One server, or the seeds of a cluster or of the Sentinels. Never empty. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly enableCluster: boolean;
  /** Set: `nodes` are Sentinels to ask for this master. */
  readonly masterName: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  readonly timeoutMs: number;
  /** Undefined: cleartext. */
  readonly tls:
    | {
        readonly insecureSkipVerify: boolean;
        readonly caFile: string;
        readonly certFile: string;
        readonly keyFile: string;
        readonly minVersion: TlsVersion;
        readonly maxVersion: TlsVersion;
      }
    | undefined;
}

/** What the rest of the hub goes by. Times say their unit; nothing has to be looked up in a second place. */
export type Configuration = ReturnType<typeof normalise>;

const tlsVersionByNumber: Readonly<Record<number, TlsVersion>> = {
  0: 'TLSv1.2',
  769: 'TLSv1',
  770: 'TLSv1.1',
  771: 'TLSv1.2',
  772: 'TLSv1.3',
};
const tlsVersionByName = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' } as const;

/** From the file's spelling to ours. Expects values that passed every check. */
export function normalise(values: OptionValues) {
  const storage = redis(values, 'storage');
  const dataPath = values['causeway.data_path'];
  return {
    listenPort: values.listen_port,
    listener: {
      address: values['causeway.listen_address'],
      tls: serverTls(values, 'server_options'),
    },
    http: {
      port: values.http_port,
      address: values['causeway.http_address'],
      tls: serverTls(values, 'http_server_options'),
    },
    healthCacheRenewalSeconds: values['healthcheck.cache_renewal_period'],
    enableHttpProfiler: values.enable_http_profiler,
    security: {
      privateCertificateEncodingSecret: values['security.private_certificate_encoding_secret'],
      enableHttpSecureEndpoints: values['security.enable_http_secure_endpoints'],
      /** Empty: nobody gets in. */
      secret: values['security.secret'],
    },
    /** Where keys live. `storage` counts only when it is `redis`. */
    storageType: values['storage.type'],
    storage,
    /** Where records for Tyk Pump go: `storage` unless a separate one is enabled. */
    analyticsStorage: values.enable_separate_analytics_store ? redis(values, 'analytics_storage') : storage,
    enableSeparateAnalyticsStore: values.enable_separate_analytics_store,
    analytics: analytics(values),
    hashKeys: values.hash_keys,
    sessionTimeoutSeconds: values.session_timeout,
    invalidKeyCacheTtlSeconds: values.invalid_key_cache_ttl,
    organisationSession: {
      expirationMinutes: values.org_session_expiration,
      cleanupMinutes: values.org_session_cleanup,
    },
    logLevel: values.log_level,
    enableKeyLogging: values.enable_key_logging,
    syncWorker: {
      enabled: values['sync_worker_config.enabled'],
      hashKeys: values['sync_worker_config.hash_keys'],
      batchKeysMax: values['sync_worker_config.max_batch_size'],
      timeBetweenBatchesSeconds: values['sync_worker_config.time_between_batches'],
      workersMax: values['sync_worker_config.max_workers'],
      warmupTimeSeconds: values['sync_worker_config.warmup_time'],
      groupKeyTtlSeconds: values['sync_worker_config.group_key_ttl'],
    },
    enableOwnership: values.enable_ownership,
    escapeDotsInOasPaths: values.escape_dots_in_oas_paths,
    causeway: {
      dataPath,
      catalogPath: values['causeway.catalog_path'] || join(dataPath, 'control-plane'),
      catalogCheckSeconds: values['causeway.catalog_check_seconds'],
      /** Empty: the names that are known. */
      catalogTables: {
        organisations: values['causeway.catalog_tables.organisations'],
        users: values['causeway.catalog_tables.users'],
        user_groups: values['causeway.catalog_tables.user_groups'],
        apis: values['causeway.catalog_tables.apis'],
        policies: values['causeway.catalog_tables.policies'],
        client_idps: values['causeway.catalog_tables.client_idps'],
      },
      /** As `table.field=column`. */
      catalogColumns: values['causeway.catalog_columns'],
      changeLogEntriesMax: values['causeway.change_log_entries_max'],
      heartbeatIntervalSeconds: values['causeway.heartbeat_interval_seconds'],
      drainTimeoutSeconds: values['causeway.drain_timeout_seconds'],
      removalHold: values['causeway.removal_hold'],
      failedLoginsPerMinute: values['causeway.failed_logins_per_minute'],
      /** Secret. Empty: signatures of notifications are not looked at. */
      nodeSecret: values['causeway.node_secret'],
      logFormat: values['causeway.log_format'],
    },
  } as const;
}

/** The database of the control plane and of analytics. */
function analytics(values: OptionValues) {
  const type = values['analytics.type'];
  return {
    type,
    /** Empty when none was given. `mongo_url` and `connection_string` are one here. */
    connectionString:
      (type === 'mongo' ? values['analytics.mongo_url'] : '') || values['analytics.connection_string'],
    tableSharding: values['analytics.table_sharding'],
    /** Rows in one statement; 0: the writer's own choice. */
    batchSize: values['analytics.batch_size'],
    postgres: { preferSimpleProtocol: values['analytics.postgres.prefer_simple_protocol'] },
    mongo: {
      useSsl: values['analytics.mongo_use_ssl'],
      sslInsecureSkipVerify: values['analytics.mongo_ssl_insecure_skip_verify'],
      sslAllowInvalidHostnames: values['analytics.mongo_ssl_allow_invalid_hostnames'],
      sslCaFile: values['analytics.mongo_ssl_ca_file'],
      sslPemKeyFile: values['analytics.mongo_ssl_pem_keyfile'],
      sessionConsistency: values['analytics.mongo_session_consistency'],
      /** Documents in one round trip; 0: the driver's own choice. */
      batchSize: values['analytics.mongo_batch_size'],
      directConnection: values['analytics.mongo_direct_connection'],
      ignoreAggregations: values['analytics.mongo_ignore_aggregations'],
      enableAggregateSelfHealing: values['analytics.mongo_enable_aggregate_self_healing'],
    },
    forwardToPump: values.forward_analytics_to_pump,
    enableMultipleKeys: values.enable_multiple_analytics_keys,
    storeSelective: !values.dont_store_selective,
    storeAggregates: !values.dont_store_aggregate,
    trackAllPaths: values.track_all_paths,
    storePerMinute: values.store_analytics_per_minute,
    /** `key-` is always among them. */
    ignoreTagPrefixes: [...new Set(['key-', ...values.ignore_tag_prefix_list])],
    /** Tags in one aggregate before it is logged; undefined: never. */
    tagListLengthThreshold: values.threshold_len_tag_list < 0 ? undefined : values.threshold_len_tag_list,
    createIndexes: !values.omit_analytics_index_creation,
  } as const;
}

function serverTls(
  values: OptionValues,
  prefix: 'server_options' | 'http_server_options',
): TlsServerConfiguration {
  return {
    useSsl: values[`${prefix}.use_ssl`],
    certFile: values[`${prefix}.certificate.cert_file`],
    keyFile: values[`${prefix}.certificate.key_file`],
    certificates: values[`${prefix}.ssl_certificates`],
    minVersion: tlsVersionByNumber[values[`${prefix}.min_version`]] ?? 'TLSv1.2',
    ciphers: values[`${prefix}.ssl_ciphers`],
  };
}

function redis(values: OptionValues, prefix: 'storage' | 'analytics_storage'): RedisConfiguration {
  return {
    nodes: redisNodes(values, prefix),
    enableCluster: values[`${prefix}.enable_cluster`],
    masterName: values[`${prefix}.master_name`] || undefined,
    sentinelPassword: values[`${prefix}.sentinel_password`] || undefined,
    username: values[`${prefix}.username`] || undefined,
    password: values[`${prefix}.password`] || undefined,
    database: values[`${prefix}.enable_cluster`] ? 0 : values[`${prefix}.database`],
    timeoutMs: values[`${prefix}.timeout`] * 1000,
    tls: values[`${prefix}.use_ssl`]
      ? {
          insecureSkipVerify: values[`${prefix}.ssl_insecure_skip_verify`],
          caFile: values[`${prefix}.ca_file`],
          certFile: values[`${prefix}.cert_file`],
          keyFile: values[`${prefix}.key_file`],
          minVersion: tlsVersionByName[values[`${prefix}.min_version`]],
          maxVersion: tlsVersionByName[values[`${prefix}.max_version`]],
        }
      : undefined,
  };
}

/** `addrs` wins over `hosts`, `hosts` over `host` and `port`, as in the field. */
function redisNodes(values: OptionValues, prefix: 'storage' | 'analytics_storage') {
  const addresses = values[`${prefix}.addrs`].flatMap((address) => splitAddress(address) ?? []);
  if (addresses.length > 0) return addresses;
  const hosts = Object.entries(values[`${prefix}.hosts`]);
  if (hosts.length > 0) return hosts.map(([host, port]) => ({ host, port: Number(port) }));
  return [{ host: values[`${prefix}.host`] || '127.0.0.1', port: values[`${prefix}.port`] || 6379 }];
}
