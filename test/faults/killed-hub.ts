import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seedFirstStart } from '../../src/stores/folder/first-start.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { freePort } from '../services/free-port.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const secret = 'secret-of-the-test';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** The built service, to be killed and started again on the same ports and the same folder. */
export class KilledHub {
  readonly organisation: string;
  readonly apiKey: string;
  readonly listenPort: number;
  readonly #httpPort: number;
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(
    folder: Awaited<ReturnType<typeof temporaryFolder>>,
    known: { organisation: string; apiKey: string; listenPort: number; httpPort: number },
  ) {
    this.#folder = folder;
    this.organisation = known.organisation;
    this.apiKey = known.apiKey;
    this.listenPort = known.listenPort;
    this.#httpPort = known.httpPort;
  }

  /** Makes its folder with the catalog of the examples and no key; starts nothing. */
  static async make(
    storage: Record<string, unknown>,
    more: Record<string, unknown> = {},
  ): Promise<KilledHub> {
    const folder = await temporaryFolder();
    const catalogPath = join(folder.path, 'catalog');
    const seeded = await seedFirstStart({
      examplesPath: join(root, 'examples', 'control-plane'),
      catalogPath,
      random: randomBytes,
    });
    if (seeded === undefined) throw new Error('no examples');
    await seeded.commit();
    await mkdir(join(folder.path, 'data'));
    const [listenPort, httpPort] = [await freePort(), await freePort()];
    const configuration = {
      listen_port: listenPort,
      http_port: httpPort,
      log_level: 'warn',
      storage,
      analytics: { type: 'embedded' },
      security: { secret, enable_http_secure_endpoints: true },
      ...more,
      causeway: {
        listen_address: '127.0.0.1',
        http_address: '127.0.0.1',
        data_path: join(folder.path, 'data'),
        catalog_path: catalogPath,
      },
    };
    await writeFile(join(folder.path, 'hub.conf'), JSON.stringify(configuration));
    const { organisation, apiKey } = seeded;
    return new KilledHub(folder, { organisation, apiKey, listenPort, httpPort });
  }

  /** Resolves when it answers on its HTTP port, keys included. */
  async start(): Promise<void> {
    const own = Object.entries(process.env).filter(([name]) => !/^(?:TYK_MDCB_|CAUSEWAY_)/.test(name));
    const child = spawn(
      process.execPath,
      [join(root, 'dist', 'main.js'), 'start', '-c', join(this.#folder.path, 'hub.conf')],
      { env: Object.fromEntries(own), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    const note = (bytes: Buffer) => {
      this.#output = (this.#output + bytes.toString()).slice(-4_000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    await eventually(
      'the hub answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`the hub ended: ${this.#output}`);
        const answer = await this.call('GET', '/keys?limit=1').catch(() => undefined);
        return answer?.status === 200 ? true : undefined;
      },
      30_000,
    );
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
    });
    child.kill('SIGKILL');
    await gone;
    this.#child = undefined;
  }

  /** Rejects when there is no answer. `path` behind /causeway/v1. */
  call(method: string, path: string, body?: string): Promise<Answer> {
    const query = path.includes('?') ? '&' : '?';
    return new Promise((resolve, reject) => {
      const call = request(
        {
          ...{ method, agent: this.#agent, host: '127.0.0.1', port: this.#httpPort, timeout: 10_000 },
          path: `/causeway/v1${path}${query}organisation=${this.organisation}`,
          headers: {
            'x-tyk-authorization': secret,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) });
          });
        },
      );
      call.on('timeout', () => call.destroy(new Error('no answer')));
      call.on('error', reject);
      call.end(body);
    });
  }

  async remove(): Promise<void> {
    await this.kill();
    this.#agent.destroy();
    await this.#folder.remove();
  }
}
