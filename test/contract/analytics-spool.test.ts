import { describeAnalyticsSpool } from './analytics-spool.suite.js';
import { openLmdbSpool } from './embedded-fixtures.js';
import { openMemorySpool } from './memory-fixtures.js';

describeAnalyticsSpool('memory', openMemorySpool);
describeAnalyticsSpool('lmdb', openLmdbSpool);
