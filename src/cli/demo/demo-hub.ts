import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Credentials, readCredentials } from '../../app/credentials-file.js';
import type { Log } from '../../ports/log.js';
import { DuckdbAnalyticsSink } from '../../stores/embedded/duckdb-analytics-sink.js';
import type { CliContext } from '../cli-context.js';
import { HubApi } from '../hub-api.js';
import { check, DemoFailure, waitFor } from './demo-check.js';

const mainPath = fileURLToPath(new URL('../../main.js', import.meta.url));
const shownLogLines = 5;

const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};

/** A hub in a process of its own, on free ports, with everything in one folder. */
export class DemoHub {
  readonly dataFolder: string;
  readonly #logPath: string;
  readonly #context: CliContext;
  readonly #child: ChildProcess;
  #ended = false;
  #stopping = false;

  /** `onDied` is called when it ends without having been told to. */
  constructor(folder: string, context: CliContext, onDied: (how: string) => void) {
    this.dataFolder = join(folder, 'hub');
    this.#logPath = join(folder, 'hub.log');
    this.#context = context;
    const log = openSync(this.#logPath, 'a', 0o600);
    this.#child = spawn(
      process.execPath,
      [mainPath, 'start', '--embedded', '--data', this.dataFolder, '--listen-port', '0', '--http-port', '0'],
      { stdio: ['ignore', log, log], env: environmentOf(context) },
    );
    this.#child.once('exit', (code, signal) => {
      this.#ended = true;
      if (!this.#stopping) onDied(`the hub ended by itself (${signal ?? `exit code ${code}`})`);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the hub says that it is ready. */
  async ready(step: string, aborted: AbortSignal): Promise<{ credentials: Credentials; api: HubApi }> {
    const credentials = await waitFor(step, 'the start of the hub', () => this.#credentials(step), aborted);
    const api = await HubApi.from({ ...this.#context, env: {} }, { data: this.dataFolder });
    await waitFor(step, 'readiness', () => this.#isReady(api), aborted);
    return { credentials, api };
  }

  /** Sends SIGTERM and resolves to the exit code. */
  async stop(): Promise<number | null> {
    if (this.#ended) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#stopping = true;
    this.#child.kill('SIGTERM');
    await exited;
    return this.#child.exitCode;
  }

  kill(): void {
    this.#stopping = true;
    if (!this.#ended) this.#child.kill('SIGKILL');
  }

  /** `select count(*) from tyk_analytics`, by opening the file that the stopped hub left. */
  async countStoredRecords(): Promise<number> {
    const sink = new DuckdbAnalyticsSink({ file: join(this.dataFolder, 'analytics.duckdb'), log: silentLog });
    try {
      return await sink.count();
    } finally {
      await sink.stop();
    }
  }

  async #credentials(step: string): Promise<Credentials | undefined> {
    if (this.#ended) {
      const log = await readFile(this.#logPath, 'utf8');
      const lines = log.trimEnd().split('\n').slice(-shownLogLines).join('\n');
      throw new DemoFailure(step, `the hub ended with exit code ${this.#child.exitCode}:\n${lines}`);
    }
    const known = await readCredentials(this.dataFolder);
    return known?.listen && known.http && known.api_key && known.organisation && known.http_secret
      ? (known as Credentials)
      : undefined;
  }

  async #isReady(api: HubApi): Promise<true | undefined> {
    const status = await readHubStatus(api);
    return status.readiness.every(({ status: state }) => state === 'pass') ? true : undefined;
  }
}

export interface HubStatus {
  readonly readiness: readonly { readonly status: string }[];
  readonly analytics: { readonly stored_records: number | null; readonly spooled_batches: number };
}

export async function readHubStatus(api: HubApi): Promise<HubStatus> {
  const status = JSON.parse((await api.call('GET', '/status')).toString('utf8')) as Partial<HubStatus>;
  check(
    'status',
    status.readiness !== undefined && status.analytics !== undefined,
    'the hub tells no status',
  );
  return status as HubStatus;
}

/** The operator's own settings are none of the demo's business. */
function environmentOf({ env }: CliContext): NodeJS.ProcessEnv {
  const own = Object.entries(env).filter(([name]) => !/^(?:TYK_MDCB_|CAUSEWAY_)/.test(name));
  return {
    ...Object.fromEntries(own),
    CAUSEWAY_LISTEN_ADDRESS: '127.0.0.1',
    CAUSEWAY_HTTP_ADDRESS: '127.0.0.1',
    CAUSEWAY_LOG_FORMAT: 'json',
  };
}
