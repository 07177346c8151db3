import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import type { WorkerNode } from '../../src/domain/worker.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { Fleet } from '../../src/hub/zones/fleet.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { type CliRun, runCli, startCli } from '../integration/built-cli.js';
import { GorpcClient } from '../integration/gorpc-client.js';
import { groupLogin, keepalive, success } from '../integration/gorpc-hub.js';
import { until } from '../integration/grpc-hub.js';
import { FakeClock } from '../memory/fake-clock.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';

let folder = '';
let data = '';
let hub: CliRun;
let credentials: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-who-'));
  data = join(folder, 'data');
  const { certificateFile, keyFile } = testCertificate('rsa');
  hub = startCli(['start', '--embedded', '--data', data, '--listen-port', '0', '--http-port', '0'], {
    TYK_MDCB_HTTPSERVEROPTIONS_USESSL: 'true',
    TYK_MDCB_HTTPSERVEROPTIONS_CERTIFICATE_CERTFILE: certificateFile,
    TYK_MDCB_HTTPSERVEROPTIONS_CERTIFICATE_KEYFILE: keyFile,
  });
  await until(() => hub.err().includes('credentials.json'), 'start', 60_000);
  credentials = JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8'));
}, 90_000);

afterAll(async () => {
  hub.child.kill('SIGTERM');
  expect(await hub.ended).toBe(exitCodes.ok);
  await rm(folder, { recursive: true, force: true });
});

type Line = Record<string, unknown> & { readonly msg: string };
const lines = (): Line[] =>
  hub
    .out()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
const said = async (what: string, fits: (line: Line) => boolean): Promise<Line> => {
  await until(() => lines().some(fits), what, 20_000);
  return lines().find(fits) as Line;
};
const ended = (key: string) => `****${key.slice(-4)}`;

it('a worker over gRPC comes, goes and is turned away, with all that is known of it', async () => {
  const { organisation, api_key: key = '' } = credentials;
  await runCli(['worker', '--once', '--node', 'node-1', '--group', 'eu', '--tags', 'eu', '--data', data]);
  const joined = await said('login', ({ msg, node }) => msg === 'a worker logged in' && node === 'node-1');
  expect(joined).toMatchObject({
    level: 'info',
    organisation,
    zone: 'eu',
    wire: 'grpc',
    address: '127.0.0.1',
  });
  expect(joined).toMatchObject({ version: expect.any(String), tags: 'eu', key: ended(key) });
  const left = await said('leave', ({ msg, node }) => msg === 'a worker left' && node === 'node-1');
  expect(left).toMatchObject({ level: 'info', organisation, zone: 'eu', wire: 'grpc' });
  const wrong = await runCli([
    'worker',
    '--once',
    '--node',
    'node-2',
    '--api-key',
    'a-wrong-key-0000',
    '--data',
    data,
  ]);
  expect(wrong.exitCode).toBe(exitCodes.refused);
  const refused = await said(
    'refusal',
    ({ msg, wire }) => msg === 'a worker may not log in' && wire === 'grpc',
  );
  expect(refused).toMatchObject({ level: 'warn', organisation, address: '127.0.0.1', key: '****0000' });
}, 60_000);

it('a gateway too', async () => {
  const { organisation, api_key: key = '', listen = '' } = credentials;
  const client = await GorpcClient.open({ port: Number(listen.split(':')[1]) });
  success(
    await client.call(
      'LoginWithGroup',
      groupLogin('us', { node_id: 'gateway-7', node_version: 'v5.8.0' }, key),
    ),
  );
  const joined = await said('login', ({ msg, node }) => msg === 'a worker logged in' && node === 'gateway-7');
  expect(joined).toMatchObject({
    organisation,
    zone: 'us',
    wire: 'gorpc',
    version: 'v5.8.0',
    address: '127.0.0.1',
  });
  await client.call('LoginWithGroup', groupLogin('us', {}, 'a-wrong-key-1111'));
  await said('refusal', ({ msg, zone }) => msg === 'a worker may not log in' && zone === 'us');
  client.destroy();
  expect(hub.out()).not.toContain(key);
  expect(hub.out()).not.toContain('a-wrong-key');
}, 60_000);

it('a gateway that tries for ever hides nobody else, and each is named with wire, node and version', async () => {
  const port = Number((credentials['listen'] ?? '').split(':')[1]);
  const client = await GorpcClient.open({ port });
  const attempt = (zone: string) =>
    client.call(
      'LoginWithGroup',
      groupLogin(zone, { node_id: `of-${zone}`, node_version: 'v5.3.0' }, 'a-wrong-key-2222'),
    );
  for (let count = 0; count < 20; count++) await attempt('loud');
  await attempt('quiet');
  const refusedIn = (zone: string) =>
    lines().filter((line) => line.msg === 'a worker may not log in' && line['zone'] === zone);
  await until(() => refusedIn('quiet').length > 0, 'the quiet one', 20_000);
  expect(refusedIn('quiet')[0]).toMatchObject({
    ...{ wire: 'gorpc', address: '127.0.0.1', node: 'of-quiet', version: 'v5.3.0', key: '****2222' },
  });
  // What is said again and again is said once; a second line when the answer changes to "too many".
  expect(refusedIn('loud').length).toBeGreaterThan(0);
  expect(refusedIn('loud').length).toBeLessThanOrEqual(2);
  client.destroy();
}, 60_000);

it('a gateway that does not describe itself is named with its address', async () => {
  const { api_key: key = '', listen = '' } = credentials;
  const client = await GorpcClient.open({ port: Number(listen.split(':')[1]) });
  success(await client.call('Login', key));
  success(await client.call('SetKey', keepalive));
  const joined = await said('login', ({ msg, node }) => {
    return msg === 'a worker logged in' && String(node).startsWith('gateway-') && node !== 'gateway-7';
  });
  expect(joined).toMatchObject({ wire: 'gorpc', address: '127.0.0.1' });
  client.destroy();
}, 60_000);

it('an edit of the catalog, by organisation and name', async () => {
  const path = join(data, 'control-plane/apis/aurora-status.json');
  const text = await readFile(path, 'utf8');
  await writeFile(`${path}.new`, text.replace(/"name": *"[^"]*"/, '"name": "Edited"'));
  await rename(`${path}.new`, path);
  const changed = await said('change', (line) => {
    return line.msg === 'the catalog changed' && String(line['changedItems']) === 'api aurora-status';
  });
  expect(changed).toMatchObject({
    level: 'info',
    organisation: credentials['organisation'],
    changed: 1,
    removed: 0,
  });
}, 60_000);

it('build, readiness and the end of certificates are metrics', async () => {
  const { http = '' } = credentials;
  const { request } = await import('node:https');
  const metrics = await new Promise<string>((resolve, reject) => {
    request(`https://${http}/metrics`, { rejectUnauthorized: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
  expect(metrics).toMatch(/causeway_build_info\{version="\d+\.\d+\.\d+",node="\d+\.\d+\.\d+"\} 1/);
  expect(metrics).toMatch(/^causeway_ready 1$/m);
  const expiry = /causeway_certificate_expiry_timestamp_seconds\{option="http_server_options"\} (\S+)/.exec(
    metrics,
  )?.[1];
  expect(new Date(Number(expiry) * 1_000).getUTCFullYear()).toBe(2120);
});

it('a crowd does not fill the disk, and what was left out is counted', () => {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const fleet = new Fleet({ clock, log, metrics: recordingMetrics() });
  const worker = (node: string, pid = 1): WorkerNode => ({
    protocol: 'gorpc',
    organisation: organisationId('o'),
    zone: zoneId('eu'),
    node: nodeId(node),
    version: 'v5.8.0',
    tags: [],
    segmented: false,
    apiKeyShown: '****',
    ttlSeconds: 10,
    host: { hostname: 'host', pid, address: '10.0.0.1' },
    health: {},
    stats: { apisCount: 0, policiesCount: 0 },
  });
  for (let count = 0; count < 5_000; count++) fleet.seen(worker(`n${count}`));
  expect(log.lines.length).toBeLessThan(250);
  clock.advance(1_000);
  fleet.seen(worker('late'));
  expect(log.lines.at(-1)).toMatchObject({ fields: { node: 'late', linesLeftOut: 4_800 } });

  // One id, two processes that tell of themselves in turn; a restart is none of that.
  clock.advance(60_000);
  fleet.seen(worker('shared', 1));
  fleet.seen(worker('shared', 2));
  expect(log.lines.some(({ message }) => message.startsWith('two workers'))).toBe(false);
  fleet.seen(worker('shared', 1));
  expect(log.lines.at(-1)?.message).toBe('two workers claim one node id; give each its own');
});
