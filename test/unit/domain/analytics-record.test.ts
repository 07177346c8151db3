import { describe, expect, it } from 'vitest';
import { analyticsColumns } from '../../../src/domain/analytics-columns.js';
import {
  type AnalyticsValue,
  parseRecordTime,
  readAnalyticsRecord,
  readAnalyticsRecords,
} from '../../../src/domain/analytics-record.js';
import { limits } from '../../../src/domain/limits.js';

const column = (name: string) => analyticsColumns.findIndex((one) => one.name === name);

function read(record: unknown): Record<string, AnalyticsValue> {
  const result = readAnalyticsRecord(record);
  if (!('row' in result)) throw new Error(`dropped: ${result.dropped}`);
  return Object.fromEntries(analyticsColumns.map((one, index) => [one.name, result.row[index]!]));
}

const readText = (json: string, records: number) => [...readAnalyticsRecords(Buffer.from(json), records)];

describe('analytics columns', () => {
  it('are the 52 of the table, each once', () => {
    expect(new Set(analyticsColumns.map((one) => one.name)).size).toBe(52);
    expect(analyticsColumns).toHaveLength(52);
  });
});

describe('readAnalyticsRecord', () => {
  it('reads the snake_case spelling', () => {
    const row = read({
      method: 'GET',
      raw_path: '/raw',
      api_id: 'a1',
      org_id: 'o1',
      api_name: 'Orders',
      response_code: 200,
      timestamp: '2026-08-21T12:39:47.123456789+03:00',
      geo: { country: { iso_code: 'NL' }, city: { geoname_id: 7, names: { en: 'A' } } },
      network: { closed_connections: 3 },
      latency: { gateway: 4 },
      tags: ['a', 'b'],
      track_path: true,
      expireAt: '2126-08-21T12:39:47Z',
      graphql_stats: { Types: { Query: ['x'] }, IsGraphQL: true, OperationType: 1 },
      mcp_stats: { is_mcp: true, jsonrpc_method: 'tools/call' },
    });
    expect(row).toMatchObject({
      method: 'GET',
      rawpath: '/raw',
      apiid: 'a1',
      orgid: 'o1',
      api_name: 'Orders',
      responsecode: 200,
      timestamp: 1_787_305_187_123_457n,
      geo_country_iso_code: 'NL',
      geo_city_geoname_id: 7,
      geo_city_names: '{"en":"A"}',
      network_closed_connections: 3,
      latency_gateway: 4,
      tags: '["a","b"]',
      track_path: true,
      expireAt: 4_942_989_587_000_000n,
      graphql_stats_types: '{"Query":["x"]}',
      graphql_stats_is_graph_ql: true,
      graphql_stats_operation_type: 1,
      mcp_stats_is_mcp: true,
      mcp_stats_jsonrpc_method: 'tools/call',
    });
  });

  it('reads the Go-case spelling', () => {
    const row = read({
      Method: 'GET',
      RawPath: '/raw',
      APIID: 'a1',
      OrgID: 'o1',
      APIName: 'Orders',
      APIKey: 'k',
      OauthID: 'c',
      IPAddress: '::1',
      TimeStamp: '2026-08-21T09:39:47Z',
      Geo: { Country: { ISOCode: 'NL' }, City: { GeoNameID: 7 }, Location: { TimeZone: 'CET' } },
      Network: { OpenConnections: 1, ClosedConnection: 3, BytesIn: 5 },
      TrackPath: true,
      ExpireAt: '2026-08-21T09:39:48Z',
    });
    expect(row).toMatchObject({
      rawpath: '/raw',
      apiid: 'a1',
      orgid: 'o1',
      api_name: 'Orders',
      apikey: 'k',
      oauthid: 'c',
      ipaddress: '::1',
      timestamp: 1_787_305_187_000_000n,
      geo_country_iso_code: 'NL',
      geo_city_geoname_id: 7,
      geo_location_time_zone: 'CET',
      network_open_connections: 1,
      network_closed_connections: 3,
      network_bytes_in: 5,
      track_path: true,
      expireAt: 1_787_305_188_000_000n,
    });
  });

  it('gives missing and null fields their zero value and ignores unknown ones', () => {
    const row = read({ geo: null, tags: null, host: null, api_schema: 'x', future: { a: 1 } });
    expect(row).toEqual(read({}));
    expect(row).toMatchObject({
      host: '',
      contentlength: 0,
      geo_location_latitude: 0,
      geo_city_names: '{}',
      tags: '[]',
      track_path: false,
      timestamp: -62_135_596_800_000_000n,
    });
  });

  it('drops null elements, and what is no object or has a field of the wrong type', () => {
    expect(readAnalyticsRecord(null)).toEqual({ dropped: 'null' });
    for (const record of [
      1,
      'text',
      [],
      { host: 1 },
      { response_code: 'abc' },
      { response_code: 1.5 },
      { timestamp: 'yesterday' },
      { geo: [] },
      { tags: {} },
      { track_path: 'true' },
    ]) {
      expect(readAnalyticsRecord(record), JSON.stringify(record)).toEqual({ dropped: 'malformed' });
    }
  });

  it('strips U+0000, also inside lists and maps', () => {
    const row = read({ path: '/a\0b', tags: ['x\0'], geo: { city: { names: { 'e\0n': '\0A' } } } });
    expect(row).toMatchObject({ path: '/ab', tags: '["x"]', geo_city_names: '{"en":"A"}' });
    expect(read({ tags: ['\\u0000'] })['tags']).toBe('["\\\\u0000"]');
  });
});

describe('readAnalyticsRecords', () => {
  it('reads no record that nests or is large beyond its bound, and gives its text', () => {
    const nested = (depth: number) => `{"tags":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const large = `{"path":"${'x'.repeat(limits.analyticsRecordBytesMax)}"}`;
    const texts = [nested(20_000), nested(limits.analyticsRecordDepthMax - 1), '{"tags":"[[[["}', large];
    const results = readText(`[${texts.join(',')}]`, 4);
    expect(results.map((one) => ('row' in one ? 'row' : one.dropped))).toEqual([
      'too-deep',
      'row',
      'malformed',
      'too-large',
    ]);
    expect(results[0]).toMatchObject({ element: Buffer.from(nested(20_000)) });
  });

  it('keeps 64-bit integers exact', () => {
    const [result] = readText(
      '[{"content_length":9223372036854775807,"network":{"bytes_in":-9223372036854775808,"bytes_out":9007199254740991},"alias":"9223372036854775807"}]',
      1,
    );
    const row = result !== undefined && 'row' in result ? result.row : [];
    expect(row[column('contentlength')]).toBe(2n ** 63n - 1n);
    expect(row[column('network_bytes_in')]).toBe(-(2n ** 63n));
    expect(row[column('network_bytes_out')]).toBe(2 ** 53 - 1);
    expect(row[column('alias')]).toBe('9223372036854775807');
    expect(readText('[{"content_length":9223372036854775808}]', 1)).toMatchObject([{ dropped: 'malformed' }]);
  });

  it('isolates a bad record from its neighbours', () => {
    const results = readText('[{"host":"a"}, {bad}, null, 7, {"host":"b,]}"}]', 5);
    expect(results.map((one) => ('row' in one ? one.row[1] : one.dropped))).toEqual([
      'a',
      'malformed',
      'null',
      'malformed',
      'b,]}',
    ]);
  });

  it('counts what a broken array hides as malformed, and never more than was received', () => {
    const reasons = (json: string, records: number) =>
      readText(json, records).map((one) => ('row' in one ? 'row' : one.dropped));
    expect(reasons('[{"host":"a"},{"host":"b', 3)).toEqual(['row', 'malformed', 'malformed']);
    expect(reasons('{"host":"a"}', 2)).toEqual(['malformed', 'malformed']);
    expect(reasons('', 1)).toEqual(['malformed']);
    expect(reasons('[]', 0)).toEqual([]);
    expect(reasons('[{}] trailing', 1)).toEqual(['row']);
  });
});

describe('parseRecordTime', () => {
  it('rounds nanoseconds to microseconds', () => {
    expect(parseRecordTime('1970-01-01T00:00:00.0000004Z')).toBe(0n);
    expect(parseRecordTime('1970-01-01T00:00:00.0000005Z')).toBe(1n);
    expect(parseRecordTime('1970-01-01T00:00:00.9999999Z')).toBe(1_000_000n);
    expect(parseRecordTime('1969-12-31T23:59:59.5Z')).toBe(-500_000n);
  });

  it('applies the zone', () => {
    expect(parseRecordTime('1970-01-01T05:30:00+05:30')).toBe(0n);
    expect(parseRecordTime('1969-12-31T20:00:00-04:00')).toBe(0n);
  });

  it('knows the zero time', () => {
    expect(parseRecordTime('0001-01-01T00:00:00Z')).toBe(-62_135_596_800_000_000n);
  });

  it('refuses what is no time', () => {
    for (const text of [
      '',
      '2026-08-21',
      '2026-13-01T00:00:00Z',
      '2026-02-30T00:00:00Z',
      '2026-08-21T00:00:00',
    ]) {
      expect(parseRecordTime(text), text).toBeUndefined();
    }
  });
});
