import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { buildHubGraph } from '../../src/app/hub-graph.js';
import { bufferBlockBytes } from '../../src/app/run-hub.js';
import { openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { createPinoLog } from '../../src/telemetry/pino-log.js';
import { PrometheusMetrics } from '../../src/telemetry/prometheus-metrics.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { writePreamble } from '../../src/transport/gorpc/preamble.js';
import { apiDefinition, apiKey, organisation } from '../harness/definitions.js';
import { benchConfiguration } from '../hub/bench-configuration.js';
import { EditedCatalog } from '../hub/edited-catalog.js';
import { encodeRequests, getKey, loginWithGroup } from './gorpc-requests.js';

/**
 * Processor time of GetKey in the hub, from bytes to bytes, without a socket and without deflate: 1,000 keys of
 * 1 KB in the embedded store. `--profile` of Node shows where it goes.
 */
const keys = 1_000;
const callsPerRound = 20_000;
const rounds = 15;
const valueBytesMin = 400;

class CountingStream extends Duplex {
  bytes = 0;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.bytes += chunk.length;
    done();
  }
}

Buffer.poolSize = bufferBlockBytes;
const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
const clock = new SystemClock();
const log = createPinoLog({ level: 'error', destination: 'stdout', pretty: false });
const { close, ...stores } = await openEmbeddedStores({ folder, clock, log });
for (let index = 0; index < keys; index += 1) {
  const rights = Object.fromEntries(
    Array.from({ length: 8 }, (_, api) => [
      `api-${api}`,
      { api_id: `api-${api}`, api_name: `API number ${api}` },
    ]),
  );
  const session = { org_id: organisation, rate: 1_000, per: 60, access_rights: rights, quota_max: index };
  await stores.keyStore.put(`apikey-${index}`, Buffer.from(JSON.stringify(session)), undefined);
}
const catalog = new EditedCatalog();
catalog.put([apiDefinition(0, 0, 1_024)]);
const { configuration } = benchConfiguration({ dataPath: folder, catalogPath: folder });
const graph = buildHubGraph(
  { ...stores, catalog },
  {
    configuration,
    clock,
    log,
    metrics: new PrometheusMetrics(),
    obfuscate: () => '****',
    hub: { id: 'bench', version: 'bench' },
  },
);
await graph.distributor.start();
const { transport } = graph.gorpc;

for (const together of [1, 10]) {
  const stream = new CountingStream();
  transport.accept(stream, { remoteAddress: '127.0.0.1', remotePort: 1 });
  stream.push(writePreamble({ connectionId: `bench-${together}`, compressed: false }));
  const [login, first, ...rest] = encodeRequests([
    loginWithGroup(1, apiKey, 'zone', Buffer.from('{"node_id":"bench"}')),
    ...Array.from({ length: keys + 1 }, (_, index) => getKey(index + 2, `apikey-${index % keys}`)),
  ]);
  await answered(stream, login);
  await answered(stream, first, valueBytesMin);
  const batches = Array.from({ length: keys / together }, (_, index) =>
    Buffer.concat(rest.slice(index * together, (index + 1) * together)),
  );
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    for (let call = 0; call < callsPerRound; call += together) {
      await answered(stream, batches[(call / together) % batches.length], together * valueBytesMin);
    }
    const { user, system } = process.cpuUsage(before);
    times.push(((user + system) * 1_000) / callsPerRound);
  }
  times.sort((a, b) => a - b);
  const [low, median, high] = [0.1, 0.5, 0.9].map((part) => times[Math.floor(part * rounds)]?.toFixed(0));
  console.log(`GetKey, ${together} at a time`.padEnd(30), `${median} ns (${low} to ${high})`);
}
await graph.distributor.stop();
await close();
rmSync(folder, { recursive: true });
process.exit(0);

async function answered(stream: CountingStream, batch: Buffer | undefined, bytesMin = 1): Promise<void> {
  const before = stream.bytes;
  stream.push(batch);
  for (let turns = 0; stream.bytes < before + bytesMin; turns += 1) {
    if (turns > 100) throw new Error('no answer, or an error');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
