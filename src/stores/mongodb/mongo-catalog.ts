import type { CatalogNames } from '../../domain/catalog-tables.js';
import { type PokedCatalog, RowCatalog } from '../../hub/distribution/row-catalog.js';
import type { Metrics } from '../../ports/metrics.js';
import { type MongoCatalogEnvironment, MongoCatalogRows } from './mongo-catalog-rows.js';
import { Mongo, type MongoOptions } from './open-mongo.js';

/** The part of a hub's configuration that counts here. */
export interface MongoCatalogConfiguration {
  readonly analytics: {
    /** Secret. */
    readonly connectionString: string;
    readonly mongo: Omit<MongoOptions, 'connectionString'>;
  };
  readonly causeway: {
    readonly catalogCheckSeconds: number;
    readonly catalogTables: CatalogNames['tables'];
    readonly catalogColumns: CatalogNames['columns'];
  };
  readonly escapeDotsInOasPaths: boolean;
}

/**
 * The catalog in the control plane's MongoDB. Connects when it is first loaded, so that a database that is away is no
 * reason not to start. Throws CONFIG_INVALID when the URL or the names cannot be read.
 */
export function openMongoCatalog(
  configuration: MongoCatalogConfiguration,
  environment: MongoCatalogEnvironment & { readonly metrics: Metrics },
): PokedCatalog {
  return new RowCatalog(
    { ...environment, rows: openMongoRows(configuration, environment) },
    {
      checkPeriodMs: configuration.causeway.catalogCheckSeconds * 1_000,
      unescapeDots: configuration.escapeDotsInOasPaths,
      random: environment.random,
    },
  );
}

export function openMongoRows(
  configuration: MongoCatalogConfiguration,
  environment: MongoCatalogEnvironment,
): MongoCatalogRows {
  const { analytics, causeway } = configuration;
  const mongo = new Mongo({ ...analytics.mongo, connectionString: analytics.connectionString });
  if (mongo.url.ignored.length > 0) {
    environment.log.warn('analytics.mongo_url has options without a meaning here', {
      options: mongo.url.ignored,
    });
  }
  return new MongoCatalogRows(
    mongo,
    { tables: causeway.catalogTables, columns: causeway.catalogColumns },
    environment,
  );
}
