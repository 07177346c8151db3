import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { MongoUrl } from './mongo-url.js';

const option = 'analytics.mongo_url';

/** One line that names the option and the remedy, without a secret. The driver's own words go into the detail. */
export function explainMongoError(thrown: unknown, url: MongoUrl): CausewayError {
  if (thrown instanceof CausewayError) return thrown;
  return new CausewayError('STORE_UNAVAILABLE', explain(thrown, url), {
    detail: describeError(thrown),
    cause: thrown,
  });
}

/** The server's number for what went wrong; undefined: the driver's own trouble. */
export function serverCodeOf(thrown: unknown): number | undefined {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

function explain(thrown: unknown, url: MongoUrl): string {
  const where = url.firstHost;
  const user = JSON.stringify(url.user ?? '');
  const text = textsOf(thrown).join(' ');
  const code = serverCodeOf(thrown);
  // 8000: how hosted clusters say it.
  if (code === 18 || code === 8000 || /authentication failed|AuthenticationFailed/i.test(text)) {
    return `${option}: MongoDB at ${where} refuses the user ${user} or its password; correct them, URL-encoded, or add authSource`;
  }
  if (code === 13 || /not authorized|requires authentication/i.test(text)) {
    return `${option}: the user ${user} may not read the database ${url.database}; grant it the role read there`;
  }
  if (/ENOTFOUND|EAI_AGAIN|querySrv/i.test(text)) {
    return `${option}: the host ${where} cannot be found; correct it, or the name service`;
  }
  if (/ECONNREFUSED/i.test(text)) {
    return `${option}: nothing listens at ${where}; correct host and port, or start MongoDB`;
  }
  if (/altnames|ALTNAME/i.test(text)) {
    return `${option}: the certificate of ${where} is made out to another name; correct the host, or set analytics.mongo_ssl_allow_invalid_hostnames`;
  }
  if (/self.signed|unable to (verify|get) .*(certificate|issuer)|UNABLE_TO/i.test(text)) {
    return `analytics.mongo_ssl_ca_file: the certificate of ${where} is not signed by an authority that is known; name its authority there`;
  }
  if (/certificate has expired/i.test(text)) {
    return `${option}: the certificate of ${where} has expired; renew it`;
  }
  if (/wrong version number|packet length too long|SSL routines/i.test(text)) {
    return `analytics.mongo_use_ssl: ${where} does not take TLS as it is set up; turn it off, or correct the certificates`;
  }
  if (/ECONNRESET|socket hang up|connection .* closed/i.test(text)) {
    return `${option}: ${where} closes the connection; if it takes TLS only, set analytics.mongo_use_ssl`;
  }
  if (/No primary|ReplicaSetNoPrimary|not primary|NotWritablePrimary/i.test(text)) {
    return `${option}: the replica set of ${where} has no primary that can be reached; name all its members, or set analytics.mongo_direct_connection`;
  }
  if (/ENOENT.*open|no such file/i.test(text)) {
    return `analytics.mongo_ssl_ca_file, analytics.mongo_ssl_pem_keyfile: a file cannot be read; correct its path and rights`;
  }
  if (/timed? ?out|Server selection/i.test(text)) {
    return `${option}: ${where} does not answer in time; correct host and port, or the network and firewall between`;
  }
  return `${option}: MongoDB at ${where} does not answer as it should${code === undefined ? '' : ` (${code})`}; the log has the detail`;
}

/** What was thrown and what it was thrown for: the driver wraps the reason of each server it tried. */
function textsOf(thrown: unknown, depth = 0): string[] {
  if (!(thrown instanceof Error) || depth > 5) return [];
  const nested: unknown[] = [thrown.cause];
  const reason: unknown = 'reason' in thrown ? thrown.reason : undefined;
  if (typeof reason === 'object' && reason !== null && 'servers' in reason && reason.servers instanceof Map) {
    for (const server of reason.servers.values()) nested.push((server as { error?: unknown }).error);
    if ('type' in reason) nested.push(new Error(String(reason.type)));
  }
  return [thrown.message, ...nested.flatMap((one) => textsOf(one, depth + 1))];
}
