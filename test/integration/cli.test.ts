import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitCodes } from '../../src/errors/catalogue.js';
import { type CliRun, runCli, startCli } from './built-cli.js';
import { until } from './grpc-hub.js';

let folder = '';
let data = '';
let hub: CliRun;

interface Event {
  readonly type: string;
  readonly id?: string;
  readonly mode?: string;
  readonly event?: string;
  readonly outcome?: string;
}

const eventsOf = (run: CliRun): Event[] =>
  run
    .out()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));

async function startHub(): Promise<CliRun> {
  const run = startCli(['start', '--embedded', '--data', data, '--listen-port', '0', '--http-port', '0'], {
    CAUSEWAY_LISTEN_ADDRESS: '127.0.0.1',
    CAUSEWAY_HTTP_ADDRESS: '127.0.0.1',
  });
  await until(() => run.err().includes('credentials.json'), 'start of the hub', 20_000);
  return run;
}

const credentials = () => JSON.parse(readFileSync(join(data, 'credentials.json'), 'utf8'));
const cli = (argv: readonly string[], stdin?: string) => runCli([...argv, '--data', data], {}, stdin);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-'));
  data = join(folder, 'data');
  hub = await startHub();
}, 30_000);

afterAll(async () => {
  hub.child.kill('SIGTERM');
  await hub.ended;
  await rm(folder, { recursive: true, force: true });
});

test('the first start writes credentials for its owner and says none of them in a pipe', async () => {
  expect((await stat(join(data, 'credentials.json'))).mode & 0o777).toBe(0o600);
  const known = credentials();
  expect(Object.keys(known).sort()).toEqual(['api_key', 'http', 'http_secret', 'listen', 'organisation']);
  const said = hub.out() + hub.err();
  expect(said).not.toContain(known.api_key);
  expect(said).not.toContain(known.http_secret);
  for (const line of hub.out().trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
});

test('keys are put, read, listed and deleted, byte for byte', async () => {
  const session = '{"rate":10, "big":9007199254740993}';
  const put = await cli(['keys', 'put', 'key-one', '-', '--ttl', '600', '--json'], session);
  expect(JSON.parse(put.out)).toMatchObject({ name: 'key-one', ttl_seconds: 600 });
  const got = await cli(['keys', 'get', 'key-one']);
  expect(got.out).toContain('9007199254740993');
  expect(JSON.parse(got.out)).toMatchObject({ rate: 10, org_id: credentials().organisation });
  const listed = JSON.parse((await cli(['keys', 'list', '--prefix', 'key-', '--json'])).out);
  expect(listed).toMatchObject([{ name: 'key-one', ttl_seconds: expect.any(Number) }]);
  expect((await cli(['keys', 'list'])).out).toContain('key-one');
  expect((await cli(['keys', 'delete', 'key-one'])).exitCode).toBe(exitCodes.ok);
  const gone = await cli(['keys', 'get', 'key-one']);
  expect(gone.exitCode).toBe(exitCodes.notFound);
  expect(gone.err).toMatch(/^causeway: .*no such key/);
  const foreign = await cli(['keys', 'get', 'key-one', '--organisation', 'nobody']);
  expect(foreign.exitCode).toBe(exitCodes.notFound);
});

test('a wrong secret is refused, a broken session too', async () => {
  const refused = await cli(['status', '--secret', 'wrong']);
  expect(refused.exitCode).toBe(exitCodes.refused);
  expect(refused.err).toContain('does not accept the secret');
  const env = { CAUSEWAY_URL: `http://${credentials().http}`, CAUSEWAY_SECRET: credentials().http_secret };
  expect((await runCli(['status', '--json'], env)).exitCode).toBe(exitCodes.ok);
  const broken = await cli(['keys', 'put', 'k', 'not json']);
  expect(broken.exitCode).toBe(exitCodes.usage);
});

test('catalog status and accept', async () => {
  expect(JSON.parse((await cli(['catalog', 'status', '--json'])).out)).toEqual({ quarantined: [], held: [] });
  expect(JSON.parse((await cli(['catalog', 'accept', '--json'])).out)).toEqual({ accepted: 0 });
});

test('a worker for once: level, analytics home, exit code 0', async () => {
  const path = join(folder, 'records.json');
  const { organisation } = credentials();
  await writeFile(
    path,
    JSON.stringify(Array.from({ length: 12 }, () => ({ api_id: 'a', org_id: organisation }))),
  );
  const run = await cli(['worker', '--once', '--json', '--node', 'once', '--report', path]);
  expect(run.exitCode, run.err).toBe(exitCodes.ok);
  const events = run.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events[0]).toMatchObject({ type: 'welcome', mode: 'snapshot', reason: 'first-sync' });
  expect(events.find(({ type }) => type === 'report')).toMatchObject({ status: 'accepted', accepted: 12 });
  const again = await cli(['worker', '--once', '--node', 'once']);
  expect(again.out).toContain('goes on after');
  expect(again.out).not.toContain('put ');
  const refused = await cli(['worker', '--once', '--node', 'other', '--api-key', 'wrong']);
  expect(refused.exitCode).toBe(exitCodes.refused);
  const nobody = await cli(['worker', '--once', '--node', 'other', '--hub', '127.0.0.1:1']);
  expect(nobody.exitCode).toBe(exitCodes.hubUnreachable);
});

test('a worker hears of keys, is shown in status, and outlives a restart of the hub', async () => {
  const worker = startCli(['worker', '--json', '--group', 'eu', '--tags', 'eu', '--data', data]);
  const seen = (what: (event: Event) => boolean) => eventsOf(worker).some(what);
  try {
    await until(() => seen(({ type }) => type === 'level'), 'level', 10_000);
    await cli(['keys', 'put', 'heard-of', '{"rate":1}']);
    await until(() => seen(({ outcome }) => outcome === 'stored'), 'key');
    expect(worker.out()).not.toContain('heard-of');
    const status = await cli(['status']);
    expect(status.out).toContain('eu');
    const locked = await cli(['worker', '--once', '--group', 'eu', '--tags', 'eu']);
    expect(locked.exitCode).toBe(exitCodes.dataFolder);
    const second = await runCli([
      'start',
      '--embedded',
      '--data',
      data,
      '--listen-port',
      '0',
      '--http-port',
      '0',
    ]);
    expect(second.exitCode).toBe(exitCodes.dataFolder);

    hub.child.kill('SIGTERM');
    expect(await hub.ended).toBe(exitCodes.ok);
    await until(() => seen(({ type }) => type === 'goodbye'), 'goodbye');
    const { listen, http } = credentials();
    const [, port] = listen.split(':');
    hub = startCli(['start', '--embedded', '--data', data, '--listen-port', port, '--http-port', '0'], {
      CAUSEWAY_LISTEN_ADDRESS: '127.0.0.1',
    });
    await until(() => eventsOf(worker).filter(({ type }) => type === 'welcome').length > 1, 'return', 15_000);
    expect(eventsOf(worker).findLast(({ type }) => type === 'welcome')?.mode).toBe('resume');
    await until(() => hub.err().includes('credentials.json'), 'second start', 15_000);
    expect(hub.out() + hub.err()).not.toContain(credentials().api_key);
    expect(http).not.toBe('');
  } finally {
    worker.child.kill('SIGINT');
    expect(await worker.ended).toBe(exitCodes.ok);
  }
  const copy = join(data, 'workers', credentials().organisation, 'eu', 'state.json');
  expect(existsSync(copy)).toBe(true);
  expect(JSON.parse(await readFile(copy, 'utf8')).cursor.sequence).toBeGreaterThan(0);
}, 60_000);

test('a port in use is an exit code of its own', async () => {
  const [, port] = credentials().listen.split(':');
  const other = join(folder, 'other');
  const run = await runCli([
    'start',
    '--embedded',
    '--data',
    other,
    '--listen-port',
    port,
    '--http-port',
    '0',
  ]);
  expect(run.exitCode).toBe(exitCodes.portBusy);
  expect(run.err).toContain('--listen-port');
});
