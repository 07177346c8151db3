import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DuckdbAnalyticsSink } from '../../src/stores/embedded/duckdb-analytics-sink.js';
import { silentLog } from '../memory/silent-log.js';
import { describeAnalyticsSink, spooled } from './analytics-sink.suite.js';
import { openDuckdbSink } from './embedded-fixtures.js';
import { temporaryFolder } from './fixture.js';
import { openMemorySink } from './memory-fixtures.js';

describeAnalyticsSink('memory', openMemorySink);
describeAnalyticsSink('duckdb', openDuckdbSink);

test('duckdb ends at once in the middle of a large store, and has nothing of it', async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'analytics.duckdb');
  try {
    const sink = new DuckdbAnalyticsSink({ file, log: silentLog });
    await sink.store([spooled(1, [{ host: 'a' }])]);
    const many = Array.from({ length: 100_000 }, () => ({ host: 'b' }));
    const storing = sink.store([spooled(2, many)]).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    const startMs = performance.now();
    await sink.stop();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await storing).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const again = new DuckdbAnalyticsSink({ file, log: silentLog });
    expect(await again.count()).toBe(1);
    await again.stop();
  } finally {
    await folder.remove();
  }
});

test('duckdb keeps aggregates as they were sent', async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'analytics.duckdb');
  try {
    const payload = '{"org-a":{"n":9007199254740993,"text":"it\'s"}}';
    const sink = new DuckdbAnalyticsSink({ file, log: silentLog });
    await sink.store([{ ...spooled(1, payload), records: 0, kind: 'mcp-aggregate' }]);
    await sink.stop();
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(file);
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(
      'SELECT epoch_ms(received_at), organisation, kind, payload FROM tyk_analytics_aggregate_payloads',
    );
    expect(reader.getRows()).toEqual([[1_700_000_000_000n, 'org-a', 'mcp-aggregate', payload]]);
    connection.closeSync();
    instance.closeSync();
  } finally {
    await folder.remove();
  }
});
