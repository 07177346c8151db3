import type { SecureVersion } from 'node:tls';

/** How to reach a Redis or Valkey, as the options `storage` and `analytics_storage` say it. */
export interface RedisAccess {
  /** One server, or the seeds of a cluster or of the Sentinels. Never empty. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly enableCluster: boolean;
  /** Set: `nodes` are Sentinels to ask for this master. */
  readonly masterName: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** For connecting, and for each call with all that is repeated in it. */
  readonly timeoutMs: number;
  /** Undefined: cleartext. */
  readonly tls:
    | {
        readonly insecureSkipVerify: boolean;
        /** PEM paths; empty when not given. */
        readonly caFile: string;
        readonly certFile: string;
        readonly keyFile: string;
        readonly minVersion: SecureVersion;
        readonly maxVersion: SecureVersion;
      }
    | undefined;
}

/** Which of the two groups of options it was made of: for messages that name an option. */
export type RedisOptionPath = 'storage' | 'analytics_storage';
