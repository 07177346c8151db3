import type { BenchOptions } from '../harness/bench-options.js';
import { metricValue } from '../harness/metrics-text.js';
import { say } from '../harness/report.js';
import { compareServers } from './compare.js';
import type { GorpcServer } from './gorpc-server.js';

const definitionBytes = 20_000;
const sizes = [
  { name: '1.3 MB', definitions: 65, seconds: 3 },
  { name: '20 MB', definitions: 1_000, seconds: 8 },
];

/** All definitions of an organisation, fetched by 50 gateways that want them at the same time. */
export async function benchDefinitions(options: BenchOptions): Promise<void> {
  for (const { name, definitions, seconds } of sizes) {
    await compareServers(
      { definitions, definitionBytes },
      [
        {
          title: `GetApiDefinitions of ${name}, 50 gateways`,
          load: { method: 'GetApiDefinitions', gateways: 50, connections: 1, inFlight: 1, seconds },
        },
      ],
      options,
      checkOneEncoding,
    );
  }
}

async function checkOneEncoding(hub: GorpcServer): Promise<void> {
  const text = (await hub.metrics()) ?? '';
  const encodes = metricValue(text, 'causeway_encodes_total{what="gorpc-definitions"}');
  say(`encodings of the one view: ${encodes}`);
  if (encodes !== 1) throw new Error(`one view was encoded ${encodes} times`);
}
