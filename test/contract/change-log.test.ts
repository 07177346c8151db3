import { describeChangeLog } from './change-log.suite.js';
import { openLmdbChangeLog } from './embedded-fixtures.js';
import { openMemoryChangeLog } from './memory-fixtures.js';

describeChangeLog('memory', openMemoryChangeLog);
describeChangeLog('lmdb', openLmdbChangeLog);
