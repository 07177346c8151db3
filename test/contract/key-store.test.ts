import { openLmdbKeyStore } from './embedded-fixtures.js';
import { describeKeyStore } from './key-store.suite.js';
import { openMemoryKeyStore } from './memory-fixtures.js';

describeKeyStore('memory', openMemoryKeyStore);
describeKeyStore('lmdb', openLmdbKeyStore);
