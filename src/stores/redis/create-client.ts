import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import { Backoff } from '../../std/backoff.js';
import type { RedisAccess, RedisOptionPath } from './redis-access.js';

export type RedisClient = Redis | Cluster;

export interface ClientOptions {
  readonly path: RedisOptionPath;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Shown by CLIENT LIST. */
  readonly connectionName: string;
}

const firstRetryDelayMs = 50;
const retryDelayMsMax = 2_000;
/** A call is repeated on so many new connections before it fails. */
const retriesPerCallMax = 2;
const keepAliveMs = 10_000;

/**
 * A client that does not connect before it is used or told to, comes back by itself for ever, and follows
 * the primary: on READONLY it reconnects, and with Sentinels or a Cluster it asks anew who that is.
 */
export function createClient(access: RedisAccess, options: ClientOptions): RedisClient {
  const retryDelayMs = doubling(options.random);
  const common = commonOptions(access, options);
  if (access.enableCluster) {
    return new Cluster([...access.nodes], {
      lazyConnect: true,
      redisOptions: { ...common, maxRetriesPerRequest: null },
      clusterRetryStrategy: retryDelayMs,
      slotsRefreshTimeout: access.timeoutMs,
      // A failed-over primary is noticed by MOVED and by lost connections; this is for what makes neither.
      slotsRefreshInterval: 30_000,
      // With TLS the names of the nodes have to reach the certificate check as they are.
      ...(access.tls === undefined ? {} : { dnsLookup: (address, callback) => callback(null, address) }),
    });
  }
  const repeating: RedisOptions = {
    ...common,
    lazyConnect: true,
    db: access.database,
    retryStrategy: retryDelayMs,
    maxRetriesPerRequest: retriesPerCallMax,
  };
  if (access.masterName === undefined) return new Redis({ ...repeating, ...access.nodes[0] });
  return new Redis({
    ...repeating,
    sentinels: [...access.nodes],
    name: access.masterName,
    ...(access.sentinelPassword === undefined ? {} : { sentinelPassword: access.sentinelPassword }),
    ...(common.tls === undefined ? {} : { sentinelTLS: common.tls, enableTLSForSentinelMode: true }),
    sentinelRetryStrategy: retryDelayMs,
    sentinelReconnectStrategy: retryDelayMs,
    sentinelCommandTimeout: access.timeoutMs,
    updateSentinels: true,
    // A primary that was cut off does not say so itself; the Sentinels do.
    failoverDetector: true,
  });
}

/**
 * One plain connection, for subscriptions: to the primary, or with a Cluster to the node of that turn, as
 * its nodes hand messages to each other. It ends instead of coming back: what was missed has to be noticed.
 */
export function createSubscriber(access: RedisAccess, options: ClientOptions, turn: number): Redis {
  if (access.masterName !== undefined) {
    const client = createClient(access, options);
    if (client instanceof Cluster) throw new Error('Sentinels and Cluster at once');
    client.options.retryStrategy = null as unknown as () => null;
    return client;
  }
  return new Redis({
    ...commonOptions(access, options),
    ...access.nodes[access.enableCluster ? turn % access.nodes.length : 0],
    lazyConnect: true,
    db: access.enableCluster ? 0 : access.database,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
}

function commonOptions(access: RedisAccess, { path, connectionName }: ClientOptions): RedisOptions {
  return {
    connectionName,
    connectTimeout: access.timeoutMs,
    // A connection on which a call is not answered in time is a dead one.
    socketTimeout: access.timeoutMs,
    keepAlive: keepAliveMs,
    disableClientInfo: true,
    // 2: reconnect, and repeat the call there.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
    ...(access.username === undefined ? {} : { username: access.username }),
    ...(access.password === undefined ? {} : { password: access.password }),
    ...(access.tls === undefined ? {} : { tls: tlsOptions(access.tls, path) }),
  };
}

function doubling(random: () => number): (attempts: number) => number {
  const backoff = new Backoff({ firstDelayMs: firstRetryDelayMs, delayMsMax: retryDelayMsMax, random });
  return (attempts) => {
    // The driver counts, and begins anew after each success.
    if (attempts <= 1) backoff.reset();
    return backoff.nextDelayMs();
  };
}

function tlsOptions(tls: NonNullable<RedisAccess['tls']>, path: RedisOptionPath): ConnectionOptions {
  const read = (option: 'ca_file' | 'cert_file' | 'key_file', file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new CausewayError('CERTIFICATE_INVALID', `${path}.${option}: ${file} cannot be read`, {
        detail: describeError(error),
      });
    }
  };
  return {
    rejectUnauthorized: !tls.insecureSkipVerify,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ...(tls.caFile === '' ? {} : { ca: read('ca_file', tls.caFile) }),
    ...(tls.certFile === '' ? {} : { cert: read('cert_file', tls.certFile) }),
    ...(tls.keyFile === '' ? {} : { key: read('key_file', tls.keyFile) }),
  };
}
