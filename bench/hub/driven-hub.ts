import { ComponentStack } from '../../src/app/component-stack.js';
import { buildHubGraph, type HubGraph } from '../../src/app/hub-graph.js';
import { bufferBlockBytes } from '../../src/app/run-hub.js';
import type { Definition } from '../../src/domain/definition.js';
import { openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { createPinoLog } from '../../src/telemetry/pino-log.js';
import { PrometheusMetrics } from '../../src/telemetry/prometheus-metrics.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { answerCalls } from '../harness/child.js';
import { apiDefinition, organisation } from '../harness/definitions.js';
import { benchConfiguration } from './bench-configuration.js';
import { EditLoop, type EditPace } from './edit-loop.js';
import { EditedCatalog } from './edited-catalog.js';

/**
 * Child: the hub's whole graph on the embedded stores, with a catalog in memory that this process edits. What a
 * folder would add is reading files; everything after it is in: comparing, the note and the copy on disk, the
 * durable log, selecting, encoding, compressing, sessions, gRPC.
 */
Buffer.poolSize = bufferBlockBytes;
const clock = new SystemClock();
const metrics = new PrometheusMetrics();
const log = createPinoLog({ level: 'error', destination: 'stdout', pretty: false });
const catalog = new EditedCatalog();

let graph: HubGraph | undefined;
let stack: ComponentStack | undefined;
let closeStores: (() => Promise<void>) | undefined;
let definitionsMax = 0;
let bytes = 0;
let edits = 0;

const loop = new EditLoop((count) => {
  const edited: Definition[] = [];
  for (let made = 0; made < count; made += 1) {
    edits += 1;
    edited.push(apiDefinition(edits % definitionsMax, edits, bytes));
  }
  catalog.put(edited);
});

answerCalls({
  start: async (given: { dataPath: string; definitions: number; definitionBytes: number }) => {
    definitionsMax = given.definitions;
    bytes = given.definitionBytes;
    catalog.put(Array.from({ length: definitionsMax }, (_, index) => apiDefinition(index, 0, bytes)));
    const { configuration } = benchConfiguration({ dataPath: given.dataPath, catalogPath: given.dataPath });
    const { close, ...stores } = await openEmbeddedStores({ folder: given.dataPath, clock, log });
    closeStores = close;
    graph = buildHubGraph(
      { ...stores, catalog },
      {
        configuration,
        clock,
        log,
        metrics,
        obfuscate: () => '****',
        hub: { id: 'bench', version: 'bench' },
      },
    );
    stack = new ComponentStack(clock, log);
    await stack.start(graph.components, 1_000);
    const { newest } = await stores.changeLog.bounds(organisation);
    return { port: graph.listener.address().port, sequence: newest };
  },
  startEditing: (pace: EditPace) => loop.start(pace),
  stopEditing: () => loop.stop(),
  allReceived: (received: number) => loop.allReceived(received),
  metrics: () => metrics.text(),
  /** Hash of every definition in force. */
  inForce: () => {
    const snapshot = graph?.distributor.snapshotOf(organisation);
    return [...(snapshot?.definitions.values() ?? [])].map(({ id, hash }) => [id, hash]);
  },
  stop: async () => {
    await stack?.stop(clock.monotonicMs() + 1_000);
    await closeStores?.();
  },
});
