import { runHub } from '../../src/app/run-hub.js';
import { openEmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { createPinoLog } from '../../src/telemetry/pino-log.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { answerCalls } from '../harness/child.js';
import { benchConfiguration, type HubFolders } from './bench-configuration.js';

/** Child: the hub as `causeway start` runs it, on the embedded stores and a catalog folder. */
let hub: Awaited<ReturnType<typeof runHub>> | undefined;

answerCalls({
  start: async ({
    keys = [],
    ...folders
  }: HubFolders & { keys?: readonly (readonly [string, string])[] }) => {
    if (keys.length > 0) await writeKeys(folders.dataPath, keys);
    hub = await runHub({ parsed: benchConfiguration(folders), embedded: true });
    return { port: hub.listen.port, httpPort: hub.http.port };
  },
  metrics: async () => {
    const answer = await fetch(`http://127.0.0.1:${hub?.http.port}/metrics`);
    return answer.text();
  },
  stop: () => hub?.stop('the measurement is over'),
});

/** As the control plane would have written them. */
async function writeKeys(folder: string, keys: readonly (readonly [string, string])[]): Promise<void> {
  const log = createPinoLog({ level: 'error', destination: 'stdout', pretty: false });
  const stores = await openEmbeddedStores({ folder, clock: new SystemClock(), log });
  for (const [name, value] of keys) await stores.keyStore.put(name, Buffer.from(value), undefined);
  await stores.close();
}
