import { describeCatalogCopy } from './catalog-copy.suite.js';
import { openLmdbCatalogCopy } from './embedded-fixtures.js';
import { openMemoryCatalogCopy } from './memory-fixtures.js';

describeCatalogCopy('memory', openMemoryCatalogCopy);
describeCatalogCopy('lmdb', openLmdbCatalogCopy);
