import type { RedisAccess, RedisOptionPath } from './redis-access.js';

interface Explanation {
  readonly signs: RegExp;
  /** Below the option path; undefined: it is nobody's setting. */
  readonly option: string | undefined;
  readonly text: string;
}

/** First fit counts. What the server or the network says, and what an operator can do about it. */
const explanations: readonly Explanation[] = [
  {
    signs: /WRONGPASS|invalid password|AUTH failed/i,
    option: 'password',
    text: 'the server refuses the user name or the password',
  },
  { signs: /NOAUTH/, option: 'password', text: 'the server wants a password' },
  {
    signs: /NOPERM/,
    option: 'username',
    text: 'the user may not run a command that the hub needs; see docs/compatibility.md for the rights',
  },
  {
    signs: /DB index is out of range|invalid DB index/i,
    option: 'database',
    text: 'the server has no database of that number',
  },
  {
    signs: /cluster support disabled/i,
    option: 'enable_cluster',
    text: 'the server is not part of a Redis Cluster; turn the option off, or list nodes of a cluster',
  },
  {
    signs: /^MOVED |^ASK |SELECT is not allowed in cluster mode/,
    option: 'enable_cluster',
    text: 'the server is part of a Redis Cluster; turn the option on',
  },
  {
    signs: /unknown command.*sentinel/i,
    option: 'master_name',
    text: 'the server is not a Sentinel; leave the option empty, or list Sentinels',
  },
  {
    signs: /self[- ]signed|unable to (?:verify|get)|certificate has expired|CERT_/i,
    option: 'ca_file',
    text: "the server's certificate is not signed by a trusted authority, or has expired",
  },
  {
    signs: /does not match certificate|altnames/i,
    option: 'addrs',
    text: "the server's certificate is for another host name; use that name, or ssl_insecure_skip_verify",
  },
  {
    signs: /certificate required|alert bad certificate|alert unknown ca|handshake failure/i,
    option: 'cert_file',
    text: 'the server does not accept our client certificate, or wants one',
  },
  {
    signs: /alert protocol version|unsupported protocol|no protocols available/i,
    option: 'min_version',
    text: 'the server speaks none of the TLS versions from min_version to max_version',
  },
  {
    signs: /wrong version number|packet length too long|EPROTO|before secure TLS connection/i,
    option: 'use_ssl',
    text: 'the server does not speak TLS at this port',
  },
  { signs: /ECONNREFUSED/, option: 'addrs', text: 'nothing listens there' },
  { signs: /ENOTFOUND|EAI_AGAIN/, option: 'addrs', text: 'the host name is not known' },
  { signs: /EHOSTUNREACH|ENETUNREACH/, option: 'addrs', text: 'there is no route to the host' },
  { signs: /ETIMEDOUT|[Tt]ime(?:d )?out/, option: 'timeout', text: 'it does not answer in time' },
  { signs: /ECONNRESET|EPIPE|[Cc]losed/, option: undefined, text: 'it closed the connection' },
  { signs: /^LOADING/, option: undefined, text: 'the server is still loading its data' },
  { signs: /^READONLY/, option: undefined, text: 'the server became a replica; looking for the primary' },
  { signs: /^MASTERDOWN/, option: undefined, text: 'the server is a replica that has lost its primary' },
  { signs: /^CLUSTERDOWN/, option: undefined, text: 'the cluster is down' },
  { signs: /^OOM/, option: undefined, text: 'the server has no memory left' },
  { signs: /^MISCONF/, option: undefined, text: 'the server cannot save to disk and takes no writes' },
];

/**
 * One line that names the option and the remedy. Holds no secret and no key, whatever the server said:
 * servers repeat arguments in their errors, and the driver keeps whole commands in its own.
 */
export function explainRedisTrouble(thrown: unknown, path: RedisOptionPath, access: RedisAccess): string {
  const said = saidBy(thrown);
  if (access.masterName !== undefined && /sentinels? (?:are|is) unreachable/i.test(said)) {
    return explainSentinels(said, path, access);
  }
  const found = explanations.find(({ signs }) => signs.test(said));
  if (found === undefined) return `${path}: ${withoutSecrets(said, access)}`;
  const where = addressesOf(access);
  return found.option === undefined
    ? `${path}: ${where}: ${found.text}`
    : `${path}.${found.option}: ${where}: ${found.text}`;
}

/** What a connection that was never any good may lack, where the other side just closes it or is silent. */
export function hintAtFirstConnection(path: RedisOptionPath, { tls }: RedisAccess): string {
  if (tls === undefined) return `; if it takes TLS only, turn on ${path}.use_ssl`;
  return tls.certFile === ''
    ? `; if it speaks no TLS, turn off ${path}.use_ssl; if it wants a client certificate, set ${path}.cert_file`
    : `; if it speaks no TLS, turn off ${path}.use_ssl`;
}

function explainSentinels(said: string, path: RedisOptionPath, access: RedisAccess): string {
  const last = /Last error: (.*)$/s.exec(said)?.[1];
  const where = addressesOf(access);
  if (last === undefined || /No such master/i.test(last)) {
    return `${path}.master_name: ${where}: no Sentinel knows a master of that name`;
  }
  if (/WRONGPASS|NOAUTH|invalid password/i.test(last)) {
    return `${path}.sentinel_password: ${where}: the Sentinels refuse the password, or want one`;
  }
  const cause = explainRedisTrouble(new Error(last), path, access);
  return `${cause} (no Sentinel answers)`;
}

/** The text of the innermost error that says something. */
function saidBy(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { lastNodeError, errors, code } = thrown as Error & {
    lastNodeError?: unknown;
    errors?: readonly unknown[];
    code?: unknown;
  };
  if (lastNodeError instanceof Error) return saidBy(lastNodeError);
  if (Array.isArray(errors) && errors.length > 0) return saidBy(errors[0]);
  const coded = typeof code === 'string' && !thrown.message.includes(code) ? `${code} ` : '';
  return `${coded}${thrown.message}`;
}

function withoutSecrets(said: string, access: RedisAccess): string {
  // Servers repeat the arguments of a command they do not know.
  let line = said.split(/[\r\n]/, 1)[0]?.replace(/,? with args beginning with.*$/i, '') ?? '';
  for (const secret of [access.password, access.sentinelPassword]) {
    if (secret) line = line.replaceAll(secret, '****');
  }
  return line.slice(0, 200);
}

function addressesOf({ nodes }: RedisAccess): string {
  const shown = nodes.slice(0, 3).map(({ host, port }) => `${host}:${port}`);
  return nodes.length > shown.length ? `${shown.join(', ')}, ...` : shown.join(', ');
}
