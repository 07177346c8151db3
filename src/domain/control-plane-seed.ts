import type { CatalogTable } from './catalog-row.js';

/**
 * A control plane to be written into empty stores: JSON objects, one per row, in the database's spelling of what
 * people are made of and with definitions in database form. An API's OpenAPI document is its member `oas_doc`; every
 * row has an `_id`.
 */
export type ControlPlaneSeed = Readonly<Record<CatalogTable, readonly Buffer[]>>;
