import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { PostgresAddress } from './connection-string.js';

const option = 'analytics.connection_string';

/** One line that names the option and the remedy, without a secret. The server's own words go into the detail. */
export function explainPostgresError(
  thrown: unknown,
  address: PostgresAddress,
  at: { readonly host: string; readonly port: number } | undefined,
): CausewayError {
  if (thrown instanceof CausewayError) return thrown;
  return new CausewayError(
    'STORE_UNAVAILABLE',
    `${option}: ${explain(codeOf(thrown), thrown, address, at)}`,
    {
      detail: describeError(thrown),
      cause: thrown,
    },
  );
}

/** SQLSTATE of the server, code of the socket, or empty. */
export function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return '';
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code;
  // Several addresses of one name were tried.
  return thrown instanceof AggregateError ? codeOf(thrown.errors[0]) : '';
}

/** What may be gone with another connection, or once the schema has been looked at again. */
export function mayHeal(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return (
    // A cached plan, a type, a column, a table that a migration replaced; a statement the pooler lost.
    ['0A000', 'XX000', '42P01', '42703', '42704', '42883', '26000', '08P01'].includes(code) ||
    isConnectionTrouble(thrown)
  );
}

/** The connection broke, or the server ended it: another one may be in order, perhaps with another server. */
export function isConnectionTrouble(thrown: unknown): boolean {
  const code = codeOf(thrown);
  const text = thrown instanceof Error ? thrown.message : '';
  return (
    ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', '57P01', '57P02', '57P03', '25006', '08006', '08003'].includes(
      code,
    ) || /connection terminated|timeout|not queryable/i.test(text)
  );
}

function explain(
  code: string,
  thrown: unknown,
  address: PostgresAddress,
  at: { readonly host: string; readonly port: number } | undefined,
): string {
  const where = at === undefined ? 'the server' : at.host.startsWith('/') ? at.host : `${at.host}:${at.port}`;
  const user = JSON.stringify(address.user ?? '');
  const database = JSON.stringify(address.database ?? address.user ?? '');
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host ${at?.host ?? ''} cannot be found; correct host, or the name service`;
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `nothing listens at ${where}; correct host and port, or start PostgreSQL`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${where} cannot be reached; correct host, or the network and firewall between`;
    case '28P01':
      return `PostgreSQL at ${where} refuses the password of the user ${user}; correct user and password`;
    case '28000':
      return `PostgreSQL at ${where} does not let the user ${user} in from here; correct user and sslmode, or pg_hba.conf`;
    case '3D000':
      return `there is no database ${database} at ${where}; correct dbname`;
    case '42501':
      return `the user ${user} may not read the tables of the control plane; grant it SELECT on them (and USAGE on their schema)`;
    case '42P01':
      return `a table of the control plane is missing in the database ${database}; correct dbname, or name the tables in causeway.catalog_tables`;
    case '53300':
      return `PostgreSQL at ${where} has no connection left; raise max_connections, or put a pooler in front`;
    case '57P01':
    case '57P02':
    case '57P03':
      return `PostgreSQL at ${where} is starting or shutting down; it is tried again`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${where} is made out to another name; correct host, or use sslmode=verify-ca`;
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `the certificate of ${where} is not signed by an authority that is known; name its authority in sslrootcert`;
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${where} has expired; renew it`;
  }
  if (/does not support SSL/i.test(text)) {
    return `PostgreSQL at ${where} speaks no TLS; use sslmode=disable, or turn its TLS on`;
  }
  if (/password must be a string|no password/i.test(text)) {
    return `PostgreSQL at ${where} asks for a password of the user ${user}; give password`;
  }
  if (/timeout|ETIMEDOUT/i.test(`${code} ${text}`)) {
    return `${where} does not answer in time; correct host and port, or the network and firewall between`;
  }
  if (/terminated|ECONNRESET|EPIPE/i.test(`${code} ${text}`)) {
    return `the connection to ${where} broke; it is tried again`;
  }
  return `${where} does not answer as it should${code === '' ? '' : ` (${code})`}; the log has the detail`;
}
