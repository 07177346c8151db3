import { SystemClock } from '../../src/telemetry/system-clock.js';
import { connectBridge } from '../../src/transport/grpc/bridge-client.js';
import { MemoryLocalCopy } from '../../src/worker/memory-local-copy.js';
import { WorkerClient } from '../../src/worker/worker-client.js';
import { apiKey, organisation } from '../harness/definitions.js';

const clock = new SystemClock();

/** The reference worker with a local copy in memory: unpacks and applies everything it is sent. */
export class ReferenceWorker {
  position = -1;
  level = false;
  readonly #client: WorkerClient;

  constructor(
    port: number,
    name: { readonly node: string; readonly group: string; readonly tags: readonly string[] },
    told: { failure(reason: string): void; applied(hash: string): void },
  ) {
    this.#client = new WorkerClient(
      {
        organisation,
        apiKey,
        nodeId: name.node,
        group: name.group,
        tags: name.tags,
        segmented: name.tags.length > 0,
        codecs: ['lz4'],
        version: 'bench',
        hostname: 'bench',
        pid: process.pid,
        address: '',
      },
      {
        copy: new MemoryLocalCopy(),
        connect: (credentials) => connectBridge({ target: `127.0.0.1:${port}`, tls: undefined }, credentials),
        clock,
        random: Math.random,
        onEvent: (event) => {
          if (event.type === 'put') told.applied(event.hash);
          else if (event.type === 'acknowledged') {
            this.position = event.sequence;
            this.level = true;
          } else if (event.type === 'disconnected' || event.type === 'refused') told.failure(event.message);
          else if (event.type === 'apply-failed') told.failure(event.message);
        },
      },
    );
    this.#client.start();
  }

  /** Id and hash of what it holds. */
  held(): [string, string][] {
    return [...this.#client.definitions()].map(({ id, hash }) => [id, hash]);
  }

  stop(): Promise<void> {
    return this.#client.stop();
  }
}
