import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CausewayError, describeError } from '../errors/causeway-error.js';

/** What a newcomer, the CLI and a first worker need. Holds secrets: mode 0600. */
export interface Credentials {
  readonly organisation: string;
  readonly api_key: string;
  readonly http_secret: string;
  /** host:port of the worker port. */
  readonly listen: string;
  /** host:port of the HTTP port. */
  readonly http: string;
  /** PEM file of the certificate that the worker port shows; absent: it takes cleartext. */
  readonly listen_certificate?: string;
  /** The same for the HTTP port. */
  readonly http_certificate?: string;
}

export function credentialsPath(dataPath: string): string {
  return join(dataPath, 'credentials.json');
}

/** Undefined: there is no such file. Rejects with DATA_FOLDER_UNUSABLE when it cannot be read. */
export async function readCredentials(dataPath: string): Promise<Partial<Credentials> | undefined> {
  const path = credentialsPath(dataPath);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(path, thrown);
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw new Error('not an object');
    const texts = Object.entries(parsed).filter(([, value]) => typeof value === 'string');
    return Object.fromEntries(texts) as Partial<Credentials>;
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

export async function writeCredentials(dataPath: string, credentials: Credentials): Promise<void> {
  const path = credentialsPath(dataPath);
  const temporary = `${path}.new`;
  try {
    await writeFile(temporary, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
    await chmod(temporary, 0o600);
    await rename(temporary, path);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

function unusable(path: string, thrown: unknown): CausewayError {
  return new CausewayError('DATA_FOLDER_UNUSABLE', `${path}: ${describeError(thrown)}`, { cause: thrown });
}
