import type { Configuration } from '../config/configuration.js';
import { decodeRow } from '../domain/catalog-row.js';
import type { Organisation } from '../domain/organisation.js';
import type { SettingDoubt } from '../domain/setting-evidence.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { CatalogRows, KnownRows } from '../ports/catalog-rows.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { surveySettings } from './settings-survey.js';

interface Probe extends CatalogRows {
  probe(): Promise<void>;
}

export interface StoreFindings {
  /** With one of these a hub cannot be ready. One line each that names the option and the remedy. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** What a check saw of the catalog. */
interface SeenCatalog {
  readonly organisations: readonly Organisation[] | undefined;
  readonly clockAheadMs: number | undefined;
  readonly problems: readonly string[];
}

/**
 * Connects to every store that the configuration names, as a hub would, and lets go; and where it can, holds the
 * settings against what is there. Nothing found: a hub can work with them. Writes nothing.
 */
export async function checkStores(
  configuration: Configuration,
  clock: Clock,
  log: Log,
): Promise<StoreFindings> {
  const [catalog, keyProblems] = await Promise.all([
    checkDatabase(configuration, clock, log),
    checkKeyStore(configuration, clock),
  ]);
  const problems = [...catalog.problems, ...keyProblems];
  // Keys of our own are in a folder that a running hub has locked.
  if (problems.length > 0 || configuration.storageType !== 'redis') return { problems, warnings: [] };
  const doubts = await doubtSettings(configuration, catalog, clock, log).catch((thrown: unknown) =>
    thrown instanceof CausewayError ? thrown : Promise.reject(thrown),
  );
  if (doubts instanceof CausewayError) {
    const why = doubts.detail ?? doubts.message;
    return { problems, warnings: [`the settings could not be held against what is there: ${why}`] };
  }
  const texts = (refuses: boolean) => doubts.filter((one) => one.refuses === refuses).map(({ text }) => text);
  return { problems: texts(true), warnings: texts(false) };
}

async function doubtSettings(
  configuration: Configuration,
  { organisations, clockAheadMs }: SeenCatalog,
  clock: Clock,
  log: Log,
): Promise<readonly SettingDoubt[]> {
  const { RedisKeyStore } = await import('../stores/redis/redis-key-store.js');
  const options = { path: 'storage', clock, log, random: Math.random, markSuffix: 'check' } as const;
  const keyStore = new RedisKeyStore(configuration.storage, options);
  try {
    // Awaited here: the store is closed behind it.
    return await surveySettings(
      configuration,
      {
        keyStore,
        keyStoreFacts: () => keyStore.facts(),
        catalogClockMs: async () => (clockAheadMs === undefined ? undefined : clock.nowMs() + clockAheadMs),
        organisations: () => organisations,
      },
      clock,
    );
  } finally {
    await keyStore.close();
  }
}

async function checkDatabase(configuration: Configuration, clock: Clock, log: Log): Promise<SeenCatalog> {
  const { type } = configuration.analytics;
  if (type === 'embedded') {
    const organisations = await readFolder(configuration, clock, log);
    return { organisations, clockAheadMs: undefined, problems: [] };
  }
  let rows: Probe | undefined;
  try {
    if (type === 'postgres') {
      const { openPostgresRows } = await import('../stores/postgres/postgres-catalog.js');
      rows = openPostgresRows(configuration, clock);
    } else {
      const { openMongoRows } = await import('../stores/mongodb/mongo-catalog.js');
      rows = openMongoRows(configuration, { clock, log, random: Math.random });
    }
    await rows.probe();
    const theirs = await rows.wallClockMs?.();
    const clockAheadMs = theirs === undefined ? undefined : theirs - clock.nowMs();
    return { organisations: await readOrganisations(rows), clockAheadMs, problems: [] };
  } catch (thrown) {
    const problem = thrown instanceof CausewayError ? thrown.message : describeError(thrown);
    return { organisations: undefined, clockAheadMs: undefined, problems: [problem] };
  } finally {
    await rows?.close();
  }
}

/** Undefined: it is not there yet, or not to be read, which is told elsewhere. */
async function readFolder(
  configuration: Configuration,
  clock: Clock,
  log: Log,
): Promise<readonly Organisation[] | undefined> {
  if (configuration.storageType !== 'redis') return undefined;
  const [{ FolderCatalog }, { PrometheusMetrics }] = await Promise.all([
    import('../stores/folder/folder-catalog.js'),
    import('../telemetry/prometheus-metrics.js'),
  ]);
  const path = configuration.causeway.catalogPath;
  const catalog = new FolderCatalog({ clock, log, metrics: new PrometheusMetrics(), path });
  const state = await catalog.load(() => []).catch(() => undefined);
  return state?.organisations;
}

async function readOrganisations(rows: CatalogRows): Promise<readonly Organisation[]> {
  const organisations: Organisation[] = [];
  const nothingKnown: KnownRows = { versionOf: () => undefined, keysOf: () => [] };
  await rows.refresh(
    nothingKnown,
    {
      put: (row) => {
        if (row.table !== 'organisations') return;
        const item = decodeRow(row, { unescapeDots: false });
        if (item.type === 'organisation') organisations.push(item.organisation);
      },
      broken: () => {},
      remove: () => {},
    },
    true,
  );
  return organisations;
}

async function checkKeyStore(configuration: Configuration, clock: Clock): Promise<readonly string[]> {
  const { storageType, storage, enableSeparateAnalyticsStore, analyticsStorage } = configuration;
  const { checkRedis } = await import('../stores/redis/check-redis.js');
  const options = { clock, random: Math.random };
  const problems: string[] = [];
  if (storageType === 'redis') problems.push(...(await checkRedis(storage, { ...options, path: 'storage' })));
  if (enableSeparateAnalyticsStore) {
    problems.push(...(await checkRedis(analyticsStorage, { ...options, path: 'analytics_storage' })));
  }
  return problems;
}
