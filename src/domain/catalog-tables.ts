import { type CatalogTable, catalogTables } from './catalog-row.js';

/** Names the field uses, the likeliest first. */
export const knownTableNames: Readonly<Record<CatalogTable, readonly string[]>> = {
  organisations: ['tyk_organisations', 'tyk_organizations'],
  users: ['tyk_analytics_users'],
  user_groups: ['tyk_user_groups', 'tyk_analytics_user_groups'],
  apis: ['tyk_apis'],
  policies: ['tyk_policies'],
  client_idps: ['tyk_client_idps', 'tyk_client_identity_providers', 'client_idps'],
};

/** What the operator says about names; empty texts and no columns: nothing. */
export interface CatalogNames {
  readonly tables: Readonly<Record<CatalogTable, string>>;
  /** As `table.field=column`. */
  readonly columns: readonly string[];
}

/** Names to look for, for each table. */
export function candidateNames(names: CatalogNames, table: CatalogTable): readonly string[] {
  return names.tables[table] === '' ? knownTableNames[table] : [names.tables[table]];
}

/**
 * From the operator's column names to fields, for each table. A text says what is wrong with the first entry that
 * cannot be read.
 */
export function renamedColumns(
  names: CatalogNames,
): ReadonlyMap<CatalogTable, ReadonlyMap<string, string>> | string {
  const renamed = new Map(catalogTables.map((table) => [table, new Map<string, string>()]));
  for (const entry of names.columns) {
    const [, table = '', field = '', column = ''] =
      /^\s*([a-z_]+)\.([^=\s]+)\s*=\s*(\S+)\s*$/.exec(entry) ?? [];
    const columns = renamed.get(table as CatalogTable);
    if (columns === undefined) {
      return `${JSON.stringify(entry)} is not of the form table.field=column, with a table of ${catalogTables.join(', ')}`;
    }
    columns.set(column, field);
  }
  return renamed;
}
