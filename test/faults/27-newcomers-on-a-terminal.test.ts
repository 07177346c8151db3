import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { renderStatus } from '../../src/cli/status.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { type CliRun, runCli, startCli } from '../integration/built-cli.js';
import { until } from '../integration/grpc-hub.js';

const mainPath = new URL('../../dist/main.js', import.meta.url).pathname;
const tooWide = (text: string, width: number) =>
  stripVTControlCharacters(text)
    .split(/\r?\n/)
    .filter((line) => stringWidth(line.trimEnd()) > width);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-newcomer-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs the built command on a real pseudo terminal of that width; resolves to what it showed. */
function onTerminal(
  width: number,
  argv: readonly string[],
  stop?: (shown: string) => boolean,
): Promise<string> {
  const command = ['node', mainPath, ...argv].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols ${width} rows 50; exec ${command}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm' },
  });
  let shown = '';
  let asked = false;
  child.stdout.on('data', (bytes: Buffer) => {
    shown += bytes.toString('utf8');
    if (stop?.(shown) !== true || asked) return;
    asked = true;
    child.stdin.write('\u0003');
  });
  return new Promise((resolve) => child.once('close', () => resolve(shown)));
}

async function startHub(
  data: string,
  argv: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<CliRun> {
  const run = startCli(
    ['start', '--embedded', '--data', data, '--listen-port', '0', '--http-port', '0', ...argv],
    env,
  );
  onTestFinished(() => void run.child.kill('SIGKILL'));
  await until(() => run.err().includes('credentials.json'), 'start of the hub', 60_000);
  return run;
}

async function stopHub(run: CliRun): Promise<void> {
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(exitCodes.ok);
}

const credentialsOf = async (data: string) =>
  JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8')) as Record<string, string>;

describe('npm start', () => {
  it('listens on loopback unless told, and says so', async () => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address;
    const data = join(folder, 'loopback');
    const hub = await startHub(data);
    const { http } = await credentialsOf(data);
    expect((await fetch(`http://${http}/health`)).status).toBe(200);
    if (outside !== undefined) {
      await expect(fetch(`http://${outside}:${http?.split(':')[1]}/health`)).rejects.toThrow();
    }
    await stopHub(hub);
    const open = await startHub(data, ['--address', '0.0.0.0']);
    const { http: again } = await credentialsOf(data);
    if (outside !== undefined) {
      expect((await fetch(`http://${outside}:${again?.split(':')[1]}/health`)).status).toBe(200);
    }
    await stopHub(open);
    const shown = await onTerminal(
      80,
      ['start', '--embedded', '--data', data, '--listen-port', '0', '--http-port', '0'],
      (text) => text.includes('causeway status'),
    );
    expect(shown).toContain('this machine only; --address 0.0.0.0 opens it to others');
  }, 180_000);

  it('shows the key once more when the first start failed before it could be used', async () => {
    const data = join(folder, 'second-try');
    const busy = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => busy.once('listening', resolve));
    const { port } = busy.address() as { port: number };
    const argv = ['start', '--embedded', '--data', data, '--http-port', '0', '--listen-port'];
    const failed = await onTerminal(80, [...argv, String(port)]);
    expect(failed).toContain('--listen-port');
    await new Promise((resolve) => busy.close(resolve));
    const ready = (text: string) => text.includes('causeway status');
    const second = await onTerminal(80, [...argv, '0'], ready);
    const { api_key: key = '' } = await credentialsOf(data);
    expect(key).not.toBe('');
    expect(second).toContain(key);
    expect(second).toContain('shown this once');
    const third = await onTerminal(80, [...argv, '0'], ready);
    expect(third).not.toContain(key);
  }, 180_000);
});

describe('a hub with TLS', () => {
  it('is reached by the commands without a word about certificates, and by no other certificate', async () => {
    const data = join(folder, 'tls');
    const { certificateFile, keyFile } = testCertificate('rsa');
    const hub = await startHub(data, [], {
      TYK_MDCB_SERVEROPTIONS_USESSL: 'true',
      TYK_MDCB_SERVEROPTIONS_CERTIFICATE_CERTFILE: certificateFile,
      TYK_MDCB_SERVEROPTIONS_CERTIFICATE_KEYFILE: keyFile,
      TYK_MDCB_HTTPSERVEROPTIONS_USESSL: 'true',
      TYK_MDCB_HTTPSERVEROPTIONS_CERTIFICATE_CERTFILE: certificateFile,
      TYK_MDCB_HTTPSERVEROPTIONS_CERTIFICATE_KEYFILE: keyFile,
    });
    const { http, http_secret: secret = '', ...rest } = await credentialsOf(data);
    expect(hub.err()).toContain(`https://${http}`);
    expect(rest).toMatchObject({ http_certificate: certificateFile, listen_certificate: certificateFile });
    const status = await runCli(['status', '--data', data]);
    expect(status.err).toBe('');
    expect(status.exitCode).toBe(exitCodes.ok);
    const worker = await runCli(['worker', '--once', '--data', data]);
    expect(worker.exitCode, worker.err).toBe(exitCodes.ok);
    const cleartext = await runCli(['status', '--url', `http://${http}`, '--secret', secret]);
    expect(cleartext.exitCode).toBe(exitCodes.hubUnreachable);
    expect(cleartext.err).toContain('begins with https://');
    const unknown = await runCli(['status', '--url', `https://${http}`, '--secret', secret]);
    expect(unknown.err).toContain('--ca');
    // Another certificate behind the same address is another hub.
    const other = join(folder, 'tls-other');
    await mkdir(other);
    const credentials = await credentialsOf(data);
    await writeFile(
      join(other, 'credentials.json'),
      JSON.stringify({ ...credentials, http_certificate: testCertificate('first').certificateFile }),
    );
    const refused = await runCli(['status', '--data', other]);
    expect(refused.exitCode).toBe(exitCodes.hubUnreachable);
    await stopHub(hub);
  }, 180_000);
});

describe('small courtesies', () => {
  it('--version', async () => {
    const { out, exitCode } = await runCli(['--version']);
    expect(exitCode).toBe(exitCodes.ok);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('another method than the path has is 405, behind the guard like the path', async () => {
    const data = join(folder, 'methods');
    const hub = await startHub(data);
    const { http, http_secret: secret = '' } = await credentialsOf(data);
    const ask = (path: string, method: string, headers = {}) =>
      fetch(`http://${http}${path}`, { method, headers });
    for (const path of ['/health', '/liveness', '/readiness', '/metrics', '/readiness/']) {
      const answer = await ask(path, 'POST');
      expect(answer.status, path).toBe(405);
      expect(answer.headers.get('allow')).toBe('GET, HEAD');
    }
    const guard = { 'x-tyk-authorization': secret };
    expect((await ask('/config', 'POST')).status).toBe(401);
    expect((await ask('/config', 'POST', guard)).status).toBe(405);
    expect((await ask('/causeway/v1/keys/some', 'POST', guard)).status).toBe(405);
    expect((await ask('/causeway/v1/catalog/accept', 'GET', guard)).headers.get('allow')).toBe('POST');
    expect((await ask('/nothing', 'POST')).status).toBe(404);
    await stopHub(hub);
  }, 120_000);

  it.each([60, 80])(
    'help, demo and status fit %d columns and break no words',
    async (width) => {
      for (const argv of [['--help'], ['worker', '--help']]) {
        const shown = await onTerminal(width, argv);
        expect(tooWide(shown, width)).toEqual([]);
        // A broken word leaves a line that begins in the middle of one: every word is a word of the unbroken help.
        const whole = new Set((await runCli(argv)).out.split(/\s+/));
        for (const word of stripVTControlCharacters(shown).split(/\s+/))
          expect([...whole, ''], word).toContain(word);
      }
      const shown = await onTerminal(width, ['demo']);
      expect(tooWide(shown, width)).toEqual([]);
      expect(shown).toContain('checked in');
      const status = renderStatus(crowdedStatus, plainPaint, width);
      expect(tooWide(status, width)).toEqual([]);
      expect(status.replaceAll(/\s/g, '')).toContain('dashboard.example.com');
    },
    90_000,
  );
});

const same = (text: string | number | null | undefined) => String(text);
const plainPaint = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };
const organisation = '5e9d9544a1dcd60001d0ed20';
const crowdedStatus: Parameters<typeof renderStatus>[0] = {
  hub: { id: 'hub-of-a-long-host-name-0a1b2c', version: '0.1.0', uptime_seconds: 7_200 },
  readiness: ['redis', 'postgres', 'rpc', 'key signals', 'catalog'].map((name) => ({ name, status: 'fail' })),
  catalog: {
    trouble: 'PostgreSQL catalog: connect ECONNREFUSED dashboard.example.com:5432 after 30 attempts',
    organisations: [
      { id: organisation, name: 'An Organisation Limited', hybrid_enabled: true, definitions: 1_234 },
    ],
    quarantined: [
      { source: 'tyk_apis _id=66b1f0a2c3d4e5f6a7b8c9d0', reason: 'proxy.listen_path is missing' },
    ],
    held: [{}],
  },
  zones: [
    { organisation, zone: 'europe-west-4-production', cursors: 12, lag_entries: 99_999, lag_seconds: 1234.5 },
  ],
  shared_zones: [],
  look_through: { running: false, marked: [{ organisation, depth: 'changes', reason: 'a wire was cut' }] },
  workers: [
    {
      organisation,
      zone: 'europe-west-4-production',
      node: '0a7c6d8e-1f2b-4c3d-9e8f-7a6b5c4d3e2f',
      protocol: 'gorpc',
      version: 'v5.14.0',
      tags: ['eu', 'payments', 'internal'],
      segmented: true,
      last_seen: '2026-01-01T00:00:00.000Z',
      last_error: 'apply failed: upstream certificate of the payments API is not valid',
    },
  ],
  analytics: { stored_records: 12_345_678, spooled_batches: 12, spooled_bytes: 1, trouble: null },
};
