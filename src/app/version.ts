import { readFileSync } from 'node:fs';

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { version } = manifest as { version?: unknown };
  return typeof version === 'string' ? version : 'unknown';
}

/** As in package.json. */
export const version = readVersion();
