/**
 * How a column holds its value in a row (see `AnalyticsRow`):
 *
 * text: string. integer: safe number or bigint, within 64 bits. real: number. boolean: boolean.
 * time: bigint, microseconds since 1970 UTC. list, map: JSON text.
 */
export type AnalyticsColumnKind = 'text' | 'integer' | 'real' | 'boolean' | 'time' | 'list' | 'map';

export interface AnalyticsColumn {
  /** Name in the SQL table `tyk_analytics`; `expireAt` has to be quoted there. */
  readonly name: string;
  readonly kind: AnalyticsColumnKind;
  /** Where the record has it, dots between levels. Source: the json tags of the field's own record type. */
  readonly path: string;
  /** Another spelling in use that differs by more than case and underscores. */
  readonly alias?: string;
}

/** The 52 columns that the field's dashboards read, in the order of the record. */
export const analyticsColumns = [
  { name: 'method', kind: 'text', path: 'method' },
  { name: 'host', kind: 'text', path: 'host' },
  { name: 'path', kind: 'text', path: 'path' },
  { name: 'rawpath', kind: 'text', path: 'raw_path' },
  { name: 'contentlength', kind: 'integer', path: 'content_length' },
  { name: 'useragent', kind: 'text', path: 'user_agent' },
  { name: 'day', kind: 'integer', path: 'day' },
  { name: 'month', kind: 'integer', path: 'month' },
  { name: 'year', kind: 'integer', path: 'year' },
  { name: 'hour', kind: 'integer', path: 'hour' },
  { name: 'responsecode', kind: 'integer', path: 'response_code' },
  { name: 'apikey', kind: 'text', path: 'api_key' },
  { name: 'timestamp', kind: 'time', path: 'timestamp' },
  { name: 'apiversion', kind: 'text', path: 'api_version' },
  { name: 'api_name', kind: 'text', path: 'api_name' },
  { name: 'apiid', kind: 'text', path: 'api_id' },
  { name: 'orgid', kind: 'text', path: 'org_id' },
  { name: 'oauthid', kind: 'text', path: 'oauth_id' },
  { name: 'requesttime', kind: 'integer', path: 'request_time' },
  { name: 'rawrequest', kind: 'text', path: 'raw_request' },
  { name: 'rawresponse', kind: 'text', path: 'raw_response' },
  { name: 'ipaddress', kind: 'text', path: 'ip_address' },
  { name: 'geo_country_iso_code', kind: 'text', path: 'geo.country.iso_code' },
  { name: 'geo_city_geoname_id', kind: 'integer', path: 'geo.city.geoname_id' },
  { name: 'geo_city_names', kind: 'map', path: 'geo.city.names' },
  { name: 'geo_location_latitude', kind: 'real', path: 'geo.location.latitude' },
  { name: 'geo_location_longitude', kind: 'real', path: 'geo.location.longitude' },
  { name: 'geo_location_time_zone', kind: 'text', path: 'geo.location.time_zone' },
  { name: 'network_open_connections', kind: 'integer', path: 'network.open_connections' },
  {
    name: 'network_closed_connections',
    kind: 'integer',
    path: 'network.closed_connections',
    alias: 'network.ClosedConnection',
  },
  { name: 'network_bytes_in', kind: 'integer', path: 'network.bytes_in' },
  { name: 'network_bytes_out', kind: 'integer', path: 'network.bytes_out' },
  { name: 'latency_total', kind: 'integer', path: 'latency.total' },
  { name: 'latency_upstream', kind: 'integer', path: 'latency.upstream' },
  { name: 'latency_gateway', kind: 'integer', path: 'latency.gateway' },
  { name: 'tags', kind: 'list', path: 'tags' },
  { name: 'alias', kind: 'text', path: 'alias' },
  { name: 'track_path', kind: 'boolean', path: 'track_path' },
  { name: 'expireAt', kind: 'time', path: 'expireAt' },
  { name: 'originalpath', kind: 'text', path: 'original_path' },
  { name: 'listenpath', kind: 'text', path: 'listen_path' },
  { name: 'graphql_stats_variables', kind: 'text', path: 'graphql_stats.Variables' },
  { name: 'graphql_stats_root_fields', kind: 'list', path: 'graphql_stats.RootFields' },
  { name: 'graphql_stats_types', kind: 'map', path: 'graphql_stats.Types' },
  { name: 'graphql_stats_errors', kind: 'list', path: 'graphql_stats.Errors' },
  { name: 'graphql_stats_operation_type', kind: 'integer', path: 'graphql_stats.OperationType' },
  { name: 'graphql_stats_has_errors', kind: 'boolean', path: 'graphql_stats.HasErrors' },
  { name: 'graphql_stats_is_graph_ql', kind: 'boolean', path: 'graphql_stats.IsGraphQL' },
  { name: 'mcp_stats_is_mcp', kind: 'boolean', path: 'mcp_stats.is_mcp' },
  { name: 'mcp_stats_jsonrpc_method', kind: 'text', path: 'mcp_stats.jsonrpc_method' },
  { name: 'mcp_stats_primitive_type', kind: 'text', path: 'mcp_stats.primitive_type' },
  { name: 'mcp_stats_primitive_name', kind: 'text', path: 'mcp_stats.primitive_name' },
] as const satisfies readonly AnalyticsColumn[];

export type AnalyticsColumnName = (typeof analyticsColumns)[number]['name'];
