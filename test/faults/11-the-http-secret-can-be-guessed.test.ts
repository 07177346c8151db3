import { afterEach, beforeEach, expect, it } from 'vitest';
import { type StartedHub, startHub } from './started-hub.js';

const secret = 'known to the operator';
let started: StartedHub;

beforeEach(async () => {
  started = await startHub({ TYK_MDCB_SECURITY_SECRET: secret });
});

afterEach(async () => {
  await started.stop();
});

async function attempt(path: string, header: string): Promise<number> {
  const answer = await fetch(started.origin + path, { headers: { 'x-tyk-authorization': header } });
  await answer.arrayBuffer();
  return answer.status;
}

it('looks at 30 guesses a minute of one host, over all guarded paths together', async () => {
  const paths = ['/config', '/env', '/dataplanes', '/causeway/v1/status', '/causeway/v1/keys/k'];
  const startedMs = performance.now();
  const statuses: number[] = [];
  for (let guess = 0; guess < 150; guess++) {
    statuses.push(await attempt(paths[guess % paths.length] ?? '', `guess ${guess}`));
  }
  const looked = statuses.filter((status) => status === 401).length;
  // One more every two seconds, as time goes by.
  expect(looked).toBeLessThanOrEqual(31 + Math.ceil((performance.now() - startedMs) / 2_000));
  expect(looked).toBeGreaterThanOrEqual(30);
  expect(new Set(statuses)).toEqual(new Set([401, 429]));

  const limited = await fetch(`${started.origin}/config`, { headers: { 'x-tyk-authorization': 'x' } });
  if (limited.status === 429) {
    expect(limited.headers.get('retry-after')).toBe('60');
    expect(await limited.json()).toMatchObject({ code: 'LOGIN_RATE_LIMITED' });
  }
  const metrics = await (await fetch(`${started.origin}/metrics`)).text();
  expect(metrics).toMatch(/causeway_limit_hits_total\{limit="failedLoginsPerMinuteMax"\} \d{2,}/);
  // Probes never notice.
  expect(await attempt('/readiness', '')).toBe(200);
});

it('lets in who knows it, also after mistakes of others behind the same address', async () => {
  expect(await attempt('/config', secret)).toBe(200);
  for (let guess = 0; guess < 60; guess++) expect(await attempt('/config', `guess ${guess}`)).toBe(401);
  expect(await attempt('/config', secret)).toBe(200);
});
