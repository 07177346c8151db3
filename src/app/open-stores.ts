import { randomBytes } from 'node:crypto';
import type { AnnouncedWrites } from '../ports/announced-writes.js';
import type { Catalog } from '../ports/catalog.js';
import type { ControlPlaneSignals } from '../ports/control-plane-signals.js';
import type { KeyStore } from '../ports/key-store.js';
import { openEmbeddedStores } from '../stores/embedded/open-embedded-stores.js';
import type { HubEnvironment, HubStores } from './hub-graph.js';

export interface OpenedStores extends HubStores {
  /** Nothing outside this process is used: a first start may fill the stores with the examples. */
  readonly standalone: boolean;
  /** The embedded store took the place of one that was lost: this is no first start. */
  readonly replaced: boolean;
  /** Closes all in reverse. May be called twice. */
  close(): Promise<void>;
}

interface Opened<Store> {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

/** How long a start waits for a Redis that does not answer before it goes on without. */
const redisWaitMs = 2_000;

/**
 * Opens what the configuration names. The change log, the spool, the copy of the catalog and the analytics are
 * in the data folder whatever the control plane is; keys and the catalog may be elsewhere. A store that is away
 * is no reason not to start. Drivers are loaded only when they are used.
 */
export async function openStores(
  environment: HubEnvironment,
  { acceptLoss }: { readonly acceptLoss: boolean } = { acceptLoss: false },
): Promise<OpenedStores> {
  const { configuration, clock, log } = environment;
  const { storageType, analytics, causeway } = configuration;
  const embedded = await openEmbeddedStores({
    folder: causeway.dataPath,
    clock,
    log,
    loops: environment.loops,
    metrics: environment.metrics,
    changeLogEntriesMax: causeway.changeLogEntriesMax,
    acceptLoss,
  });
  const opened: (() => Promise<void>)[] = [() => embedded.close()];
  const close = async (): Promise<void> => {
    for (let one = opened.pop(); one !== undefined; one = opened.pop()) await one();
  };
  try {
    const catalog = await openCatalog(environment);
    opened.push(catalog.close);
    let keyStore: KeyStore = embedded.keyStore;
    let announcedWrites: AnnouncedWrites | undefined = embedded.announcedWrites;
    let signals: ControlPlaneSignals | undefined;
    let evidence: Pick<HubStores, 'keyStoreFacts' | 'notifications'> = {};
    if (storageType === 'redis') {
      const redis = await openRedis(environment);
      opened.push(redis.close);
      keyStore = redis.store;
      announcedWrites = undefined;
      signals = redis.signals;
      evidence = {
        keyStoreFacts: () => redis.store.facts(),
        notifications: () => redis.signals.signatures(),
      };
    }
    if (analytics.type !== 'embedded') {
      log.info('the catalog is read from the database; analytics are kept in the data folder', {
        type: analytics.type,
        folder: causeway.dataPath,
      });
    }
    const { changeLog, spool, quarantine, sink, catalogCopy, replaced, damage } = embedded;
    return {
      ...{ changeLog, announcedWrites, spool, quarantine, sink, catalogCopy, keyStore, signals, damage },
      catalog: catalog.store,
      pokeCatalog: catalog.poke,
      catalogClockMs: catalog.clockMs,
      ...evidence,
      replaced,
      standalone: storageType === 'embedded' && analytics.type === 'embedded',
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function openCatalog(
  environment: HubEnvironment,
): Promise<
  Opened<Catalog> & { readonly poke?: () => void; readonly clockMs?: () => Promise<number | undefined> }
> {
  const { configuration, clock, log, metrics } = environment;
  const ports = { clock, log, metrics };
  const { type } = configuration.analytics;
  if (type === 'embedded') {
    const { FolderCatalog } = await import('../stores/folder/folder-catalog.js');
    const path = configuration.causeway.catalogPath;
    return { store: new FolderCatalog({ ...ports, path }), close: async () => {} };
  }
  const database = { ...ports, random: Math.random };
  const catalog =
    type === 'postgres'
      ? (await import('../stores/postgres/postgres-catalog.js')).openPostgresCatalog(configuration, database)
      : (await import('../stores/mongodb/mongo-catalog.js')).openMongoCatalog(configuration, database);
  const clockMs = () => catalog.wallClockMs();
  const close = () => catalog.stop(clock.monotonicMs());
  return { store: catalog, poke: () => catalog.poke(), clockMs, close };
}

async function openRedis({ configuration, clock, log, loops }: HubEnvironment) {
  const [{ RedisKeyStore }, { KeyspaceSignals }] = await Promise.all([
    import('../stores/redis/redis-key-store.js'),
    import('../stores/redis/keyspace-signals.js'),
  ]);
  const options = { path: 'storage', clock, log, random: Math.random } as const;
  const store = new RedisKeyStore(configuration.storage, {
    ...options,
    markSuffix: randomBytes(4).toString('hex'),
  });
  const signals = new KeyspaceSignals(configuration.storage, {
    ...options,
    nodeSecret: configuration.causeway.nodeSecret,
    progress: loops?.loop('control-plane-signals'),
  });
  await store.open(Math.min(redisWaitMs, configuration.storage.timeoutMs));
  return {
    store,
    signals,
    close: async () => {
      signals.close();
      await store.close();
    },
  };
}
