import type { Distributor } from '../hub/distribution/distributor.js';
import { hearDifferences } from '../hub/keyspace/key-differences.js';
import type { KeyOwners } from '../hub/keyspace/key-owners.js';
import type { KeyReader } from '../hub/keyspace/key-reader.js';
import { KeySignals } from '../hub/keyspace/key-signals.js';
import { LookThrough } from '../hub/keyspace/look-through.js';
import type { Component } from '../ports/component.js';
import type { HubEnvironment, HubStores } from './hub-graph.js';

export interface SignalParts {
  readonly distributor: Distributor;
  readonly keyReader: KeyReader;
  readonly owners: KeyOwners;
}

export interface SignalGraph {
  readonly lookThrough: LookThrough;
  /** In the order of their start; a look ends before what tells its differences. */
  readonly components: readonly Component[];
}

/** What turns the control plane's notifications into changes; undefined: this control plane sends none. */
export function buildKeySignals(
  stores: HubStores,
  { configuration, clock, log, metrics, loops }: HubEnvironment,
  { distributor, keyReader, owners }: SignalParts,
): SignalGraph | undefined {
  const { signals, keyStore, changeLog } = stores;
  if (signals === undefined) return undefined;
  const ids = () => distributor.organisations().map(({ id }) => id);
  const lookThrough: LookThrough = new LookThrough({
    ...{ changeLog, clock, log, metrics, organisations: ids, random: Math.random },
    progress: loops?.loop('look-through'),
    look: (marked, isStopped) =>
      hearDifferences(
        {
          ...{ changeLog, store: keyStore, owners, clock, hashKeys: configuration.hashKeys },
          hear: (event, organisation) => keySignals.hear(event, organisation),
          waiting: () => keySignals.waiting,
          settled: (isStopped) => keySignals.settled(isStopped),
        },
        marked,
        isStopped,
      ),
  });
  const keySignals = new KeySignals({
    ...{ signals, store: keyStore, changeLog, owners, clock, log, metrics },
    progress: loops?.loop('key-signals'),
    random: Math.random,
    hashKeys: configuration.hashKeys,
    organisations: () => distributor.organisations(),
    ownerOfApi: (api) => {
      const [owner, ...others] = distributor.ownersOfApi(api);
      return others.length === 0 ? owner : undefined;
    },
    ownerOfUserKey: (key) => distributor.users().find(({ accessKey }) => accessKey === key)?.organisation,
    reloadCatalog: stores.pokeCatalog ?? (() => void distributor.reload()),
    mark: (organisation, depth, reason) => lookThrough.mark(organisation, depth, reason),
    invalidate: (name) => keyReader.invalidate(name),
  });
  return { lookThrough, components: [owners, keySignals, lookThrough] };
}
