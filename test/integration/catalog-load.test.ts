import v8 from 'node:v8';
import vm from 'node:vm';
import * as mongodb from 'mongodb';
import { afterAll, describe, expect, it } from 'vitest';
import { documentOf } from '../../src/stores/mongodb/seed-mongo.js';
import { writeRows } from '../../src/stores/postgres/seed-postgres.js';
import { apiRow, type CatalogFixture, seedPeople } from '../contract/catalog.suite.js';
import { openMongoFixture, openPostgresFixture } from '../contract/catalog-fixtures.js';
import { startMongo } from '../services/ferretdb.js';
import { startPostgres } from '../services/postgres.js';

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

const apisCount = 5_000;
const headers = Object.fromEntries(
  Array.from({ length: 20 }, (_, index) => [`X-Header-${index}`, `value ${index}`]),
);
const rows = Array.from({ length: apisCount }, (_, index) =>
  Buffer.from(
    JSON.stringify(
      apiRow(`api-${index}`, {
        config_data: { note: 'x'.repeat(800) },
        version_data: {
          not_versioned: true,
          versions: { RGVmYXVsdA: { name: 'RGVmYXVsdA', use_extended_paths: true, global_headers: headers } },
        },
      }),
    ),
  ),
);
const jsonBytes = rows.reduce((sum, row) => sum + row.length, 0);

function held(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Peak and lasting memory, as parts of the size of the JSON, and the time of a first load. */
async function loadCold({ catalog }: CatalogFixture) {
  const before = held();
  let peak = 0;
  const sampling = setInterval(() => {
    const { heapUsed, external } = process.memoryUsage();
    peak = Math.max(peak, heapUsed + external);
  }, 10);
  const startedMs = performance.now();
  const cpuBefore = process.cpuUsage();
  const state = await catalog.load(() => []);
  const tookMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  clearInterval(sampling);
  expect(state.definitions).toHaveLength(apisCount);
  const after = held();
  return {
    tookMs,
    cpuMs: (user + system) / 1_000,
    peakRatio: (peak - before) / jsonBytes,
    lastingRatio: (after - before) / jsonBytes,
    // Held until here, so that it is measured.
    first: state.definitions[0],
  };
}

const [postgres, mongo] = [await startPostgres(), await startMongo()];
afterAll(() => Promise.all([postgres?.stop(), mongo?.stop()]));

describe('a cold load of 5,000 APIs', { timeout: 120_000 }, () => {
  it.skipIf(postgres === undefined)('from PostgreSQL', async () => {
    const fixture = await openPostgresFixture(postgres!);
    await seedPeople(fixture);
    await fixture.direct.run(async (session) => {
      await session.query('begin');
      await writeRows(session, 'tyk_apis', rows);
      await session.query('commit');
    });
    const { first, ...measured } = await loadCold(fixture);
    console.log('PostgreSQL', { jsonBytes, ...measured });
    expect(first?.id).toMatch(/^api-/);
    expect(measured.tookMs).toBeLessThan(15_000);
    expect(measured.lastingRatio).toBeLessThan(3);
    await fixture.dispose();
  });

  it.skipIf(mongo === undefined)('from MongoDB', async () => {
    const fixture = await openMongoFixture(mongo!);
    await seedPeople(fixture);
    const collection = fixture.database.collection('tyk_apis');
    for (let at = 0; at < rows.length; at += 500) {
      await collection.insertMany(rows.slice(at, at + 500).map((row) => documentOf(mongodb, 'apis', row)));
    }
    const { first, ...measured } = await loadCold(fixture);
    console.log('MongoDB', { jsonBytes, ...measured });
    expect(first?.id).toMatch(/^api-/);
    // The test server takes most of the time; what it takes is not ours to bound.
    expect(measured.cpuMs).toBeLessThan(15_000);
    expect(measured.lastingRatio).toBeLessThan(3);
    await fixture.dispose();
  });
});
