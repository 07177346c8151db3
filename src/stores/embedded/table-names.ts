/** Every table of the embedded store: a name that is damaged is told by this list, and a table that is missing. */
export const tableNames = [
  'format',
  'identity',
  'keys',
  'key-expiries',
  'key-windows',
  'key-time',
  'lost-keys',
  'intentions',
  'changes',
  'change-heads',
  'change-epoch',
  'cursors',
  'spool-batches',
  'spool-payloads',
  'spool-ids',
  'spool-id-order',
  'spool-state',
  'quarantine-records',
  'quarantine-texts',
  'catalog-definitions',
  'catalog-people',
] as const;

export type TableName = (typeof tableNames)[number];
