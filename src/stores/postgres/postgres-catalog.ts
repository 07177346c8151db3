import type { CatalogNames } from '../../domain/catalog-tables.js';
import { type PokedCatalog, RowCatalog } from '../../hub/distribution/row-catalog.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import { Postgres } from './open-postgres.js';
import { PostgresCatalogRows } from './postgres-catalog-rows.js';

/** The part of a hub's configuration that counts here. */
export interface PostgresCatalogConfiguration {
  readonly analytics: {
    /** Secret. */
    readonly connectionString: string;
    readonly postgres: { readonly preferSimpleProtocol: boolean };
  };
  readonly causeway: {
    readonly catalogCheckSeconds: number;
    readonly catalogTables: CatalogNames['tables'];
    readonly catalogColumns: CatalogNames['columns'];
  };
  readonly escapeDotsInOasPaths: boolean;
}

export interface PostgresCatalogEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** One reads; a second is for the moment in which the first is being replaced. */
const connectionsMax = 2;

/**
 * The catalog in the control plane's PostgreSQL. Connects when it is first loaded, so that a database that is away
 * is no reason not to start. Throws CONFIG_INVALID when the connection string or the names cannot be read.
 */
export function openPostgresCatalog(
  configuration: PostgresCatalogConfiguration,
  environment: PostgresCatalogEnvironment,
): PokedCatalog {
  return new RowCatalog(
    { ...environment, rows: openPostgresRows(configuration, environment.clock) },
    {
      checkPeriodMs: configuration.causeway.catalogCheckSeconds * 1_000,
      unescapeDots: configuration.escapeDotsInOasPaths,
      random: environment.random,
    },
  );
}

export function openPostgresRows(
  configuration: PostgresCatalogConfiguration,
  clock: Clock,
): PostgresCatalogRows {
  const { analytics, causeway } = configuration;
  const postgres = new Postgres({
    connectionString: analytics.connectionString,
    preferSimpleProtocol: analytics.postgres.preferSimpleProtocol,
    connectionsMax,
    clock,
  });
  return new PostgresCatalogRows(postgres, {
    tables: causeway.catalogTables,
    columns: causeway.catalogColumns,
  });
}
