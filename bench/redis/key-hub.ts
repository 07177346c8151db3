import { ComponentStack } from '../../src/app/component-stack.js';
import { buildHubGraph, type HubEnvironment } from '../../src/app/hub-graph.js';
import { type OpenedStores, openStores } from '../../src/app/open-stores.js';
import { createPinoLog } from '../../src/telemetry/pino-log.js';
import { PrometheusMetrics } from '../../src/telemetry/prometheus-metrics.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { answerCalls } from '../harness/child.js';
import { benchConfiguration, type HubFolders } from '../hub/bench-configuration.js';
import { MapKeyStore } from './map-key-store.js';

export interface KeyHubStart extends HubFolders {
  /** Undefined: no store, the keys are in a map in memory. */
  readonly redisPort: number | undefined;
  readonly keys: readonly (readonly [name: string, value: string])[];
}

/** Child: the hub's whole graph, with its keys in Redis or in no store at all; everything else is the same. */
const clock = new SystemClock();
const log = createPinoLog({ level: 'error', destination: 'stdout', pretty: false });
const stack = new ComponentStack(clock, log);
let stores: OpenedStores | undefined;

answerCalls({
  start: async ({ redisPort, keys, ...folders }: KeyHubStart) => {
    const redis = redisPort !== undefined && {
      'storage.type': 'redis',
      'storage.host': '127.0.0.1',
      'storage.port': redisPort,
    };
    const { configuration } = benchConfiguration(folders, redis || {});
    const environment: HubEnvironment = {
      ...{ configuration, clock, log, metrics: new PrometheusMetrics(), obfuscate: () => '****' },
      hub: { id: 'bench', version: 'bench' },
    };
    stores = await openStores(environment);
    const keyStore = redis ? stores.keyStore : new MapKeyStore();
    for (const [name, value] of keys) await keyStore.put(name, Buffer.from(value), undefined);
    const graph = buildHubGraph({ ...stores, keyStore }, environment);
    await stack.start(graph.components, 1_000);
    return { port: graph.listener.address().port };
  },
  stop: async () => {
    await stack.stop(clock.monotonicMs() + 1_000);
    await stores?.close();
  },
});
