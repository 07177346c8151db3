import { describeCatalog } from './catalog.suite.js';
import { openFolderFixture, openMemoryFixture } from './catalog-fixtures.js';

describeCatalog('memory', openMemoryFixture);
describeCatalog('folder', openFolderFixture);
