import { afterAll, describe } from 'vitest';
import { startMongo } from '../services/ferretdb.js';
import { describeCatalog } from './catalog.suite.js';
import { openMongoFixture } from './catalog-fixtures.js';

const mongo = await startMongo();
afterAll(() => mongo?.stop());

describe.skipIf(mongo === undefined)('MongoDB', () => {
  if (mongo !== undefined) describeCatalog('mongo', () => openMongoFixture(mongo));
});
