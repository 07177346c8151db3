import { afterEach, describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { runCli } from '../integration/built-cli.js';
import { type StartedHub, startHub } from './started-hub.js';

const chartDefaults = { TYK_MDCB_SECURITY_SECRET: 'CHANGEME' };
const paths = ['/causeway/v1/status', '/causeway/v1/keys', '/causeway/v1/catalog', '/config', '/dataplanes'];
let started: StartedHub | undefined;

afterEach(async () => {
  await started?.stop();
  started = undefined;
});

async function putKey(origin: string, secret: string): Promise<Response> {
  return fetch(`${origin}/causeway/v1/keys/intruder`, {
    method: 'PUT',
    headers: { 'x-tyk-authorization': secret },
    body: '{"rate":1,"per":1}',
  });
}

describe('administration where the operator shut it', () => {
  it.each([
    ['said', { TYK_MDCB_SECURITY_ENABLEHTTPSECUREENDPOINTS: 'false' }, true, 'a real secret'],
    ['left at its default', {}, false, 'a real secret'],
    ['as the chart has it', { TYK_MDCB_SECURITY_ENABLEHTTPSECUREENDPOINTS: 'false' }, false, 'CHANGEME'],
  ] as const)('does not exist with the secure endpoints off (%s)', async (_, env, embedded, secret) => {
    started = await startHub({ ...env, TYK_MDCB_SECURITY_SECRET: secret }, { embedded });
    const headers = { 'x-tyk-authorization': secret };
    for (const path of paths) expect((await fetch(started.origin + path, { headers })).status).toBe(404);
    expect((await putKey(started.origin, secret)).status).toBe(404);
    expect((await fetch(`${started.origin}/readiness`)).status).toBe(200);
  });

  it.each(['CHANGEME', '352d20ee67be67f6340b4c0605b044b7'])(
    'with the endpoints on behind the placeholder %s neither writes nor shows a key',
    async (secret) => {
      const env = { TYK_MDCB_SECURITY_ENABLEHTTPSECUREENDPOINTS: 'true', TYK_MDCB_SECURITY_SECRET: secret };
      started = await startHub(env, { embedded: false });
      const refused = await putKey(started.origin, secret);
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
        403,
        'SECRET_PLACEHOLDER',
      ]);
      const headers = { 'x-tyk-authorization': secret };
      expect((await fetch(`${started.origin}/causeway/v1/keys`, { headers })).status).toBe(403);
      // What the field serves behind its secret is served as in the field.
      expect((await fetch(`${started.origin}/dataplanes`, { headers })).status).toBe(200);
      expect((await putKey(started.origin, 'another')).status).toBe(401);
    },
  );

  it('is warned of once, where the configuration is checked and where it starts', () => {
    const { warnings } = parseConfiguration({ env: chartDefaults });
    const own = warnings.filter(({ path }) => path === 'security.secret');
    expect(own.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^security\.secret: is a placeholder that everybody knows; /),
    ]);
    expect(JSON.stringify(own)).not.toContain('CHANGEME');
    const good = parseConfiguration({ env: { TYK_MDCB_SECURITY_SECRET: 'Qm7hX2vT' } });
    expect(good.warnings.filter(({ path }) => path === 'security.secret')).toEqual([]);
  });

  it('still lets a newcomer work with what the first start wrote down', async () => {
    started = await startHub();
    const { origin, credentials } = started;
    const put = await fetch(`${origin}/causeway/v1/keys/newcomer?organisation=${credentials.organisation}`, {
      method: 'PUT',
      headers: { 'x-tyk-authorization': credentials.http_secret },
      body: '{"rate":10,"per":1}',
    });
    expect(put.status).toBe(204);
    const env = { CAUSEWAY_URL: origin, CAUSEWAY_SECRET: credentials.http_secret };
    const { exitCode, err } = await runCli(['status'], env);
    expect([exitCode, err]).toEqual([0, '']);
  });
});
