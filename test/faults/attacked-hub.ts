import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const mainPath = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const probePath = fileURLToPath(new URL('./attack-probe.mjs', import.meta.url));

/** What an attack cost the hub. */
export interface AttackCost {
  /** Longest time for which the hub's thread worked without looking at anybody else. */
  readonly busyMs: number;
  /** The same by the clock, other processes of the machine included. */
  readonly wallMs: number;
  /** Memory at its highest, over what it was before. */
  readonly addedMib: number;
}

export interface AttackedHub {
  readonly folder: string;
  readonly workerPort: number;
  readonly httpOrigin: string;
  readonly organisation: string;
  readonly apiKey: string;
  readonly secret: string;
  /** Everything it has logged. */
  log(): string;
  /** Measures from the start of `attack` until a moment after its end. */
  during(attack: () => Promise<unknown>): Promise<AttackCost>;
  stop(): Promise<void>;
}

/** The built hub in a process of its own, with a probe inside that measures what is done to it. */
export async function startAttackedHub(
  env: Readonly<Record<string, string>> = {},
  prepare: (folder: string) => Promise<void> = async () => {},
): Promise<AttackedHub> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-attacked-'));
  await prepare(folder);
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:TYK_MDCB_|CAUSEWAY_)/.test(name));
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--import', probePath, mainPath, 'start', '--embedded', '--data', folder].concat([
      '--listen-port',
      '0',
      '--http-port',
      '0',
    ]),
    {
      env: {
        ...Object.fromEntries(inherited),
        CAUSEWAY_LISTEN_ADDRESS: '127.0.0.1',
        CAUSEWAY_HTTP_ADDRESS: '127.0.0.1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const line = (message: string) => log.split('\n').find((text) => text.includes(`"${message}"`));
  await waitFor(
    child,
    () => line('hub ready') !== undefined && line('HTTP port open') !== undefined,
    () => log,
  );
  const workerPort = JSON.parse(line('worker port open') as string).port as number;
  const httpPort = JSON.parse(line('HTTP port open') as string).port as number;
  const credentials = JSON.parse(await readFile(join(folder, 'credentials.json'), 'utf8')) as {
    organisation: string;
    api_key: string;
    http_secret: string;
  };
  return {
    folder,
    workerPort,
    httpOrigin: `http://127.0.0.1:${httpPort}`,
    organisation: credentials.organisation,
    apiKey: credentials.api_key,
    secret: credentials.http_secret,
    log: () => log,
    during: async (attack) => {
      await ask(child, 'begin');
      await attack();
      return (await ask(child, 'report')) as AttackCost;
    },
    stop: async () => {
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function ask(child: ChildProcess, question: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the hub is gone'));
    child.once('exit', gone);
    child.once('message', (answer) => {
      child.off('exit', gone);
      resolve(answer);
    });
    child.send(question);
  });
}

async function waitFor(child: ChildProcess, holds: () => boolean, shown: () => string): Promise<void> {
  const untilMs = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > untilMs || child.exitCode !== null) throw new Error(`the hub did not start: ${shown()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
