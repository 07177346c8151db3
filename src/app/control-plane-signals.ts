import type { Distributor } from '../hub/distribution/distributor.js';
import type { KeyOwners } from '../hub/keyspace/key-owners.js';
import type { KeyReader } from '../hub/keyspace/key-reader.js';
import { KeySignals } from '../hub/keyspace/key-signals.js';
import type { HubEnvironment, HubStores } from './hub-graph.js';

export interface SignalParts {
  readonly distributor: Distributor;
  readonly keyReader: KeyReader;
  readonly owners: KeyOwners;
}

/** What turns the control plane's notifications into changes; undefined: this control plane sends none. */
export function buildKeySignals(
  stores: HubStores,
  { configuration, clock, log, metrics }: HubEnvironment,
  { distributor, keyReader, owners }: SignalParts,
): KeySignals | undefined {
  const { signals, keyStore, changeLog } = stores;
  if (signals === undefined) return undefined;
  return new KeySignals({
    ...{ signals, store: keyStore, changeLog, owners, clock, log, metrics },
    random: Math.random,
    hashKeys: configuration.hashKeys,
    organisations: () => distributor.organisations(),
    ownerOfApi: (api) =>
      distributor.organisations().find(({ id }) => distributor.isSoleOwnerOfApi(id, api))?.id,
    ownerOfUserKey: (key) => distributor.users().find(({ accessKey }) => accessKey === key)?.organisation,
    reloadCatalog: stores.pokeCatalog ?? (() => void distributor.reload()),
    invalidate: (name) => keyReader.invalidate(name),
  });
}
