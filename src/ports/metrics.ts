/**
 * Every metric, in one table: it makes the registry and docs/metrics.md. Units stand last in the names.
 * Label sets are bounded: `zone` and `organisation` fall back to `other` after a fixed number of values.
 */
export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of histogram buckets, in the unit of the name. */
  readonly buckets?: readonly number[];
}

const durationBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];

export const metricTable = {
  causeway_connections: {
    type: 'gauge',
    help: 'Open connections on the worker port, by protocol.',
    labels: ['protocol'],
  },
  causeway_connections_max: {
    type: 'gauge',
    help: 'Connections that the worker port takes: the limit `connectionsMax`, or what the descriptors of the process leave for it.',
    labels: [],
  },
  causeway_strangers: {
    type: 'gauge',
    help: 'Open connections on the worker port over which nobody has logged in.',
    labels: [],
  },
  causeway_connections_refused_total: {
    type: 'counter',
    help: 'Connections closed before or instead of being served, by reason.',
    labels: ['reason'],
  },
  causeway_build_info: {
    type: 'gauge',
    help: 'Always 1; the version of the hub and of Node.js are its labels.',
    labels: ['version', 'node'],
  },
  causeway_ready: { type: 'gauge', help: 'Whether /readiness passes: 1 or 0.', labels: [] },
  causeway_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'When the certificate in force that ends first is no longer valid, as Unix time, by the option that names it.',
    labels: ['option'],
  },
  causeway_certificates_troubled: {
    type: 'gauge',
    help: 'Certificates that need somebody: those in force that clients do not accept (expired, not-yet-valid, chain-broken), and new files that are refused because the one in force is better (refused).',
    labels: ['option', 'trouble'],
  },
  causeway_workers: {
    type: 'gauge',
    help: 'Workers logged in, by organisation and zone.',
    labels: ['organisation', 'zone'],
  },
  causeway_logins_total: {
    type: 'counter',
    help: 'Login attempts, by protocol and result.',
    labels: ['protocol', 'result'],
  },
  causeway_changes_total: {
    type: 'counter',
    help: 'Entries appended to the change log, by type.',
    labels: ['type'],
  },
  causeway_key_events_unowned_total: {
    type: 'counter',
    help: 'Key events of the control plane that no organisation is known to own and no worker was told of, by kind.',
    labels: ['kind'],
  },
  causeway_key_events_unsaid_total: {
    type: 'counter',
    help: 'Key events that could not be told to a gateway as they are: its texts have no form for the ids (`form`), or its release does not know the event (`release`). By kind and reason, each time they were due.',
    labels: ['kind', 'reason'],
  },
  causeway_deliveries_total: {
    type: 'counter',
    help: 'Changes handed to a worker, by protocol.',
    labels: ['protocol'],
  },
  causeway_acks_total: { type: 'counter', help: 'Confirmations received, by result.', labels: ['result'] },
  causeway_zone_lag_entries: {
    type: 'gauge',
    help: 'Change log entries that the slowest worker of a zone has not confirmed.',
    labels: ['organisation', 'zone'],
  },
  causeway_zone_lag_seconds: {
    type: 'gauge',
    help: 'Age of the oldest change that the slowest worker of a zone has not confirmed.',
    labels: ['organisation', 'zone'],
  },
  causeway_zone_clusters: {
    type: 'gauge',
    help: 'Clusters that one zone seems to hold by mistake; 0 when all is well.',
    labels: ['organisation', 'zone'],
  },
  causeway_snapshots_total: {
    type: 'counter',
    help: 'Snapshots started for workers, by reason.',
    labels: ['reason'],
  },
  causeway_encodes_total: {
    type: 'counter',
    help: 'Encodings of what workers receive, by what was encoded. One per distinct view, however many workers.',
    labels: ['what'],
  },
  causeway_payload_uncompressed_bytes_total: {
    type: 'counter',
    help: 'Payload bytes before compression, by direction.',
    labels: ['direction'],
  },
  causeway_payload_compressed_bytes_total: {
    type: 'counter',
    help: 'Payload bytes after compression, by direction.',
    labels: ['direction'],
  },
  causeway_calls_total: {
    type: 'counter',
    help: 'Calls answered on the worker port, by protocol, method and result.',
    labels: ['protocol', 'method', 'result'],
  },
  causeway_call_duration_seconds: {
    type: 'histogram',
    help: 'Time from reading a call to writing its answer; long polls are left out.',
    labels: ['protocol'],
    buckets: durationBuckets,
  },
  causeway_keys_read_total: {
    type: 'counter',
    help: 'Keys that workers asked for, by result. The worker cannot tell denied from not-found.',
    labels: ['result'],
  },
  causeway_key_writes_unannounced: {
    type: 'gauge',
    help: 'Key writes that may have happened and that workers are not told of yet, as a store is away.',
    labels: [],
  },
  causeway_look_throughs_pending: {
    type: 'gauge',
    help: 'Organisations whose keys have to be looked through, as something that happened to them was not heard; all of them count as one.',
    labels: [],
  },
  causeway_catalog_definitions: {
    type: 'gauge',
    help: 'Definitions in force, by organisation and kind.',
    labels: ['organisation', 'kind'],
  },
  causeway_catalog_quarantined: {
    type: 'gauge',
    help: 'Catalog items that are quarantined; the last good version of each stays in force.',
    labels: [],
  },
  causeway_catalog_rows_left_out: {
    type: 'gauge',
    help: 'Rows of the database that are in order and no business of any worker, by table and reason.',
    labels: ['table', 'reason'],
  },
  causeway_catalog_held_removals: {
    type: 'gauge',
    help: 'Removals held until `causeway catalog accept`.',
    labels: ['organisation'],
  },
  causeway_catalog_loads_total: { type: 'counter', help: 'Catalog loads, by result.', labels: ['result'] },
  causeway_analytics_received_records_total: {
    type: 'counter',
    help: 'Analytics records received. Equals stored plus dropped plus those still in the spool.',
    labels: [],
  },
  causeway_analytics_stored_records_total: {
    type: 'counter',
    help: 'Analytics records written to the sink.',
    labels: [],
  },
  causeway_analytics_dropped_records_total: {
    type: 'counter',
    help: 'Analytics records not stored, by reason.',
    labels: ['reason'],
  },
  causeway_analytics_duplicate_batches_total: {
    type: 'counter',
    help: 'Batches that came again and were acknowledged without being stored twice.',
    labels: [],
  },
  causeway_analytics_aggregates_total: {
    type: 'counter',
    help: 'Analytics aggregates that pumps had summed up themselves, by kind and result.',
    labels: ['kind', 'result'],
  },
  causeway_analytics_spool_bytes: {
    type: 'gauge',
    help: 'Bytes waiting in the durable spool.',
    labels: [],
  },
  causeway_analytics_quarantined_records: {
    type: 'gauge',
    help: 'Analytics records kept for a look because they can never be stored; counted as dropped too, by reason.',
    labels: [],
  },
  causeway_items_set_aside_total: {
    type: 'counter',
    help: 'Items that a loop left out because they failed and the store did not, by loop.',
    labels: ['loop'],
  },
  causeway_loop_stalled_seconds: {
    type: 'gauge',
    help: 'For how long a loop has had work and made no progress, by loop; 0 when all is well.',
    labels: ['loop'],
  },
  causeway_unsent_bytes: {
    type: 'gauge',
    help: 'Bytes of answers with keys that workers have not taken yet.',
    labels: [],
  },
  causeway_limit_hits_total: {
    type: 'counter',
    help: 'How often a bound was reached, by the name of the limit.',
    labels: ['limit'],
  },
  causeway_store_damage_total: {
    type: 'counter',
    help: 'Records of the embedded store, or runs of them, that were found to be damaged, by table.',
    labels: ['table'],
  },
  causeway_store_errors_total: {
    type: 'counter',
    help: 'Failed store operations, by store.',
    labels: ['store'],
  },
} as const satisfies Record<string, MetricEntry>;

export type MetricName = keyof typeof metricTable;
export type MetricLabels<Name extends MetricName> = Readonly<
  Record<(typeof metricTable)[Name]['labels'][number], string>
>;

export interface Metrics {
  /** Adds to a counter or gauge. */
  add<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, amount?: number): void;
  /** Sets a gauge. */
  set<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, value: number): void;
  /** Records one observation of a histogram. */
  observe<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, value: number): void;
  /** Forgets all label values of a gauge, before it is set anew. */
  reset(name: MetricName): void;
}
