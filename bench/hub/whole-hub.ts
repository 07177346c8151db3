import { runHub } from '../../src/app/run-hub.js';
import { answerCalls } from '../harness/child.js';
import { benchConfiguration, type HubFolders } from './bench-configuration.js';

/** Child: the hub as `causeway start` runs it, on the embedded stores and a catalog folder. */
let hub: Awaited<ReturnType<typeof runHub>> | undefined;

answerCalls({
  start: async (folders: HubFolders) => {
    hub = await runHub({ parsed: benchConfiguration(folders), embedded: true });
    return { port: hub.listen.port, httpPort: hub.http.port };
  },
  metrics: async () => {
    const answer = await fetch(`http://127.0.0.1:${hub?.http.port}/metrics`);
    return answer.text();
  },
  stop: () => hub?.stop('the measurement is over'),
});
