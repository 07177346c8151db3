import { afterAll, describe } from 'vitest';
import { startPostgres } from '../services/postgres.js';
import { describeCatalog } from './catalog.suite.js';
import { openPostgresFixture } from './catalog-fixtures.js';

const postgres = await startPostgres();
afterAll(() => postgres?.stop());

describe.skipIf(postgres === undefined)('PostgreSQL', () => {
  if (postgres === undefined) return;
  describeCatalog('a column for each field', () => openPostgresFixture(postgres));
  describeCatalog('definitions whole in one column', () =>
    openPostgresFixture(postgres, { documents: true }),
  );
  describeCatalog('simple protocol', () => openPostgresFixture(postgres, { simple: true }));
});
