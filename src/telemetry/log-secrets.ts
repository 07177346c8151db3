/**
 * A net under the rule that callers never pass a secret to the log: field names that hold one by their
 * nature are blanked up to two objects deep, and passwords inside URLs are masked wherever a text shows one
 * (drivers like to quote their connection string in an error).
 */
const secretFieldNames = [
  'password',
  'secret',
  'token',
  'authorization',
  'x-tyk-authorization',
  'cookie',
  'apiKey',
  'api_key',
  'accessKey',
  'access_key',
  'privateKey',
  'private_key',
  'connection_string',
  'mongo_url',
  'sentry_code',
  'aws_secret_access_key',
  'private_certificate_encoding_secret',
] as const;

export const redactedText = '[redacted]';

/** Paths in the notation of pino's `redact`. */
export const secretPaths: readonly string[] = secretFieldNames.flatMap((name) => {
  const quoted = `["${name}"]`;
  return [quoted, `*${quoted}`, `*.*${quoted}`];
});

const urlPassword = /(:\/\/[^\s/:@]*):[^\s/@]+@/g;

/** `redis://user:pass@host` becomes `redis://user:****@host`. */
export function maskUrlPasswords(text: string): string {
  return text.includes('://') ? text.replace(urlPassword, '$1:****@') : text;
}
