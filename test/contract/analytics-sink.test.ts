import { describeAnalyticsSink } from './analytics-sink.suite.js';
import { openDuckdbSink } from './embedded-fixtures.js';
import { openMemorySink } from './memory-fixtures.js';

describeAnalyticsSink('memory', openMemorySink);
describeAnalyticsSink('duckdb', openDuckdbSink);
