import type { RedisConfiguration } from '../config/configuration.js';
import { CausewayError } from '../errors/causeway-error.js';

const timeoutMs = 5_000;

/**
 * Reads `redis://user:password@host:6379/0`, or `rediss://` for TLS. Throws REQUEST_INVALID; its message repeats
 * nothing of the text, which may hold a password.
 */
export function parseRedisUrl(text: string): RedisConfiguration {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid();
  }
  const database = Number(url.pathname.slice(1) || '0');
  if (!['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '' || !Number.isInteger(database)) {
    throw invalid();
  }
  return {
    nodes: [{ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || '6379') }],
    enableCluster: url.searchParams.get('cluster') === 'true',
    masterName: undefined,
    sentinelPassword: undefined,
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    database,
    timeoutMs,
    tls:
      url.protocol === 'rediss:'
        ? {
            ...{ insecureSkipVerify: false, caFile: '', certFile: '', keyFile: '' },
            ...({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const),
          }
        : undefined,
  };
}

function invalid(): CausewayError {
  return new CausewayError(
    'REQUEST_INVALID',
    '--redis: expected a URL like redis://:password@127.0.0.1:6379/0, or rediss:// for TLS',
  );
}
