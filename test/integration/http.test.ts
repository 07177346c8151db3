import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import type { WorkerNode } from '../../src/domain/worker.js';
import { type ErrorCode, errorCatalogue } from '../../src/errors/catalogue.js';
import { CausewayError } from '../../src/errors/causeway-error.js';
import { PrometheusMetrics } from '../../src/telemetry/prometheus-metrics.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import type { AdminOperations } from '../../src/transport/http/admin-operations.js';
import { HttpServer, type HttpServerOptions } from '../../src/transport/http/http-server.js';
import type { ComponentHealth, OperatorViews } from '../../src/transport/http/operator-views.js';
import { TlsFiles } from '../../src/transport/tls/tls-files.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';

const clock = new SystemClock();
const secret = 'a secret of the operator';
const observedAtMs = Date.parse('2026-01-02T03:04:05Z');
const authorised = { headers: { 'x-tyk-authorization': secret } };

const node: WorkerNode = {
  protocol: 'gorpc',
  organisation: organisationId('5e9d9544a1dcd60001d0ed20'),
  zone: zoneId('europe'),
  node: nodeId('solo-1'),
  version: 'v5.8.0',
  tags: ['edge'],
  segmented: true,
  apiKeyShown: '****cdef',
  ttlSeconds: 10,
  host: { hostname: 'gateway-1', pid: 7, address: '10.0.0.1' },
  health: { redis: { status: 'pass', componentType: 'datastore', time: '2026-01-02T03:04:05Z' } },
  stats: { apisCount: 2, policiesCount: 1, loadedApis: ['api-1', 'api-2'], loadedPolicies: ['policy-1'] },
};

let components: ComponentHealth[] = [];
let log = new RecordingLog();
let server: HttpServer;
let origin = '';
const cleanUps: (() => unknown)[] = [];

const views: OperatorViews = {
  readiness: async () => ({ components }),
  configuration: {
    describe: () => ({ listen_port: 9091, security: { secret: '*REDACTED*' } }),
    findField: (path) =>
      path === 'storage.host'
        ? { config_field: path, env: 'TYK_MDCB_STORAGE_HOST', value: 'localhost', obfuscated: false }
        : undefined,
    listEnvironment: () => ['TYK_MDCB_LISTENPORT=9091'],
    findEnvironment: (name) =>
      name === 'TYK_MDCB_STORAGE_HOST'
        ? { config_field: 'storage.host', env: name, value: 'localhost', obfuscated: false }
        : undefined,
  },
  fleet: () => new Map([['europe', [node]]]),
  metrics: new PrometheusMetrics({ processMetrics: false }),
};

const operations = {
  status: vi.fn<AdminOperations['status']>(async () => ({ version: '1.0.0' })),
  listKeys: vi.fn<AdminOperations['listKeys']>(async () => ({
    keys: [{ name: 'k1', organisation: 'o1', hashed: false, remainingTtlMs: 1_500 }],
    cursor: 'next',
  })),
  getKey: vi.fn<AdminOperations['getKey']>(async ({ name }) => ({
    name,
    organisation: 'o1',
    hashed: true,
    remainingTtlMs: undefined,
    session: Buffer.from('{"org_id": "o1", "expires": 9007199254740993}'),
  })),
  putKey: vi.fn<AdminOperations['putKey']>(async () => {}),
  removeKey: vi.fn<AdminOperations['removeKey']>(async () => {}),
  catalogProblems: vi.fn<AdminOperations['catalogProblems']>(async () => ({
    quarantined: [{ source: 'apis/broken.json', reason: 'not JSON' }],
    held: [{ organisation: 'o1', kind: 'api', id: 'a1', name: 'Orders', sinceMs: observedAtMs }],
  })),
  acceptCatalog: vi.fn<AdminOperations['acceptCatalog']>(async () => 3),
} satisfies AdminOperations;

beforeEach(() => {
  vi.clearAllMocks();
  components = [
    { name: 'redis', status: 'pass', observedAtMs },
    { name: 'rpc', status: 'pass', observedAtMs },
  ];
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('the HTTP port', () => {
  it('answers liveness probes', async () => {
    await startServer();
    const health = await get('/health');
    expect([health.status, await health.text()]).toEqual([200, 'OK']);
    expect(health.headers.get('content-type')).toContain('text/plain');
    await expectJson('/liveness', 200, { status: 'pass', status_code: 200 });
    expect((await fetch(`${origin}/health`, { method: 'HEAD' })).status).toBe(200);
    expect((await get('/health/')).status).toBe(200);
  });

  it('tells readiness by component', async () => {
    await startServer();
    const observation_ts = '2026-01-02T03:04:05.000Z';
    await expectJson('/readiness', 200, {
      status: 'pass',
      status_code: 200,
      components: [
        { name: 'redis', status: 'pass', observation_ts },
        { name: 'rpc', status: 'pass', observation_ts },
      ],
    });
    components = components.map((one) => (one.name === 'redis' ? { ...one, status: 'fail' } : one));
    await expectJson('/readiness', 200, expect.anything());
    await server.renewReadiness();
    await expectJson('/readiness', 503, {
      status: 'fail',
      status_code: 503,
      components: [
        { name: 'redis', status: 'fail', observation_ts },
        { name: 'rpc', status: 'pass', observation_ts },
      ],
    });
    expect((await get('/health')).status).toBe(200);
  });

  it('turns readiness at once when draining begins, and goes on answering', async () => {
    await startServer();
    server.beginDraining();
    await expectJson('/readiness', 503, expect.objectContaining({ status: 'fail' }));
    await expectJson('/liveness', 200, expect.anything());
    await expectJson('/causeway/v1/status', 200, { version: '1.0.0' }, authorised);
  });

  it('serves metrics', async () => {
    await startServer();
    const answer = await get('/metrics');
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/);
    expect(await answer.text()).toContain('# TYPE causeway_connections gauge');
  });

  it('shows the configuration and the environment to those who send the secret', async () => {
    await startServer();
    const option = {
      config_field: 'storage.host',
      env: 'TYK_MDCB_STORAGE_HOST',
      value: 'localhost',
      obfuscated: false,
    };
    await expectJson('/config', 200, { listen_port: 9091, security: { secret: '*REDACTED*' } }, authorised);
    await expectJson('/config?field=storage.host', 200, option, authorised);
    await expectJson('/config?field=nonsense', 400, { error: 'field not found' }, authorised);
    await expectJson('/env', 200, ['TYK_MDCB_LISTENPORT=9091'], authorised);
    await expectJson('/env?env=TYK_MDCB_STORAGE_HOST', 200, option, authorised);
    await expectJson('/env?env=HOME', 400, { error: 'environment variable not found' }, authorised);
  });

  it('lists the data planes in the spelling of the field', async () => {
    await startServer();
    const expected = {
      europe: [
        {
          node_id: 'solo-1',
          api_key: '****cdef',
          group_id: 'europe',
          node_version: 'v5.8.0',
          ttl: 10,
          tags: ['edge'],
          health: { redis: { status: 'pass', componentType: 'datastore', time: '2026-01-02T03:04:05Z' } },
          stats: {
            apis_count: 2,
            policies_count: 1,
            loaded_apis: [{ api_id: 'api-1' }, { api_id: 'api-2' }],
            loaded_policies: [{ policy_id: 'policy-1' }],
          },
          host_details: { Hostname: 'gateway-1', PID: 7, Address: '10.0.0.1' },
        },
      ],
    };
    await expectJson('/dataplanes', 200, expected, authorised);
  });

  const guarded = ['/config', '/env', '/dataplanes'];
  const refusal = { error: 'Attempted administrative access with invalid or missing key!' };

  it('guards what needs the secret', async () => {
    await startServer();
    for (const path of [...guarded, '/causeway/v1/status', '/causeway/v1/keys/k1']) {
      await expectJson(path, 401, refusal);
      await expectJson(path, 401, refusal, { headers: { 'x-tyk-authorization': 'wrong' } });
      await expectJson(path, 401, refusal, { headers: { 'x-tyk-authorization': '' } });
    }
    const put = { method: 'PUT', body: '{}' };
    await expectJson('/causeway/v1/keys/k1', 401, refusal, put);
    expect(operations.putKey).not.toHaveBeenCalled();
  });

  it('without secure endpoints has no such paths, administration included', async () => {
    await startServer({ secureEndpoints: false });
    for (const path of [...guarded, '/causeway/v1/status', '/causeway/v1/keys/k1']) {
      await expectJson(path, 404, expect.anything(), authorised);
      await expectJson(path, 404, expect.anything());
    }
  });

  it('with an empty secret opens to nobody', async () => {
    await startServer({ secret: '' });
    for (const path of [...guarded, '/causeway/v1/status']) {
      await expectJson(path, 401, refusal);
      await expectJson(path, 401, refusal, { headers: { 'x-tyk-authorization': '' } });
    }
  });

  it('answers unknown paths with 404', async () => {
    await startServer();
    await expectJson('/nonsense', 404, { error: 'not found', code: 'NOT_FOUND' });
    await expectJson('/debug/pprof/heap', 404, expect.anything());
    await expectJson('/causeway/v1/nonsense', 404, expect.anything(), authorised);
  });

  describe('for the CLI', () => {
    it('lists keys', async () => {
      await startServer();
      const page = {
        keys: [{ name: 'k1', organisation: 'o1', hashed: false, ttl_seconds: 2 }],
        cursor: 'next',
      };
      await expectJson('/causeway/v1/keys', 200, page, authorised);
      expect(operations.listKeys).toHaveBeenLastCalledWith({
        organisation: undefined,
        prefix: '',
        limit: 100,
        cursor: undefined,
      });
      await expectJson('/causeway/v1/keys?organisation=o1&prefix=a&limit=5&cursor=c', 200, page, authorised);
      expect(operations.listKeys).toHaveBeenLastCalledWith({
        organisation: 'o1',
        prefix: 'a',
        limit: 5,
        cursor: 'c',
      });
      for (const limit of ['0', '1001', 'many']) {
        const wrong = { code: 'REQUEST_INVALID', error: expect.stringMatching(/^limit: /) };
        await expectJson(`/causeway/v1/keys?limit=${limit}`, 400, wrong, authorised);
      }
    });

    it('passes sessions through byte for byte', async () => {
      await startServer();
      const answer = await get('/causeway/v1/keys/a%2Fb?hashed=true', authorised);
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe(
        '{"name":"a/b","organisation":"o1","hashed":true,"ttl_seconds":null,' +
          '"session":{"org_id": "o1", "expires": 9007199254740993}}',
      );
      expect(operations.getKey).toHaveBeenCalledWith({ organisation: undefined, name: 'a/b', hashed: true });

      const body = '{"expires": 9007199254740993}';
      const put = { method: 'PUT', body, ...authorised };
      const path = '/causeway/v1/keys/k1?organisation=o1&ttl_seconds=60';
      expect((await get(path, put)).status).toBe(204);
      const reference = { organisation: 'o1', name: 'k1', hashed: false };
      expect(operations.putKey).toHaveBeenCalledWith(reference, Buffer.from(body), 60_000);
      const json = { 'content-type': 'application/json', ...authorised.headers };
      expect((await get('/causeway/v1/keys/k1', { ...put, headers: json })).status).toBe(204);
      expect(operations.putKey).toHaveBeenLastCalledWith(
        { ...reference, organisation: undefined },
        Buffer.from(body),
        undefined,
      );
      const remove = { method: 'DELETE', ...authorised };
      expect((await get('/causeway/v1/keys/k1?organisation=o1', remove)).status).toBe(204);
      expect(operations.removeKey).toHaveBeenCalledWith(reference);
    });

    it('refuses bodies that are no session, and too large ones', async () => {
      await startServer();
      const path = '/causeway/v1/keys/k1';
      for (const body of ['', '[]', 'null', '{', '"x"']) {
        const wrong = { error: 'the body must be a session as a JSON object', code: 'REQUEST_INVALID' };
        await expectJson(path, 400, wrong, { method: 'PUT', body, ...authorised });
      }
      const large = { method: 'PUT', body: Buffer.alloc(1024 * 1024 + 1, 32), ...authorised };
      await expectJson(path, 413, expect.objectContaining({ code: 'LIMIT_EXCEEDED' }), large);
      expect(operations.putKey).not.toHaveBeenCalled();
    });

    it('takes long key names', async () => {
      await startServer();
      const name = 'k'.repeat(2_000);
      expect((await get(`/causeway/v1/keys/${name}`, authorised)).status).toBe(200);
      expect(operations.getKey).toHaveBeenCalledWith(expect.objectContaining({ name }));
    });

    it('shows and accepts what is wrong with the catalog', async () => {
      await startServer();
      const problems = {
        quarantined: [{ source: 'apis/broken.json', reason: 'not JSON' }],
        held: [
          { organisation: 'o1', kind: 'api', id: 'a1', name: 'Orders', since: '2026-01-02T03:04:05.000Z' },
        ],
      };
      await expectJson('/causeway/v1/catalog', 200, problems, authorised);
      const post = { method: 'POST', ...authorised };
      await expectJson('/causeway/v1/catalog/accept?organisation=o1', 200, { accepted: 3 }, post);
      expect(operations.acceptCatalog).toHaveBeenLastCalledWith('o1');
      await expectJson('/causeway/v1/catalog/accept', 200, { accepted: 3 }, post);
      expect(operations.acceptCatalog).toHaveBeenLastCalledWith(undefined);
    });

    it('answers every error of the catalogue with a status of its kind', async () => {
      await startServer();
      const statuses = new Map<string, number>();
      for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
        const error = new CausewayError(code, 'public text', { detail: 'private detail' });
        operations.status.mockRejectedValueOnce(error);
        const answer = await get('/causeway/v1/status', authorised);
        expect(await answer.json()).toEqual({ error: 'public text', code });
        statuses.set(errorCatalogue[code].kind, answer.status);
      }
      expect(Object.fromEntries(statuses)).toEqual({
        invalid: 400,
        unauthenticated: 401,
        forbidden: 403,
        'not-found': 404,
        conflict: 409,
        limit: 429,
        unavailable: 503,
        internal: 500,
      });
    });

    it('keeps the text of a defect to itself', async () => {
      await startServer();
      operations.status.mockRejectedValueOnce(new TypeError('cannot read x of undefined'));
      const hidden = { error: 'internal error', code: 'INTERNAL' };
      await expectJson('/causeway/v1/status', 500, hidden, authorised);
      expect(log.lines.some(({ level, fields }) => level === 'error' && fields['code'] === 'INTERNAL')).toBe(
        true,
      );
      operations.status.mockRejectedValueOnce(Object.assign(new Error('driver'), { statusCode: 500 }));
      await expectJson('/causeway/v1/status', 500, hidden, authorised);
      operations.getKey.mockResolvedValueOnce({
        name: 'k1',
        organisation: 'o1',
        hashed: false,
        remainingTtlMs: undefined,
        session: Buffer.from('}not JSON'),
      });
      const unreadable = expect.objectContaining({ code: 'STORE_ITEM_UNREADABLE' });
      await expectJson('/causeway/v1/keys/k1', 500, unreadable, authorised);
    });
  });

  it('logs requests at debug only, without secrets and key names', async () => {
    await startServer();
    await get('/health');
    await get('/causeway/v1/keys/a-very-private-key', authorised);
    await get('/causeway/v1/keys/a-very-private-key', {
      ...authorised,
      method: 'PUT',
      body: '{"private":"body"}',
    });
    await vi.waitFor(() => {
      expect(log.lines.filter(({ message }) => message === 'HTTP request')).toHaveLength(3);
    });
    const requests = log.lines.filter(({ message }) => message === 'HTTP request');
    expect(new Set(requests.map(({ level }) => level))).toEqual(new Set(['debug']));
    expect(requests[1]?.fields).toMatchObject({ route: '/causeway/v1/keys/:name', status: 200 });
    expect(JSON.stringify(log.lines)).not.toMatch(/a-very-private-key|"body"|a secret of the operator/);
  });

  it('gives profiles that pprof opens', async () => {
    await startServer({ profiler: true });
    const [profile, second, heap] = await Promise.all([
      get('/debug/pprof/profile?seconds=0.3'),
      get('/debug/pprof/profile?seconds=0.3'),
      get('/debug/pprof/heap'),
    ]);
    expect([profile.status, second.status].sort()).toEqual([200, 429]);
    const taken = profile.status === 200 ? profile : second;
    const text = gunzipSync(Buffer.from(await taken.arrayBuffer())).toString('latin1');
    expect(text).toContain('nanoseconds');
    expect(gunzipSync(Buffer.from(await heap.arrayBuffer())).toString('latin1')).toContain('inuse_space');
    for (const seconds of ['0', '-1', '301', 'x']) {
      const wrong = expect.objectContaining({ code: 'REQUEST_INVALID' });
      await expectJson(`/debug/pprof/profile?seconds=${seconds}`, 400, wrong);
    }
  });

  it('ends a profile early when it stops', async () => {
    await startServer({ profiler: true });
    const profile = get('/debug/pprof/profile?seconds=300');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.stop(clock.monotonicMs() + 5_000);
    expect((await profile).status).toBe(200);
  });

  it('names the address and the option when the port is taken', async () => {
    await startServer();
    const { port } = server.address();
    await expect(startServer({ port })).rejects.toMatchObject({
      code: 'PORT_BUSY',
      message: `http_port: the address 127.0.0.1:${port} is in use`,
    });
  });

  it('listens on every address when none is given', async () => {
    await startServer({ host: undefined });
    expect(['::', '0.0.0.0']).toContain(server.address().address);
    expect((await get('/health')).status).toBe(200);
  });

  it('does not wait for idle or stuck clients past the deadline', async () => {
    await startServer();
    const socket = connect({ port: server.address().port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write('GET /health HTTP/1.1\r\n');
    await get('/health');
    const startedMs = clock.monotonicMs();
    await server.stop(clock.monotonicMs() + 100);
    expect(clock.monotonicMs() - startedMs).toBeLessThan(2_000);
    socket.destroy();
  });

  it('serves TLS, and a new certificate as soon as there is one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-http-'));
    cleanUps.push(() => rm(folder, { recursive: true }));
    const paths = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
    const install = async (name: 'first' | 'second') => {
      await copyFile(testCertificate(name).certificateFile, paths.certFile);
      await copyFile(testCertificate(name).keyFile, paths.keyFile);
    };
    await install('first');
    const tls = new TlsFiles(
      {
        optionPath: 'http_server_options',
        ...paths,
        certificates: [],
        minVersion: 'TLSv1.2',
        ciphers: [],
      },
      { log, clock, metrics: recordingMetrics() },
      { settleMs: 10 },
    );
    cleanUps.push(() => tls.stop());
    await startServer({ tls }, () => tls.start());
    const { port } = server.address();
    expect(await getTls(port, testCertificate('first').certificate)).toBe('OK');
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
    await install('second');
    const { certificate } = testCertificate('second');
    await vi.waitFor(async () => expect(await getTls(port, certificate)).toBe('OK'), { timeout: 5_000 });
    await vi.waitFor(async () => expect(await subjectWithoutServerName(port)).toBe('second'));
  });
});

async function startServer(options: Partial<HttpServerOptions> = {}, before = async () => {}): Promise<void> {
  log = new RecordingLog();
  server = new HttpServer(
    {
      port: 0,
      host: '127.0.0.1',
      secureEndpoints: true,
      secret,
      failedLoginsPerMinuteMax: 30,
      profiler: false,
      readinessRenewalSeconds: 10,
      ...options,
    },
    { log, clock, metrics: recordingMetrics(), views, operations },
  );
  const started = server;
  cleanUps.push(() => started.stop(clock.monotonicMs()));
  await before();
  await started.start();
  origin = `http://127.0.0.1:${started.address().port}`;
}

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(origin + path, init);
}

async function expectJson(
  path: string,
  status: number,
  body: unknown,
  init: RequestInit = {},
): Promise<void> {
  const answer = await get(path, init);
  expect([answer.status, await answer.json()]).toEqual([status, body]);
  expect(answer.headers.get('content-type')).toContain('application/json');
}

function getTls(port: number, ca: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/health', ca, servername: 'localhost', agent: false };
    requestTls(options, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
}

/** A client that dials an IP address asks for no name. */
function subjectWithoutServerName(port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN?.toString());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
