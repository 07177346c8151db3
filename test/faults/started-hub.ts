import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Credentials, readCredentials } from '../../src/app/credentials-file.js';
import { type RunningHub, runHub } from '../../src/app/run-hub.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';

export interface StartedHub {
  readonly hub: RunningHub;
  /** `http://host:port` */
  readonly origin: string;
  readonly credentials: Credentials;
  stop(): Promise<void>;
}

/** A whole hub on stores of its own in this process, with ports of its own. `env` is its environment. */
export async function startHub(
  env: Readonly<Record<string, string>> = {},
  { embedded = true }: { readonly embedded?: boolean } = {},
): Promise<StartedHub> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-fault-'));
  const parsed = parseConfiguration({
    env,
    overrides: {
      'storage.type': 'embedded',
      'analytics.type': 'embedded',
      'causeway.data_path': folder,
      'causeway.listen_address': '127.0.0.1',
      'causeway.http_address': '127.0.0.1',
      listen_port: '0',
      http_port: '0',
      log_level: 'error',
    },
  });
  if (parsed.problems.length > 0) throw new Error(parsed.problems.map(({ text }) => text).join('\n'));
  const hub = await runHub({ parsed, embedded });
  const credentials = (await readCredentials(folder)) as Credentials;
  return {
    hub,
    origin: `http://127.0.0.1:${hub.http.port}`,
    credentials,
    stop: async () => {
      await hub.stop('test');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
