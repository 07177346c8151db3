import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Configuration } from '../config/configuration.js';
import { organisationId } from '../domain/identifiers.js';
import { hashKey } from '../domain/key-hash.js';
import { sessionName } from '../domain/key-names.js';
import type { Log } from '../ports/log.js';
import { seedFirstStart } from '../stores/folder/first-start.js';
import { type Credentials, readCredentials, writeCredentials } from './credentials-file.js';
import type { HubGraph, HubStores } from './hub-graph.js';

const examplesPath = fileURLToPath(new URL('../../examples/control-plane', import.meta.url));
const secretBytes = 24;

/**
 * Makes a newcomer's control plane: catalog from the examples, keys in the key store, secrets written down.
 * Does nothing when this data folder has served before or the catalog folder was chosen by the operator: an
 * emptied folder is then the operator's will, or an accident, and never a reason to invent a catalog.
 *
 * Resolves to whether it was a first start. May be killed at any point and goes on at the next start.
 */
export async function makeFirstStart(
  configuration: Configuration,
  stores: HubStores,
  log: Log,
): Promise<boolean> {
  const { catalogPath, dataPath } = configuration.causeway;
  if (resolve(catalogPath) !== resolve(join(dataPath, 'control-plane'))) return false;
  if ((await stores.catalogCopy.read()) !== undefined) return false;
  const seeded = await seedFirstStart({ examplesPath, catalogPath, random: randomBytes });
  if (seeded === undefined) return false;
  for (const { key, value, ttlMs } of seeded.keys) {
    const name = sessionName(configuration.hashKeys ? hashKey(key) : key);
    await stores.keyStore.put(name, value, ttlMs);
  }
  const known = await readCredentials(dataPath);
  await writeCredentials(dataPath, {
    organisation: seeded.organisation,
    api_key: seeded.apiKey,
    http_secret: known?.http_secret ?? newSecret(),
    listen: '',
    http: '',
  });
  await seeded.commit();
  log.info('first start: the catalog folder was filled from the examples', {
    catalog: catalogPath,
    keys: seeded.keys.length,
  });
  return true;
}

/** The secret of the HTTP port for a hub whose configuration has none: kept in the credentials file. */
export async function httpSecretOf(configuration: Configuration, log: Log): Promise<string> {
  if (configuration.security.secret !== '') return configuration.security.secret;
  const known = await readCredentials(configuration.causeway.dataPath);
  if (known?.http_secret) return known.http_secret;
  log.info('no secret for the HTTP port was known; a new one was made, and stands in the credentials file');
  return newSecret();
}

/** Whether a first start filled this folder and no start has come up since: its secrets were shown to nobody yet. */
export async function isStillFirstStart(dataPath: string): Promise<boolean> {
  const known = await readCredentials(dataPath);
  return known?.listen === '' && known.http === '';
}

/** Brings the credentials file up to date with where the hub listens now. */
export async function noteAddresses(
  dataPath: string,
  graph: HubGraph,
  standalone: boolean,
  addresses: Pick<Credentials, 'listen' | 'http' | 'listen_certificate' | 'http_certificate'>,
  httpSecret: string,
): Promise<Credentials> {
  const known = await readCredentials(dataPath);
  // An API key of a real control plane stays there: only a hub that stands alone writes one down.
  const worker = standalone
    ? workerCredentials(graph, known)
    : { organisation: known?.organisation ?? '', api_key: known?.api_key ?? '' };
  const credentials: Credentials = {
    ...worker,
    http_secret: httpSecret,
    ...addresses,
  };
  await writeCredentials(dataPath, credentials);
  return credentials;
}

/** Those of the file while they are still good; else those of the first organisation that can be used. */
function workerCredentials(
  { distributor }: HubGraph,
  known: Partial<Credentials> | undefined,
): Pick<Credentials, 'organisation' | 'api_key'> {
  const hybrid = new Set(
    distributor
      .organisations()
      .filter(({ hybridEnabled }) => hybridEnabled)
      .map(({ id }) => id),
  );
  const users = distributor.users().filter(({ active, organisation }) => active && hybrid.has(organisation));
  const same = users.find(({ accessKey }) => accessKey !== '' && accessKey === known?.api_key);
  const chosen = same ?? users.find(({ accessKey }) => accessKey !== '');
  return {
    organisation: chosen?.organisation ?? organisationId(known?.organisation ?? ''),
    api_key: chosen?.accessKey ?? known?.api_key ?? '',
  };
}

function newSecret(): string {
  return randomBytes(secretBytes).toString('base64url');
}
